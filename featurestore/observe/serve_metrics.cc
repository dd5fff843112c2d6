#include "featurestore/observe/serve_metrics.h"

#include <algorithm>

namespace freshet {
namespace {

constexpr std::array<const char*, 17> kCodes = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};
// By CellStatus, which observe may not include; 0 is none.
constexpr std::array<const char*, 7> kStatuses = {
    "", "PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE", "OUTSIDE_HISTORY", "ERROR"};
constexpr std::array<const char*, 4> kStages = {"keys", "read", "finish", "respond"};

}  // namespace

MethodMetrics::MethodMetrics(MetricFamily<Counter>& started, MetricFamily<Counter>& handled,
                             MetricFamily<Histogram>& seconds, const std::string& service,
                             const std::string& method, const std::string& type) {
  const prometheus::Labels labels = {
      {"grpc_type", type}, {"grpc_service", service}, {"grpc_method", method}};
  started_ = &started.Add(labels);
  seconds_ = &seconds.Add(labels, LatencyBuckets());
  for (size_t code = 0; code < kCodes.size(); ++code) {
    prometheus::Labels with_code = labels;
    with_code.emplace("grpc_code", kCodes[code]);
    handled_[code] = &handled.Add(with_code);
  }
}

ServeMetrics::ServeMetrics(Metrics& metrics)
    : started_(&metrics.CounterFamily("grpc_server_started_total", "Calls begun")),
      handled_(&metrics.CounterFamily("grpc_server_handled_total", "Calls answered, by code")),
      seconds_(&metrics.HistogramFamily("grpc_server_handling_seconds",
                                        "From a call's arrival to its answer")) {
  rows_ = &metrics.HistogramFamily("freshet_serve_request_rows", "Entity rows a request");
  rows_of_lists_ = &rows_->Add({{"feature_service", ""}}, RowCountBuckets());
  auto& stages = metrics.HistogramFamily("freshet_serve_stage_duration_seconds",
                                         "A request's time by stage: keys, read, finish, respond");
  for (size_t stage = 0; stage < kStages.size(); ++stage) {
    stages_[stage] = &stages.Add({{"stage", kStages[stage]}}, LatencyBuckets());
  }
  in_flight_ =
      &metrics.GaugeFamily("freshet_serve_in_flight_requests", "Feature requests in hand").Add({});
  rejected_family_ = &metrics.CounterFamily("freshet_serve_rejected_requests_total",
                                            "Requests refused for the server's own reasons");
  // From the start, so that the first one is a rise.
  for (const char* reason : {"OVERLOADED", "DRAINING", "VIEW_REBUILDING"}) {
    rejected_family_->Add({{"reason", reason}});
  }
  expression_errors_ = &metrics.CounterFamily(
      "freshet_serve_expression_errors_total",
      "Expressions that failed at a request: derived features that are ERROR, and nulls of the "
      "request's own event");
  values_ =
      &metrics.CounterFamily("freshet_serve_values_total", "Values computed, by view and status");
  named_ = std::make_shared<const Named>();
}

void ServeMetrics::Serve(const std::vector<std::string>& services,
                         const std::map<uint32_t, std::string>& views) {
  auto named = std::make_shared<Named>();
  for (const std::string& service : services) {
    named->rows.emplace_back(service,
                             &rows_->Add({{"feature_service", service}}, RowCountBuckets()));
  }
  for (const auto& [number, view] : views) {
    named->values.resize(std::max<size_t>(named->values.size(), number + 1));
    for (size_t status = 1; status < kStatuses.size(); ++status) {
      named->values[number][status] =
          &values_->Add({{"view", view}, {"status", kStatuses[status]}});
    }
  }
  const std::lock_guard lock(mutex_);
  named_ = std::move(named);
}

void ServeMetrics::CountValues(uint32_t view, const std::array<uint32_t, 7>& by_status) const {
  const std::shared_ptr<const Named> named = this->named();
  // A request that began before the views changed may be of one that is served no more.
  if (view >= named->values.size() || named->values[view][1] == nullptr) return;
  for (size_t status = 1; status < by_status.size(); ++status) {
    if (by_status[status] != 0) named->values[view][status]->Increment(by_status[status]);
  }
}

MethodMetrics& ServeMetrics::Method(const std::string& service, const std::string& method,
                                    const std::string& type) {
  const std::string name = service + "/" + method;
  for (auto& [known, metrics] : methods_) {
    if (known == name) return *metrics;
  }
  methods_.emplace_back(name, std::make_unique<MethodMetrics>(*started_, *handled_, *seconds_,
                                                              service, method, type));
  return *methods_.back().second;
}

void ServeMetrics::ObserveRows(std::string_view service, double rows) const {
  const std::shared_ptr<const Named> named = this->named();
  for (const auto& [name, histogram] : named->rows) {
    if (name == service) return histogram->Observe(rows);
  }
  rows_of_lists_->Observe(rows);
}

}  // namespace freshet
