// GetFeatures: admission, selection, lookup, answer. What carries the calls is a transport (grpc_transport.h).
#pragma once

#include <grpcpp/server_context.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/observe/log.h"
#include "featurestore/observe/serve_metrics.h"
#include "featurestore/serve/lookup.h"
#include "featurestore/serve/served_plans.h"
#include "freshet/v1/serving.pb.h"

namespace freshet {

// Rows up to which the thread that took a call computes it, too: a hand-over costs about as much as ten rows do.
inline constexpr size_t kMaxInlineRows = 64;

// One GetFeatures in hand, whatever carries it. The messages may live in an arena; the transport owns all of it.
struct FeatureCall {
  grpc::ServerContextBase* context = nullptr;
  const v1::GetFeaturesRequest* request = nullptr;
  v1::GetFeaturesResponse* response = nullptr;
  std::chrono::steady_clock::time_point arrived;
  size_t rows = 0;  // asked for, as far as the request's lengths say; set by Admit
};

// Thread-safe. All arguments must outlive it.
class FeatureHandler {
 public:
  FeatureHandler(ServedPlans& plans, const Store& store, const Clock& clock, ServeMetrics& metrics,
                 Log& log, size_t max_in_flight, size_t max_rows);

  // At a call's arrival, before it waits for anything: none admits it, and Serve must follow. Otherwise the answer:
  // DRAINING or OVERLOADED.
  std::optional<grpc::Status> Admit(FeatureCall& call);
  // Answers an admitted call.
  grpc::Status Serve(FeatureCall& call);
  // An admitted call that will not be served (its transport is stopping).
  void Abandon(const FeatureCall& call);
  // An admitted call that is computed apart from the short ones. A request of more than max_rows is not: it is refused at once.
  bool IsLarge(const FeatureCall& call) const {
    return call.rows > kMaxInlineRows && call.rows <= max_rows_;
  }

  // From now on Admit refuses.
  void BeginDrain() { draining_.store(true); }
  // After BeginDrain: returns once no call is in hand, or at `until`.
  void AwaitIdle(std::chrono::steady_clock::time_point until);
  // After BeginDrain: returns once no call has come for a while, or at `until`. gRPC cancels what arrives behind a shutdown, where
  // a call that is refused here is told DRAINING and may be tried elsewhere.
  void AwaitQuiet(std::chrono::steady_clock::time_point until) const;

 private:
  // Memory that one call leaves to the next.
  struct Scratch {
    Scratch(const Store& store, const Clock& clock) : lookup(store, clock) {}
    Lookup lookup;
    Answer answer;
    std::vector<RequestColumn> columns;
  };

  Outcome Compute(FeatureCall& call, Scratch& scratch);
  void Release(const FeatureCall& call);
  grpc::Status Refuse(FeatureCall& call, const ServeError& error);
  std::unique_ptr<Scratch> TakeScratch();

  ServedPlans& plans_;
  const Store& store_;
  const Clock& clock_;
  ServeMetrics& metrics_;
  MethodMetrics& method_;
  Log& log_;
  const size_t max_in_flight_;
  const size_t max_rows_;
  std::atomic<size_t> in_flight_{0};
  std::atomic<size_t> rows_in_hand_{0};  // bounds the memory of requests that wait
  std::atomic<bool> draining_{false};
  std::atomic<std::chrono::steady_clock::duration> last_refused_{};  // while draining
  std::mutex mutex_;
  std::condition_variable idle_;
  std::vector<std::unique_ptr<Scratch>> scratches_;
};

}  // namespace freshet
