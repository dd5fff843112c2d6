#include "featurestore/serve/lookup.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>

#include "featurestore/model/entity_key.h"
#include "featurestore/model/type_text.h"
#include "featurestore/serve/answer_lists.h"
#include "featurestore/state/row.h"

namespace freshet {
namespace {

// Between looks at the deadline: so many rows, or so much work of expressions (ExpressionWork), of which one alone can be more
// than thousands of rows.
constexpr size_t kRowsABlock = 64;
constexpr uint64_t kWorkABlock = 1 << 18;

double SecondsSince(std::chrono::steady_clock::time_point& since) {
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - since).count();
  since = now;
  return seconds;
}

ServeError Expired() {
  ServeError error;
  error.code = absl::StatusCode::kDeadlineExceeded;
  error.reason = "DEADLINE_EXCEEDED";
  error.message =
      "the deadline passed before the answer was complete; ask for fewer rows, or give it longer";
  return error;
}

ServeError Broken(const Status& status) {
  ServeError error;
  error.code = status.code();
  error.reason = "STORE_FAILED";
  error.message = std::string(MessageOf(status));
  return error;
}

double NumberOf(const Cell& cell) {
  switch (cell.value.kind()) {
    case Value::Kind::kInt64:
      return static_cast<double>(cell.value.as_int64());
    case Value::Kind::kDouble:
      return cell.value.as_double();
    case Value::Kind::kBool:
      return cell.value.as_bool() ? 1 : 0;
    default:
      return std::numeric_limits<double>::quiet_NaN();
  }
}

template <typename T>
void Store64(char* out, T value) {
  static_assert(sizeof(T) == 8);
  std::memcpy(out, &value, 8);
}

}  // namespace

ServeError ResponseTooLarge(size_t rows, size_t rows_fit, size_t limit_bytes) {
  return BadField(
      "RESPONSE_TOO_LARGE", "keys",
      fmt::format(
          "the answer for {} rows is larger than server.max_response ({} bytes): {} rows fit", rows,
          limit_bytes, rows_fit),
      {{"rows", fmt::format("{}", rows)}, {"rows_fit", fmt::format("{}", rows_fit)}});
}

Outcome Lookup::CheckPlan(const Plan& plan, const LookupOptions& options) const {
  for (size_t v = 0; v < plan.views.size(); ++v) {
    if (store_.view_status(plan.views[v].id).complete.load(std::memory_order_acquire)) continue;
    ServeError error = UnavailableNow(
        "VIEW_REBUILDING",
        fmt::format("feature view {} is being filled from its source's log and does not answer "
                    "yet; its health turns SERVING once it does",
                    plan.view_name(v)),
        Duration::Seconds(5));
    error.metadata = {{"view", plan.view_name(v)}};
    return error;
  }
  if (options.form == AnswerForm::kColumns) return std::nullopt;
  std::string names;
  size_t count = 0;
  for (const PlanColumn& column : plan.columns) {
    if (IsNumeric(column.type) || column.type == Type::kBool) continue;
    if (++count <= 16)
      names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", column.name,
                           TypeText(column.type, column.vector_size));
  }
  if (count == 0) return std::nullopt;
  if (count > 16) names += fmt::format(" and {} more", count - 16);
  return BadField("NOT_NUMERIC", "layout",
                  fmt::format("a matrix holds numbers alone, and these are none: {}; ask for "
                              "LAYOUT_COLUMNS, or for the others",
                              names),
                  {{"columns", names}});
}

void Lookup::PlanViews(const Plan& plan, const FeatureRequest& request) {
  runs_.assign(plan.views.size(), {});
  const size_t n = keys_.num_rows;
  for (size_t v = 0; v < plan.views.size(); ++v) {
    bool one = n > 1;
    for (const uint32_t key : plan.views[v].keys) one = one && keys_.one_value(key);
    runs_[v].reads = one ? 1 : n;
    if (plan.views[v].joins) one = one && !EventVaries(plan);
    runs_[v].values = one && request.as_of_us.size() <= 1 ? 1 : n;
  }
  column_values_.resize(plan.columns.size());
  for (size_t c = 0; c < plan.first_derived; ++c) {
    column_values_[c] = runs_[plan.columns[c].view].values;
  }
  for (size_t d = 0; d < plan.derived.size(); ++d) {
    column_values_[plan.first_derived + d] = n > 1 && !Varies(plan.derived[d], request) ? 1 : n;
  }
}

