#include "featurestore/serve/explain.h"

#include <fmt/format.h>

#include "featurestore/base/utf8.h"
#include "featurestore/declare/describe.h"

namespace freshet {
namespace {

std::string Counted(uint64_t n, std::string_view one) {
  return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s");
}

std::string At(const std::optional<Timestamp>& t) { return t ? FormatTimestamp(*t) : "ever"; }

// The two greatest units: "1d 1h", "61m" stays within what people read at a glance.
std::string Span(Duration d) {
  struct Unit {
    int64_t us;
    std::string_view name;
  };
  static constexpr Unit kUnits[] = {{Duration::Days(1).us, "d"},
                                    {Duration::Hours(1).us, "h"},
                                    {Duration::Minutes(1).us, "m"},
                                    {Duration::Seconds(1).us, "s"}};
  for (size_t i = 0; i < std::size(kUnits); ++i) {
    if (d.us < kUnits[i].us) continue;
    std::string text = fmt::format("{}{}", d.us / kUnits[i].us, kUnits[i].name);
    const int64_t rest = d.us % kUnits[i].us;
    if (i + 1 < std::size(kUnits) && rest >= kUnits[i + 1].us)
      return fmt::format("{} {}{}", text, rest / kUnits[i + 1].us, kUnits[i + 1].name);
    return rest == 0 ? text : text + " and a bit";
  }
  return FormatDuration(d);
}

// "sum(amount) where amount > 10, sliding 1h, hop 1m"
std::string Declared(const FeatureView& view, const Feature& feature, const Source& source) {
  if (view.latest_values) {
    return fmt::format("the latest value of {}{}", source.fields[*feature.of].name,
                       view.ttl ? ", ttl " + FormatDuration(*view.ttl) : "");
  }
  std::string of = feature.of ? source.fields[*feature.of].name : "";
  const std::string arguments = DescribeArguments(feature, source);
  if (!of.empty() && !arguments.empty()) of += ", ";
  of += arguments;
  return fmt::format("{}({}){}, {}", feature.aggregate, of,
                     feature.where ? " where " + source.fields[*feature.where].written : "",
                     DescribeWindow(feature.window));
}

// Sentences of one cell.
class Sentence {
 public:
  Sentence(const FeatureView& view, const Feature& feature, const Row* row, const ReadTime& read)
      : view_(view), feature_(feature), row_(row), read_(read) {}

  std::string Of(const Cell& cell, const std::optional<CoveredWindow>& covered) const {
    switch (cell.status) {
      case CellStatus::kPresent:
        return Present(cell, *covered);
      case CellStatus::kNullValue:
        if (view_.latest_values) return Latest(*covered) + ", and there is no default";
        return fmt::format("{} holds {}, and there is no default", Place(*covered),
                           Empty(*covered) ? "no event" : "no value (nulls are skipped)");
      case CellStatus::kNotFound:
        return NotFound() + DefaultToo(cell);
      case CellStatus::kOutsideMaxAge:
        return OutsideMaxAge() + DefaultToo(cell);
      case CellStatus::kOutsideHistory:
        return OutsideHistory();
      case CellStatus::kError:
        return "the result does not fit its type, or an expression failed";
    }
    return "";
  }

 private:
  static std::string Place(const CoveredWindow& covered) {
    switch (covered.kept_as) {
      case KeptAs::kRuns:
        return covered.start ? "the run " + ToString(covered) : "the window, in which no run is,";
      case KeptAs::kLifetime:
        return "the lifetime up to " + At(covered.end);
      case KeptAs::kLatest:
        return "the latest value";
      case KeptAs::kEvents:
        if (!covered.start) return "the list of kept events";
        [[fallthrough]];
      case KeptAs::kPanes:
        break;
    }
    return "the window " + ToString(covered);
  }
  static bool Empty(const CoveredWindow& covered) {
    if (covered.events) return *covered.events == 0;
    return covered.kept_as == KeptAs::kPanes && covered.panes == 0;
  }

  // Of a latest value that is there, or not.
  std::string Latest(const CoveredWindow& covered) const {
    if (!covered.start) return "no event brought the field";
    const std::string event = "the event of " + FormatTimestamp(*covered.start);
    const Duration age = read_.at() - *covered.start;
    if (view_.ttl && age > *view_.ttl) {
      return fmt::format("set by {}, {} before the read, more than the ttl of {}", event, Span(age),
                         FormatDuration(*view_.ttl));
    }
    return fmt::format("set{} by {}", covered.set_to_null ? " to null" : "", event);
  }

