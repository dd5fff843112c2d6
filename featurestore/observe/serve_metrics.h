// What serving counts: grpc_server_* under the names that dashboards know, and freshet_serve_*.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/observe/metrics.h"

namespace freshet {

// One unary or streaming method; its children are looked up once, at start.
class MethodMetrics {
 public:
  MethodMetrics(MetricFamily<Counter>& started, MetricFamily<Counter>& handled,
                MetricFamily<Histogram>& seconds, const std::string& service,
                const std::string& method, const std::string& type);
  void Started() { started_->Increment(); }
  // `code`: gRPC's, 0 to 16.
  void Handled(int code, double seconds) {
    handled_[code >= 0 && code < static_cast<int>(handled_.size()) ? code : 2]->Increment();
    seconds_->Observe(seconds);
  }

 private:
  Counter* started_;
  std::array<Counter*, 17> handled_{};
  Histogram* seconds_;
};

// One a server. Thread-safe.
class ServeMetrics {
 public:
  explicit ServeMetrics(Metrics& metrics);

  // Names of what is served from here on: of services, and of views by their number in the store.
  void Serve(const std::vector<std::string>& services,
             const std::map<uint32_t, std::string>& views);

  // Made at first use, at start: not for the hot path. "freshet.v1.ServingService", "GetFeatures", "unary".
  MethodMetrics& Method(const std::string& service, const std::string& method,
                        const std::string& type = "unary");

  void ObserveRows(std::string_view service,
                   double rows) const;  // "" or unknown: a list of features
  enum Stage : uint8_t { kKeys, kRead, kFinish, kRespond };
  void ObserveStage(Stage stage, double seconds) { stages_[stage]->Observe(seconds); }
  void AddInFlight(double change) { in_flight_->Increment(change); }
  // OVERLOADED, DRAINING, VIEW_REBUILDING: refused for the server's reasons, not the request's.
  void Rejected(const std::string& reason) {
    rejected_family_->Add({{"reason", reason}}).Increment();
  }
  // Expressions that failed while a request of `service` was answered.
  void CountExpressionErrors(const std::string& service, uint64_t errors) {
    expression_errors_->Add({{"feature_service", service}}).Increment(static_cast<double>(errors));
  }
  // By CellStatus; 0 is none. `view`: its number in the store.
  void CountValues(uint32_t view, const std::array<uint32_t, 7>& by_status) const;

 private:
  // What was made for the names that are served; a request in hand may hold an earlier one.
  struct Named {
    std::vector<std::pair<std::string, Histogram*>> rows;
    std::vector<std::array<Counter*, 7>> values;  // by number in the store; nullptr: not served
  };
  std::shared_ptr<const Named> named() const {
    const std::lock_guard lock(mutex_);
    return named_;
  }

  MetricFamily<Counter>* started_;
  MetricFamily<Counter>* handled_;
  MetricFamily<Histogram>* seconds_;
  std::vector<std::pair<std::string, std::unique_ptr<MethodMetrics>>> methods_;
  MetricFamily<Histogram>* rows_;
  Histogram* rows_of_lists_;
  std::array<Histogram*, 4> stages_{};
  Gauge* in_flight_;
  MetricFamily<Counter>* rejected_family_;
  MetricFamily<Counter>* expression_errors_;
  MetricFamily<Counter>* values_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Named> named_;
};

}  // namespace freshet