// How many rows can be sent, by their values of fixed width alone: before a row is read, so that what cannot be sent costs nothing.
// All of them, or fewer: counted with a status for each and the most that names can take, where it is the answer that they give.
size_t Lookup::RowsByWidth(const Plan& plan, const LookupOptions& options) const {
  size_t once = 0;
  size_t a_row = 0;
  size_t statuses_a_row = 0;
  for (size_t c = 0; c < plan.columns.size(); ++c) {
    const bool matrix = options.form != AnswerForm::kColumns;
    size_t width = options.form == AnswerForm::kMatrixFloat32 ? 4 : 8;
    const PlanColumn& column = plan.columns[c];
    if (!matrix) width = std::max<size_t>(FixedBytes(column.type, column.vector_size), 1);
    const bool each = matrix || column_values_[c] == keys_.num_rows;
    (each ? a_row : once) += width;
    statuses_a_row += each ? 2 : 0;
  }
  if (once + a_row * keys_.num_rows <= options.max_response_bytes) return keys_.num_rows;
  if (!options.cut_to_fit) {
    once += FrameBytes(plan);
    a_row += statuses_a_row + (options.event_times ? 8 * plan.views.size() : 0);
  }
  const size_t left = options.max_response_bytes > once ? options.max_response_bytes - once : 0;
  return left / std::max<size_t>(a_row, 1);
}

Status Lookup::ReadRows(const Plan& plan) {
  reads_.Clear();
  read_of_.clear();
  key_bytes_.clear();
  key_ends_.clear();
  // First all bytes, then the reads: they borrow, and the buffer may move while it grows.
  for (size_t v = 0; v < plan.views.size(); ++v) {
    const PlanView& view = plan.views[v];
    if (view.same_rows) {
      runs_[v].first_read = runs_[*view.same_rows].first_read;
      continue;
    }
    runs_[v].first_read = read_of_.size();
    key_values_.resize(view.keys.size());
    for (size_t row = 0; row < runs_[v].reads; ++row) {
      for (size_t k = 0; k < view.keys.size(); ++k)
        key_values_[k] = keys_.value(plan, view.keys[k], row);
      const bool entity = AppendEntityKey(key_values_, key_bytes_);
      read_of_.push_back(entity ? static_cast<uint32_t>(key_ends_.size()) : kNoEntity);
      if (entity) key_ends_.push_back(key_bytes_.size());
    }
  }
  size_t begin = 0;
  for (size_t v = 0; v < plan.views.size(); ++v) {
    const ViewId view = plan.views[v].id;
    if (plan.views[v].same_rows) continue;
    for (size_t row = 0; row < runs_[v].reads; ++row) {
      const uint32_t read = read_of_[runs_[v].first_read + row];
      if (read == kNoEntity) continue;
      const size_t end = key_ends_[read];
      reads_.Add(view, std::string_view(key_bytes_).substr(begin, end - begin));
      begin = end;
    }
  }
  return reads_.size() == 0 ? OkStatus() : store_.Read(reads_);
}

Timestamp Lookup::Now(const Plan& plan) const {
  if (plan.catalog->clock == ClockKind::kWall) return clock_.Now();
  int64_t now = kNoTime;
  for (const PlanView& view : plan.views) {
    now =
        std::max(now, store_.view_status(view.id).newest_event_us.load(std::memory_order_acquire));
  }
  for (size_t i = 0; i < reads_.size(); ++i) {
    const auto row = reads_.row(i);
    if (!row) continue;
    if (const auto newest = PeekNewest(*row)) now = std::max(now, newest->us);
  }
  // Before the first event no time has passed; the epoch keeps every sum of times in range.
  return {now == kNoTime ? 0 : now};
}

