// What carries GetFeatures between gRPC and FeatureHandler. Two were measured (docs/decisions): the asynchronous
// completion queue is the default.
#pragma once

#include <grpcpp/server_builder.h>

#include <memory>

#include "server/grpc_features.h"

namespace freshet {

// The order of calls: Register, (server starts), Start, (server->Shutdown), Stop.
class Transport {
 public:
  virtual ~Transport() = default;
  // Adds its service and queues.
  virtual void Register(grpc::ServerBuilder& builder) = 0;
  virtual void Start() = 0;
  // After the server was shut down: ends threads. Every call was answered or cancelled.
  virtual void Stop() = 0;
};

// `queues` completion queues with one thread each. Requests of more than a few rows are computed by `batch_threads` threads
// of their own, so that a point lookup never waits for ten thousand rows.
std::unique_ptr<Transport> MakeAsyncTransport(FeatureHandler& handler, int queues, int batch_threads);
// gRPC's callback API: calls run on gRPC's own threads.
std::unique_ptr<Transport> MakeCallbackTransport(FeatureHandler& handler);

}  // namespace freshet