  std::string Present(const Cell& cell, const CoveredWindow& covered) const {
    if (view_.latest_values) {
      const bool fresh = covered.start && (!view_.ttl || read_.at() - *covered.start <= *view_.ttl);
      return Latest(covered) + (fresh && !covered.set_to_null ? "" : "; the default is given");
    }
    std::string text =
        Empty(covered) ? fmt::format("{} holds no event, so the {} is given", Place(covered),
                                     feature_.default_value ? "default" : "empty value")
                       : fmt::format("{} of the events in {}", feature_.aggregate, Place(covered));
    if (covered.left_out_pane_of_read) {
      text += fmt::format(
          "; the pane of {} that holds the read is left out, since the row has a later event ({})",
          FormatDuration(covered.hop), FormatTimestamp(row_->newest()));
    }
    if (cell.degraded) {
      text += feature_.window.kind == WindowKind::kExact
                  ? "; DEGRADED: max_events dropped an event that the window covers"
                  : "; DEGRADED: a bound cut something off";
    }
    return text;
  }

  // "the row's newest event" or, of a read before it, "… as of the read".
  std::string NewestOf(Timestamp time) const {
    return fmt::format("the row's newest event{}, {},",
                       time == row_->newest() ? "" : " as of the read", FormatTimestamp(time));
  }

  std::string OutsideMaxAge() const {
    const Timestamp time = row_->EventTimeAsOf(read_).value_or(row_->newest());
    return fmt::format(
        "{} is {} before the read, more than the ttl of {}: no stored value is served",
        NewestOf(time), Span(read_.at() - time), FormatDuration(*view_.ttl));
  }

  std::string NotFound() const {
    if (row_ == nullptr) {
      return "there is no row: no event of this entity was applied, it expired, or the key is null";
    }
    if (row_->empty()) return "the entity was deleted, and no event came since";
    if (const auto time = row_->EventTimeAsOf(read_)) {
      return fmt::format("{} is older than ttl and grace ({} + {})", NewestOf(*time),
                         FormatDuration(*view_.ttl), FormatDuration(view_.grace()));
    }
    return fmt::format("as of {} nothing of the row is known yet: no pane with an event had ended",
                       FormatTimestamp(read_.at()));
  }

  std::string OutsideHistory() const {
    if (row_ != nullptr && row_->deleted() && read_.at() < *row_->deleted()) {
      return fmt::format("the entity was deleted at {}: what it was before is gone",
                         FormatTimestamp(*row_->deleted()));
    }
    const Duration back = read_.now - read_.at();
    if (view_.latest_values) {
      return fmt::format("as_of is {} before now, and latest values have no history", Span(back));
    }
    if (!feature_.window.has_history()) {
      return fmt::format("as_of is {} before now, and {} has no history", Span(back),
                         DescribeWindow(feature_.window));
    }
    return fmt::format("as_of is {} before now, further back than the view's history of {}",
                       Span(back), FormatDuration(view_.history));
  }

  static std::string DefaultToo(const Cell& cell) {
    return cell.value.is_null() ? "" : "; the default stands beside the status";
  }