void Lookup::PrepareAnswer(const Plan& plan, const LookupOptions& options, Answer& answer) {
  const size_t n = keys_.num_rows;
  const bool matrix = options.form != AnswerForm::kColumns;
  answer.num_rows = n;
  rows_ = n;
  answer.columns.resize(plan.columns.size());
  sinks_.resize(plan.columns.size());
  size_t cells = 0;
  for (size_t c = 0; c < plan.columns.size(); ++c) {
    const PlanColumn& planned = plan.columns[c];
    const size_t values = column_values_[c];
    AnswerColumn& column = answer.columns[c];
    column.broadcast = values != n;
    column.values.clear();
    column.offsets.clear();
    column.element_offsets.clear();
    column.nulls.clear();
    column.mapped.clear();
    Sink& sink = sinks_[c];
    sink.type = planned.type;
    sink.vector_size = planned.vector_size;
    sink.fixed = nullptr;
    sink.column = &column;
    sink.first_status = cells;
    cells += matrix ? n : values;
    if (matrix) continue;
    if (const size_t width = FixedBytes(planned.type, planned.vector_size); width > 0) {
      column.values.resize(values * width);
      sink.fixed = column.values.data();
    } else {
      column.offsets.assign(4, '\0');
      column.offsets.reserve(4 * (values + 1));
      if (!IsScalar(planned.type) && IsText(ElementOf(planned.type))) {
        column.element_offsets.assign(4, '\0');
      }
    }
  }
  answer.statuses.assign(cells, static_cast<char>(CellStatus::kPresent));
  answer.degraded.assign(cells, '\0');
  answer.matrix.clear();
  if (matrix)
    answer.matrix.resize(n * plan.columns.size() *
                         (options.form == AnswerForm::kMatrixFloat32 ? 4 : 8));
  answer.views.resize(plan.views.size());
  for (size_t v = 0; v < plan.views.size(); ++v) {
    AnswerView& view = answer.views[v];
    const ViewStatus& status = store_.view_status(plan.views[v].id);
    const auto time = [](const std::atomic<int64_t>& us) -> std::optional<Timestamp> {
      const int64_t value = us.load(std::memory_order_relaxed);
      return value == kNoTime ? std::nullopt : std::optional(Timestamp{value});
    };
    view.watermark = time(status.watermark_us);
    view.complete_since = time(status.complete_since_us);
    view.broadcast = runs_[v].values != n;
    view.event_times.clear();
    if (options.event_times) view.event_times.resize(8 * runs_[v].values);
    view.cells_by_status = {};
  }
  text_bytes_ = 0;
  rows_unlooked_ = 0;
  damaged_ = false;
  any_status_ = false;
  any_degraded_ = false;
  answer.expression_errors = 0;
  if (plan.derived.empty()) return;
  kept_texts_.Clear();
  kept_.resize(std::max<size_t>(kept_.size(), plan.kept_features));
}

void Lookup::PutValue(const Sink& sink, size_t index, const Cell& cell) {
  const Value& value = cell.value;
  const bool null = value.is_null();
  switch (sink.type) {
    case Type::kBool:
      sink.fixed[index] = !null && value.as_bool() ? 1 : 0;
      return;
    case Type::kInt64:
      Store64(sink.fixed + 8 * index, null ? int64_t{0} : value.as_int64());
      return;
    case Type::kTimestamp:
      Store64(sink.fixed + 8 * index, null ? int64_t{0} : value.as_time().us);
      return;
    case Type::kDouble:
      Store64(sink.fixed + 8 * index,
              null ? std::numeric_limits<double>::quiet_NaN() : value.number());
      return;
    case Type::kFloat: {
      const float number =
          null ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(value.number());
      std::memcpy(sink.fixed + 4 * index, &number, 4);
      return;
    }
    case Type::kString:
    case Type::kBytes:
      return PutText(*sink.column, value);
  }
  if (sink.type == kFloatVector) {
    damaged_ |=
        !PutVector(value, sink.vector_size, sink.fixed + 4 * size_t{sink.vector_size} * index);
  } else {
    PutList(sink, value);
  }
}

void Lookup::PutText(AnswerColumn& column, const Value& value) {
  if (!value.is_null()) {
    column.values.append(value.as_text());
    text_bytes_ += value.as_text().size();
  }
  const auto end = static_cast<uint32_t>(column.values.size());
  char bytes[4];
  std::memcpy(bytes, &end, 4);
  column.offsets.append(bytes, 4);
}

