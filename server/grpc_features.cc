#include "server/grpc_features.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "server/call_deadline.h"
#include "server/error_details.h"
#include "server/proto_conversion.h"
#include "server/proto_rows.h"

namespace freshet {
namespace {

// So many requests of max_rows may be in hand; more of smaller ones.
constexpr size_t kCallsOfMostRows = 64;
// Longer than a call takes from a client to here and its answer back.
constexpr std::chrono::milliseconds kQuiet{200};

using std::chrono::steady_clock;

double Seconds(steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

AnswerForm FormOf(v1::Layout layout) {
  switch (layout) {
    case v1::LAYOUT_MATRIX_FLOAT32:
      return AnswerForm::kMatrixFloat32;
    case v1::LAYOUT_MATRIX_FLOAT64:
      return AnswerForm::kMatrixFloat64;
    default:
      return AnswerForm::kColumns;
  }
}

std::string MetadataOf(const grpc::ServerContextBase& context, const char* name) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find(name);
  return found == metadata.end() ? "" : std::string(found->second.data(), found->second.size());
}

// As far as the lengths of keys and times say: what decides where a request is computed, and how many may wait.
size_t RowsAsked(const v1::GetFeaturesRequest& request) {
  auto rows = static_cast<size_t>(request.as_of_us_size());
  const auto add = [&rows](const v1::Column& column) {
    size_t length = 0;
    switch (column.values_case()) {
      case v1::Column::kStrings:
        length = static_cast<size_t>(column.strings().values_size());
        break;
      case v1::Column::kInt64S:
        length = static_cast<size_t>(column.int64s().values_size());
        break;
      case v1::Column::kInt64Le:
        length = column.int64_le().size() / 8;
        break;
      case v1::Column::kTimestampUsLe:
        length = column.timestamp_us_le().size() / 8;
        break;
      case v1::Column::kText:
        length = std::max<size_t>(column.text().offsets().size() / 4, 1) - 1;  // n + 1 of n values
        break;
      case v1::Column::kDoubleLe:
        length = column.double_le().size() / 8;
        break;
      case v1::Column::kFloatLe:
        length = column.float_le().size() / 4;
        break;
      default:
        length = column.bool_u8().size();
    }
    rows = std::max(rows, length);
  };
  for (const v1::Column& column : request.keys()) add(column);
  for (const v1::Column& column : request.inputs()) add(column);
  return rows;
}

}  // namespace

FeatureHandler::FeatureHandler(ServedPlans& plans, const Store& store, const Clock& clock,
                               ServeMetrics& metrics, Log& log, size_t max_in_flight,
                               size_t max_rows)
    : plans_(plans),
      store_(store),
      clock_(clock),
      metrics_(metrics),
      method_(metrics.Method("freshet.v1.ServingService", "GetFeatures")),
      log_(log),
      max_in_flight_(max_in_flight),
      max_rows_(max_rows) {}

std::optional<grpc::Status> FeatureHandler::Admit(FeatureCall& call) {
  method_.Started();
  call.arrived = steady_clock::now();
  // Counted before it is asked, so that AwaitIdle misses no call that passed.
  const size_t before = in_flight_.fetch_add(1);
  call.rows = RowsAsked(*call.request);
  const size_t rows_before = rows_in_hand_.fetch_add(call.rows);
  Outcome refusal;
  if (draining_.load()) {
    last_refused_ = call.arrived.time_since_epoch();
    refusal = UnavailableNow("DRAINING", "this server is stopping; another one answers",
                             Duration::Millis(100));
  } else if (before >= max_in_flight_ ||
             (before > 0 && rows_before + call.rows > kCallsOfMostRows * max_rows_)) {
    refusal = UnavailableNow("OVERLOADED",
                             fmt::format("{} requests for {} rows are in hand, which is as much as "
                                         "this server takes; retry later, or add servers",
                                         before, rows_before),
                             Duration::Millis(100));
    call.context->AddTrailingMetadata("grpc-retry-pushback-ms", "100");
  }
  if (!refusal) {
    metrics_.AddInFlight(1);
    return std::nullopt;
  }
  Release(call);
  return Refuse(call, *refusal);
}

void FeatureHandler::Release(const FeatureCall& call) {
  rows_in_hand_.fetch_sub(call.rows);
  if (in_flight_.fetch_sub(1) == 1 && draining_.load()) {
    std::lock_guard lock(mutex_);
    idle_.notify_all();
  }
}

void FeatureHandler::Abandon(const FeatureCall& call) {
  metrics_.AddInFlight(-1);
  Release(call);
}

void FeatureHandler::AwaitQuiet(steady_clock::time_point until) const {
  const auto begun = steady_clock::now();
  while (true) {
    const auto last = std::max(begun, steady_clock::time_point(last_refused_.load()));
    const auto now = steady_clock::now();
    if (now >= until || now - last >= kQuiet) return;
    std::this_thread::sleep_until(std::min(last + kQuiet, until));
  }
}

void FeatureHandler::AwaitIdle(steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  idle_.wait_until(lock, until, [this] { return in_flight_.load() == 0; });
}

grpc::Status FeatureHandler::Refuse(FeatureCall& call, const ServeError& error) {
  if (error.code == absl::StatusCode::kUnavailable) metrics_.Rejected(error.reason);
  if (error.code == absl::StatusCode::kInternal || error.code == absl::StatusCode::kDataLoss) {
    log_.Error("request_failed", error.message,
               {{"reason", error.reason},
                {"traceparent", MetadataOf(*call.context, "traceparent")},
                {"request_id", MetadataOf(*call.context, "x-request-id")}});
  }
  method_.Handled(static_cast<int>(error.code), Seconds(steady_clock::now() - call.arrived));
  return ToGrpcStatus(error);
}

std::unique_ptr<FeatureHandler::Scratch> FeatureHandler::TakeScratch() {
  std::lock_guard lock(mutex_);
  if (scratches_.empty()) return std::make_unique<Scratch>(store_, clock_);
  auto scratch = std::move(scratches_.back());
  scratches_.pop_back();
  return scratch;
}

grpc::Status FeatureHandler::Serve(FeatureCall& call) {
  auto scratch = TakeScratch();
  const Outcome error = Compute(call, *scratch);
  {
    std::lock_guard lock(mutex_);
    scratches_.push_back(std::move(scratch));
  }
  metrics_.AddInFlight(-1);
  grpc::Status status;
  if (error) {
    call.response->Clear();
    status = Refuse(call, *error);
  } else {
    method_.Handled(0, Seconds(steady_clock::now() - call.arrived));
  }
  Release(call);
  return status;
}

Outcome FeatureHandler::Compute(FeatureCall& call, Scratch& scratch) {
  const v1::GetFeaturesRequest& request = *call.request;
  std::shared_ptr<const Plan> plan;
  if (auto error = SelectPlan(*plans_.now(), request, plan)) return error;
  const ServerSettings& server = plan->catalog->server;
  const CallDeadline deadline(*call.context, call.arrived, server.default_deadline);
  LookupOptions options;
  options.form = FormOf(request.layout());
  options.event_times = request.event_times();
  options.max_rows = server.max_rows;
  options.max_response_bytes = server.max_response_bytes;
  // Objects are judged as they are made; the packed values under them are never more than they.
  options.cut_to_fit = request.layout() == v1::LAYOUT_ROWS;
  options.expired = [&deadline] { return deadline.passed(); };

  const FeatureRequest views = ToFeatureRequest(request, scratch.columns);
  Answer& answer = scratch.answer;
  if (auto error = scratch.lookup.Run(*plan, views, options, answer)) return error;
  const auto finished = steady_clock::now();

  v1::GetFeaturesResponse& response = *call.response;
  const size_t limit = server.max_response_bytes;
  size_t rows_fit = answer.rows_filled;
  if (request.layout() == v1::LAYOUT_ROWS) {
    rows_fit =
        PutRows(*plan, scratch.lookup.keys(), answer, request.event_times(), limit, response);
    for (AnswerView& view : answer.views) view.event_times.clear();
    PutHeader(*plan, answer, request, response);
  } else {
    const size_t payload = PayloadBytes(*plan, answer, answer.num_rows);
    if (payload > limit / 2) {
      const size_t frame = FrameBytes(*plan);
      if (payload + frame > limit)
        rows_fit = RowsThatFit(*plan, answer, answer.num_rows, limit > frame ? limit - frame : 0);
    }
    if (rows_fit == answer.num_rows) {
      PutHeader(*plan, answer, request, response);
      PutValues(*plan, answer, request.schema_id() != plan->schema_id, response);
    }
  }
  if (rows_fit < answer.rows_asked) return ResponseTooLarge(answer.rows_asked, rows_fit, limit);

  metrics_.ObserveRows(plan->service, static_cast<double>(answer.num_rows));
  metrics_.ObserveStage(ServeMetrics::kKeys, answer.keys_seconds);
  metrics_.ObserveStage(ServeMetrics::kRead, answer.read_seconds);
  metrics_.ObserveStage(ServeMetrics::kFinish, answer.finish_seconds);
  metrics_.ObserveStage(ServeMetrics::kRespond, Seconds(steady_clock::now() - finished));
  if (answer.expression_errors != 0) {
    metrics_.CountExpressionErrors(plan->service, answer.expression_errors);
  }
  for (size_t v = 0; v < plan->views.size(); ++v) {
    metrics_.CountValues(plan->views[v].id.index, answer.views[v].cells_by_status);
  }
  return std::nullopt;
}

}  // namespace freshet
