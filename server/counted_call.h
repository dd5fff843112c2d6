// A call of a service that is not the features': counted, timed, and its outcome as gRPC wants it.
#pragma once

#include <chrono>

#include "featurestore/observe/serve_metrics.h"
#include "server/error_details.h"

namespace freshet {

// Copies are the same call.
class CountedCall {
 public:
  explicit CountedCall(MethodMetrics& method) : method_(method) { method_.Started(); }
  // Once.
  grpc::Status Done(const Outcome& error) const {
    const auto took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun_);
    method_.Handled(error ? static_cast<int>(error->code) : 0, took.count());
    return error ? ToGrpcStatus(*error) : grpc::Status::OK;
  }

 private:
  MethodMetrics& method_;
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

}  // namespace freshet
