// What comes with a request: the event that it tells of itself, and what is derived of features, inputs and the time.
#include <algorithm>
#include <limits>

#include "featurestore/serve/lookup.h"

namespace freshet {
namespace {

using Kind = ServiceExpressions::Kind;

// Greater than any stored event's: of equal times the request's comes last.
constexpr Coordinates kAfterAll{std::numeric_limits<uint32_t>::max(),
                                std::numeric_limits<int32_t>::max(),
                                std::numeric_limits<int64_t>::max()};

bool IsTrue(const Value& value) { return !value.is_null() && value.as_bool(); }

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// What a record that happened at `q` has in the field that its time is read from.
Value TimeFieldValue(const Source& source, Timestamp q) {
  const Field& field = source.fields[*source.time_field];
  if (field.type == Type::kTimestamp) return Value::Time(q);
  int64_t us_a_unit = 1;  // of nanoseconds: see below
  const TimeUnit unit = source.time_unit.value_or(TimeUnit::kMicros);
  if (unit == TimeUnit::kSeconds) us_a_unit = 1'000'000;
  if (unit == TimeUnit::kMillis) us_a_unit = 1000;
  if (field.type == Type::kInt64) {
    constexpr int64_t kMostInNanos = std::numeric_limits<int64_t>::max() / 1000;
    if (unit != TimeUnit::kNanos) return Value::Int64(FloorDiv(q.us, us_a_unit));
    // Beyond the years 1678 to 2262 no int64 of nanoseconds says it.
    return q.us > kMostInNanos || q.us < -kMostInNanos ? Value() : Value::Int64(q.us * 1000);
  }
  const double us = static_cast<double>(q.us);
  return Value::Double(unit == TimeUnit::kNanos ? us * 1000 : us / static_cast<double>(us_a_unit));
}

}  // namespace

bool Lookup::EventVaries(const Plan& plan) const {
  const std::vector<PlanEvent::Given>& given = plan.event->given;
  return std::any_of(given.begin(), given.end(), [this](const PlanEvent::Given& g) {
    return g.is_input ? !keys_.one_input(g.index) : !keys_.one_value(g.index);
  });
}

Outcome Lookup::FinishJoined(const Plan& plan, const FeatureRequest& request,
                             const LookupOptions& options, Answer& answer) {
  if (!plan.event) return std::nullopt;
  size_t values = 0;
  for (size_t v = 0; v < plan.views.size(); ++v) {
    if (plan.views[v].joins) values = std::max(values, runs_[v].values);
  }
  const bool varies = EventVaries(plan) || request.as_of_us.size() > 1;
  std::optional<Row> row;  // never a view's last one: each is read anew
  for (size_t i = 0; i < std::min(values, rows_); ++i) {
    if (i == 0 || varies) {
      has_event_ = MakeEvent(plan, i, TimeOf(request, i, answer).at(), answer);
    }
    for (size_t v = 0; v < plan.views.size(); ++v) {
      if (!plan.views[v].joins || i >= runs_[v].values) continue;
      if (auto error = FinishRow(plan, v, i, request, options, row, answer)) return error;
    }
    if (auto error = AfterRow(plan, options, i + 1, answer)) return error;
  }
  if (text_bytes_ > options.max_response_bytes) FitRows(plan, options, rows_, answer);
  return std::nullopt;
}

bool Lookup::MakeEvent(const Plan& plan, size_t i, Timestamp q, Answer& answer) {
  const PlanEvent& event = *plan.event;
  event_fields_.assign(event.source->fields.size(), {});
  for (const PlanEvent::Given& given : event.given) {
    Value& field = event_fields_[given.field];
    field = given.is_input ? keys_.input(plan, given.index, i) : keys_.value(plan, given.index, i);
    if (field.is_null() && given.required) return false;  // a stored one would be `incomplete`
    if (field.kind() == Value::Kind::kText) text_read_ += field.as_text().size();
  }
  if (event.source->time_field) {
    event_fields_[*event.source->time_field] = TimeFieldValue(*event.source, q);
  }
  if (!keys_.event_id.is_null()) event_fields_[event.source->dedup->by.front()] = keys_.event_id;
  if (event.derived != nullptr) {
    scratch_.Clear();
    answer.expression_errors += event.derived->Compute(event_fields_, scratch_);
  }
  return !event.source->where || IsTrue(event_fields_[*event.source->where]);
}

bool Lookup::JoinEvent(const Plan& plan, const PlanView& view, size_t i, Timestamp q,
                       std::optional<Row>& row) {
  if (!has_event_) return false;
  const FeatureView& declared = plan.catalog->views[view.view];
  if (declared.where && !IsTrue(event_fields_[*declared.where])) return false;
  for (const uint32_t key : declared.key_fields) {
    if (event_fields_[key].is_null()) return false;
  }
  for (const auto& [field, key] : view.compared) {
    if (!(event_fields_[field] == keys_.value(plan, key, i))) return false;
  }
  if (!row) row.emplace(*view.layout);
  return row->Apply({q, kAfterAll, event_fields_}) == Applied::kChanged;
}

void Lookup::KeepValues(const PlanView& view, size_t i, size_t values) {
  for (size_t f = 0; f < view.kept.size(); ++f) {
    if (view.kept[f] == kNoIndex) continue;
    std::vector<Value>& kept = kept_[view.kept[f]];
    kept.resize(values);
    const Value& value = cells_[f].value;
    kept[i] =
        value.kind() == Value::Kind::kText ? Value::Text(kept_texts_.Copy(value.as_text())) : value;
  }
}

bool Lookup::Varies(const PlanDerived& derived, const FeatureRequest& request) const {
  const size_t n = keys_.num_rows;
  return (derived.reads_now && request.as_of_us.size() > 1) ||
         std::any_of(derived.views.begin(), derived.views.end(),
                     [&](uint32_t view) { return runs_[view].values == n; }) ||
         std::any_of(derived.inputs.begin(), derived.inputs.end(),
                     [&](uint32_t input) { return !keys_.one_input(input); });
}

Value Lookup::ScopeValue(const Plan& plan, const FeatureRequest& request, uint32_t column, size_t i,
                         Timestamp now) const {
  const auto at = [i](const std::vector<Value>& values) {
    return values[values.size() == 1 ? 0 : i];
  };
  const ServiceExpressions::Column& read = plan.scope[column];
  switch (read.kind) {
    case Kind::kFeature:
      return at(kept_[read.index]);
    case Kind::kInput:
      return keys_.input(plan, read.index, i);
    case Kind::kDerived:
      return at(kept_derived_[read.index]);
    case Kind::kNow:
      break;
  }
  if (request.as_of_us.empty()) return Value::Time(now);
  return Value::Time({request.as_of_us[request.as_of_us.size() == 1 ? 0 : i]});
}

void Lookup::ExplainDerivedCell(const Plan& plan, uint32_t derived, const Evaluated& result,
                                CellStatus status, Explanation& explanation) const {
  std::vector<ReadColumn> read;
  for (const uint32_t column : plan.derived[derived].expression->columns()) {
    read.push_back({plan.scope[column], scope_[column]});
  }
  ExplainDerived(plan, derived, read, result, status, explanation);
}

Outcome Lookup::FinishDerived(const Plan& plan, const FeatureRequest& request,
                              const LookupOptions& options, Answer& answer) {
  scope_.assign(plan.scope.size(), {});
  kept_derived_.resize(std::max(kept_derived_.size(), plan.derived.size()));
  const size_t n = keys_.num_rows;
  for (uint32_t d = 0; d < plan.derived.size(); ++d) {
    const PlanDerived& derived = plan.derived[d];
    const uint32_t column = plan.first_derived + d;
    const size_t values = column_values_[column];
    if (derived.kept) kept_derived_[d].assign(values, {});
    for (size_t i = 0; i < std::min(values, rows_); ++i) {
      for (const uint32_t read : derived.expression->columns()) {
        scope_[read] = ScopeValue(plan, request, read, i, answer.evaluated_at);
        if (scope_[read].kind() == Value::Kind::kText) text_read_ += scope_[read].as_text().size();
      }
      scratch_.Clear();
      const Evaluated result = derived.expression->Evaluate(scope_, scratch_);
      Cell cell;
      cell.value = result.value;
      cell.status = !result.ok()             ? CellStatus::kError
                    : result.value.is_null() ? CellStatus::kNullValue
                                             : CellStatus::kPresent;
      answer.expression_errors += result.ok() ? 0 : 1;
      if (options.explanation != nullptr && i == 0) {
        ExplainDerivedCell(plan, d, result, cell.status, *options.explanation);
      }
      PutCell(options.form, column, i, values != n, cell, answer);
      if (derived.kept) {
        kept_derived_[d][i] = cell.value.kind() == Value::Kind::kText
                                  ? Value::Text(kept_texts_.Copy(cell.value.as_text()))
                                  : cell.value;
      }
      if (auto error = AfterRow(plan, options, i + 1, answer)) return error;
    }
    if (text_bytes_ > options.max_response_bytes) FitRows(plan, options, rows_, answer);
  }
  return std::nullopt;
}

}  // namespace freshet