void Lookup::PutList(const Sink& sink, const Value& value) {
  const auto bytes_of = [](const AnswerColumn& column) {
    return column.values.size() + column.element_offsets.size() + column.nulls.size() +
           column.mapped.size();
  };
  const size_t before = bytes_of(*sink.column);
  damaged_ |= !AppendPacked(sink.type, value, *sink.column);
  text_bytes_ += bytes_of(*sink.column) - before;
}

void Lookup::PutMatrix(AnswerForm form, size_t index, const Cell& cell, Answer& answer) const {
  const double number = NumberOf(cell);
  if (form == AnswerForm::kMatrixFloat64) {
    Store64(answer.matrix.data() + 8 * index, number);
  } else {
    const auto narrow = static_cast<float>(number);
    std::memcpy(answer.matrix.data() + 4 * index, &narrow, 4);
  }
}

Outcome Lookup::AfterRow(const Plan& plan, const LookupOptions& options, size_t filled,
                         Answer& answer) {
  if (++rows_unlooked_ < kRowsABlock && ExpressionWork() - looked_at_ < kWorkABlock) {
    return std::nullopt;
  }
  rows_unlooked_ = 0;
  looked_at_ = ExpressionWork();
  if (options.expired && options.expired()) return Expired();
  // Stop before memory grows far beyond what can be sent. What the columns in hand have so far and others have of later rows does
  // not say that these are too many.
  if (text_bytes_ > options.max_response_bytes &&
      VaryingBytes(plan, answer, std::min(filled, rows_)) > options.max_response_bytes) {
    FitRows(plan, options, filled, answer);
  }
  return std::nullopt;
}

void Lookup::FitRows(const Plan& plan, const LookupOptions& options, size_t filled,
                     Answer& answer) {
  const size_t frame = options.cut_to_fit ? 0 : FrameBytes(plan);
  const size_t limit = options.max_response_bytes;
  rows_ = RowsThatFit(plan, answer, std::min(filled, rows_), limit > frame ? limit - frame : 0);
  text_bytes_ = VaryingBytes(plan, answer, rows_);
}

void Lookup::PutCell(AnswerForm form, uint32_t column, size_t i, bool spread, const Cell& cell,
                     Answer& answer) {
  const Sink& sink = sinks_[column];
  any_status_ |= cell.status != CellStatus::kPresent;
  any_degraded_ |= cell.degraded;
  const bool matrix = form != AnswerForm::kColumns;
  // A broadcast value is sent once in columns and n times in a matrix.
  const size_t copies = matrix && spread ? answer.num_rows : 1;
  for (size_t copy = 0; copy < copies; ++copy) {
    const size_t at = copies == 1 ? i : copy;
    answer.statuses[sink.first_status + at] = static_cast<char>(cell.status);
    answer.degraded[sink.first_status + at] = cell.degraded ? 1 : 0;
    if (matrix) {
      PutMatrix(form, at * sinks_.size() + column, cell, answer);
    } else {
      PutValue(sink, at, cell);
    }
  }
}

Outcome Lookup::FinishView(const Plan& plan, size_t v, const FeatureRequest& request,
                           const LookupOptions& options, Answer& answer) {
  std::optional<Row> row;
  for (size_t i = 0; i < std::min(runs_[v].values, rows_); ++i) {
    if (auto error = FinishRow(plan, v, i, request, options, row, answer)) return error;
    if (auto error = AfterRow(plan, options, i + 1, answer)) return error;
  }
  if (text_bytes_ > options.max_response_bytes) FitRows(plan, options, rows_, answer);
  return std::nullopt;
}