  const FeatureView& view_;
  const Feature& feature_;
  const Row* row_;
  const ReadTime& read_;
};

constexpr size_t kMaxShownBytes = 100;

std::string Shown(const Value& value) {
  return value.is_null() ? "NULL" : Shortened(ToDebugString(value), kMaxShownBytes);
}

// " (DEFAULT of NOT_FOUND)"
std::string StatusBeside(CellStatus status, const Value& value) {
  if (status == CellStatus::kPresent || (status == CellStatus::kNullValue && value.is_null()))
    return "";
  return fmt::format(" ({}{})", CellStatusName(status), value.is_null() ? "" : ": its default");
}

// The answer's column whose values are kept at `slot`.
std::optional<uint32_t> ColumnKeptAt(const Plan& plan, uint32_t slot) {
  for (const PlanView& view : plan.views) {
    for (size_t f = 0; f < view.kept.size(); ++f) {
      if (view.kept[f] == slot) return view.columns[f];
    }
  }
  return std::nullopt;
}

std::string ShownRead(const Plan& plan, const ReadColumn& read, const Explanation& explanation) {
  using Kind = ServiceExpressions::Kind;
  std::optional<uint32_t> column;
  switch (read.column.kind) {
    case Kind::kNow:
      return "now = " + Shown(read.value);
    case Kind::kInput:
      return fmt::format("{} = {} (input)", plan.inputs[read.column.index].name, Shown(read.value));
    case Kind::kFeature:
      column = ColumnKeptAt(plan, read.column.index);
      break;
    case Kind::kDerived:
      column = plan.first_derived + read.column.index;
      break;
  }
  if (!column) return Shown(read.value);
  return fmt::format("{} = {}{}", plan.columns[*column].name, Shown(read.value),
                     StatusBeside(explanation.features[*column].status, read.value));
}

// As declared; of a plan without a service of the catalog as compiled.
std::string TextOf(const Plan& plan, uint32_t derived) {
  for (const FeatureService& service : plan.catalog->services) {
    if (service.name == plan.service && derived < service.derived.size())
      return service.derived[derived].expression;
  }
  return plan.derived[derived].expression->normalized();
}

std::optional<Timestamp> Known(const std::atomic<int64_t>& us) {
  const int64_t value = us.load(std::memory_order_relaxed);
  return value == kNoTime ? std::nullopt : std::optional(Timestamp{value});
}

}  // namespace

std::string ToString(const CoveredWindow& covered) {
  std::string text;
  if (covered.start || covered.end) {
    text = fmt::format("{}{}, {}{}", covered.start_included ? "[" : "(", At(covered.start),
                       At(covered.end), covered.end_included ? "]" : ")");
  }
  std::string held;
  if (covered.kept_as == KeptAs::kPanes) {
    held = fmt::format("{} of {} with something in {}", Counted(covered.panes, "pane"),
                       FormatDuration(covered.hop), covered.panes == 1 ? "it" : "them");
  }
  if (covered.events) {
    held += (held.empty() ? "" : ", ") + Counted(*covered.events, "event");
  }
  if (held.empty()) return text;
  return text.empty() ? held : fmt::format("{} ({})", text, held);
}

void ExplainView(const Plan& plan, size_t view_index, const Row* row, const ReadTime& read,
                 std::optional<Timestamp> event_time, std::span<const Cell> cells,
                 const ViewStatus& status, Explanation& explanation) {
  const PlanView& planned = plan.views[view_index];
  const FeatureView& view = plan.catalog->views[planned.view];
  const Source& source = plan.catalog->sources[view.source];
  explanation.evaluated_at = read.now;
  explanation.as_of = read.as_of;
  explanation.features.resize(plan.columns.size());
  explanation.views.resize(plan.views.size());

  ViewExplanation& about = explanation.views[view_index];
  about.name = plan.view_label(view_index);
  about.row = row != nullptr;
  about.event_time = event_time;
  if (row != nullptr && !row->empty()) {
    about.newest = row->newest();
    if (view.ttl) {
      about.max_age_until = row->newest() + *view.ttl;
      about.found_until = *about.max_age_until + view.grace();
    }
  }
  about.watermark = Known(status.watermark_us);
  about.complete_since = Known(status.complete_since_us);
  about.late_events = status.late_events.load(std::memory_order_relaxed);
  about.skipped_no_key = status.skipped_no_key.load(std::memory_order_relaxed);
  about.skipped_where = status.skipped_where.load(std::memory_order_relaxed);

  std::vector<CoveredWindow> covered;
  if (row != nullptr) covered = ExplainRow(*row, read, planned.features);
  for (size_t f = 0; f < cells.size(); ++f) {
    const Feature& feature = view.features[planned.features[f]];
    const PlanColumn& column = plan.columns[planned.columns[f]];
    FeatureExplanation& out = explanation.features[planned.columns[f]];
    out = {.name = column.name, .declared = Declared(view, feature, source)};
    out.view = static_cast<uint32_t>(view_index);
    out.status = cells[f].status;
    out.degraded = cells[f].degraded;
    const bool evaluated = cells[f].status == CellStatus::kPresent ||
                           cells[f].status == CellStatus::kNullValue ||
                           cells[f].status == CellStatus::kError;
    if (evaluated && row != nullptr) out.covered = covered[f];
    out.why = Sentence(view, feature, row, read).Of(cells[f], out.covered);
  }
}

void ExplainDerived(const Plan& plan, uint32_t derived, std::span<const ReadColumn> read,
                    const Evaluated& result, CellStatus status, Explanation& explanation) {
  explanation.features.resize(plan.columns.size());
  const uint32_t column = plan.first_derived + derived;
  FeatureExplanation& out = explanation.features[column];
  out = {.name = plan.columns[column].name, .declared = TextOf(plan, derived)};
  out.view = kNoIndex;
  out.status = status;
  for (const ReadColumn& one : read) {
    out.why += (out.why.empty() ? "of " : ", ") + ShownRead(plan, one, explanation);
  }
  if (read.empty()) out.why = "it reads nothing";
  if (status == CellStatus::kError) {
    out.why += "; the expression failed: " + std::string(EvaluationErrorText(result.error));
  } else if (status == CellStatus::kNullValue) {
    out.why += "; the expression is NULL";
  }
}

}  // namespace freshet
