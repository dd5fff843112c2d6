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
#include "featurestore/serve/plans.h"
#include "freshet/v1/serving.pb.h"

namespace freshet {

// One GetFeatures in hand, whatever carries it. The messages may live in an arena; the transport owns all of it.
struct FeatureCall {
  grpc::ServerContextBase* context = nullptr;
  const v1::GetFeaturesRequest* request = nullptr;
  v1::GetFeaturesResponse* response = nullptr;
  std::chrono::steady_clock::time_point arrived;
};

// Thread-safe. All arguments must outlive it.
class FeatureHandler {
 public:
  FeatureHandler(Plans& plans, const Store& store, const Clock& clock, ServeMetrics& metrics,
                 Log& log, size_t max_in_flight);

  // At a call's arrival, before it waits for anything: none admits it, and Serve must follow. Otherwise the answer:
  // DRAINING or OVERLOADED.
  std::optional<grpc::Status> Admit(FeatureCall& call);
  // Answers an admitted call.
  grpc::Status Serve(FeatureCall& call);
  // An admitted call that will not be served (its transport is stopping).
  void Abandon();

  // From now on Admit refuses.
  void BeginDrain() { draining_.store(true); }
  // After BeginDrain: returns once no call is in hand, or at `until`.
  void AwaitIdle(std::chrono::steady_clock::time_point until);

  // Rows that a request asks for, as far as its lengths say: what decides where it is computed.
  static size_t RowsAsked(const v1::GetFeaturesRequest& request);

 private:
  // Memory that one call leaves to the next.
  struct Scratch {
    Scratch(const Store& store, const Clock& clock) : lookup(store, clock) {}
    Lookup lookup;
    Answer answer;
    std::vector<RequestColumn> columns;
  };

  Outcome Compute(FeatureCall& call, Scratch& scratch);
  Outcome Select(const v1::GetFeaturesRequest& request, std::shared_ptr<const Plan>& plan);
  void Release();
  grpc::Status Refuse(FeatureCall& call, const ServeError& error);
  std::unique_ptr<Scratch> TakeScratch();

  Plans& plans_;
  const Store& store_;
  const Clock& clock_;
  ServeMetrics& metrics_;
  MethodMetrics& method_;
  Log& log_;
  const size_t max_in_flight_;
  std::atomic<size_t> in_flight_{0};
  std::atomic<bool> draining_{false};
  std::mutex mutex_;
  std::condition_variable idle_;
  std::vector<std::unique_ptr<Scratch>> scratches_;
};

}  // namespace freshet
