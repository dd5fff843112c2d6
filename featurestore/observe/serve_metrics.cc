#include "featurestore/observe/serve_metrics.h"

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

ServeMetrics::ServeMetrics(Metrics& metrics, const std::vector<std::string>& services,
                           const std::vector<std::string>& views)
    : started_(&metrics.CounterFamily("grpc_server_started_total", "Calls begun")),
      handled_(&metrics.CounterFamily("grpc_server_handled_total", "Calls answered, by code")),
      seconds_(&metrics.HistogramFamily("grpc_server_handling_seconds",
                                        "From a call's arrival to its answer")) {
  auto& rows = metrics.HistogramFamily("freshet_serve_request_rows", "Entity rows a request");
  for (const std::string& service : services) {
    rows_.emplace_back(service, &rows.Add({{"feature_service", service}}, RowCountBuckets()));
  }
  rows_of_lists_ = &rows.Add({{"feature_service", ""}}, RowCountBuckets());
  auto& stages = metrics.HistogramFamily("freshet_serve_stage_duration_seconds",
                                         "A request's time by stage: keys, read, finish, respond");
  for (size_t stage = 0; stage < kStages.size(); ++stage) {
    stages_[stage] = &stages.Add({{"stage", kStages[stage]}}, LatencyBuckets());
  }
  in_flight_ =
      &metrics.GaugeFamily("freshet_serve_in_flight_requests", "Feature requests in hand").Add({});
  rejected_family_ = &metrics.CounterFamily("freshet_serve_rejected_requests_total",
                                            "Requests refused for the server's own reasons");
  expression_errors_ = &metrics.CounterFamily(
      "freshet_serve_expression_errors_total",
      "Expressions that failed at a request: derived features that are ERROR, and nulls of the "
      "request's own event");
  auto& values =
      metrics.CounterFamily("freshet_serve_values_total", "Values computed, by view and status");
  for (const std::string& view : views) {
    std::array<Counter*, 7> children{};
    for (size_t status = 1; status < kStatuses.size(); ++status) {
      children[status] = &values.Add({{"view", view}, {"status", kStatuses[status]}});
    }
    values_.push_back(children);
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

Histogram& ServeMetrics::request_rows(std::string_view service) {
  for (auto& [name, histogram] : rows_) {
    if (name == service) return *histogram;
  }
  return *rows_of_lists_;
}

}  // namespace freshet