Outcome Lookup::FinishRow(const Plan& plan, size_t v, size_t i, const FeatureRequest& request,
                          const LookupOptions& options, std::optional<Row>& row, Answer& answer) {
  const PlanView& view = plan.views[v];
  const ViewRun& run = runs_[v];
  AnswerView& info = answer.views[v];
  cells_.resize(view.features.size());
  // A row that an event joined is no longer the stored one.
  if (run.reads > 1 || i == 0 || view.joins) {
    row.reset();
    const uint32_t read = read_of_[run.first_read + (run.reads == 1 ? 0 : i)];
    const auto bytes = read == kNoEntity ? std::nullopt : reads_.row(read);
    if (bytes) {
      auto decoded = Row::Decode(*view.layout, *bytes);
      if (!decoded.ok()) return Broken(decoded.status());
      row.emplace(*std::move(decoded));
    }
  }
  const ReadTime time = TimeOf(request, i, answer);
  const bool joined = view.joins && JoinEvent(plan, view, i, time.at(), row);
  std::optional<Timestamp> event_time;
  if (row) {
    event_time = row->Finish(time, view.features, cells_);
  } else {
    FinishMissing(*view.layout, time, view.features, cells_);
  }
  if (options.explanation != nullptr && i == 0) {
    ExplainView(plan, v, row ? &*row : nullptr, time, event_time, cells_,
                store_.view_status(view.id), *options.explanation);
    options.explanation->views[v].joined = joined;
  }
  if (options.event_times) {
    Store64(info.event_times.data() + 8 * i, event_time ? event_time->us : kNoTime);
  }
  if (!view.kept.empty()) KeepValues(view, i, run.values);
  for (size_t f = 0; f < cells_.size(); ++f) {
    const Cell& cell = cells_[f];
    ++info.cells_by_status[static_cast<uint8_t>(cell.status) % info.cells_by_status.size()];
    PutCell(options.form, view.columns[f], i, run.values != keys_.num_rows, cell, answer);
  }
  if (damaged_) {
    return Broken(DataLoss("view {}: a damaged list, vector or map", plan.view_name(v)));
  }
  return std::nullopt;
}

ReadTime Lookup::TimeOf(const FeatureRequest& request, size_t i, const Answer& answer) {
  ReadTime time{answer.evaluated_at, std::nullopt};
  if (!request.as_of_us.empty())
    time.as_of = Timestamp{request.as_of_us[request.as_of_us.size() == 1 ? 0 : i]};
  return time;
}

Outcome Lookup::Run(const Plan& plan, const FeatureRequest& request, const LookupOptions& options,
                    Answer& answer) {
  Outcome outcome = RunPinned(plan, request, options, answer);
  reads_.Clear();  // blocks of the cache: all that is answered was copied
  return outcome;
}

Outcome Lookup::RunPinned(const Plan& plan, const FeatureRequest& request,
                          const LookupOptions& options, Answer& answer) {
  auto since = std::chrono::steady_clock::now();
  if (options.expired && options.expired()) return Expired();
  if (auto error = BindKeys(plan, request, options.max_rows, keys_)) return error;
  if (auto error = CheckPlan(plan, options)) return error;
  PlanViews(plan, request);
  answer.rows_asked = keys_.num_rows;
  if (const size_t fit = RowsByWidth(plan, options); fit < keys_.num_rows) {
    if (!options.cut_to_fit) {
      return ResponseTooLarge(keys_.num_rows, fit, options.max_response_bytes);
    }
    keys_.num_rows = fit;
    PlanViews(plan, request);
  }
  answer.keys_seconds = SecondsSince(since);
  if (Status read = ReadRows(plan); !read.ok()) return Broken(read);
  answer.read_seconds = SecondsSince(since);
  answer.evaluated_at = Now(plan);
  PrepareAnswer(plan, options, answer);
  if (auto error = FinishJoined(plan, request, options, answer)) return error;
  for (size_t v = 0; v < plan.views.size(); ++v) {
    if (plan.views[v].joins) continue;
    if (options.expired && options.expired()) return Expired();
    if (auto error = FinishView(plan, v, request, options, answer)) return error;
  }
  if (!plan.derived.empty()) {
    if (auto error = FinishDerived(plan, request, options, answer)) return error;
  }
  if (!any_status_) answer.statuses.clear();
  if (!any_degraded_) answer.degraded.clear();
  if (rows_ < answer.num_rows) {
    FitRows(plan, options, rows_, answer);
    if (!options.cut_to_fit) {
      return ResponseTooLarge(answer.num_rows, rows_, options.max_response_bytes);
    }
  }
  answer.rows_filled = rows_;
  answer.finish_seconds = SecondsSince(since);
  return std::nullopt;
}

}  // namespace freshet
