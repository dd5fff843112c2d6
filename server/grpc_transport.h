// What carries GetFeatures between gRPC and FeatureHandler. Two were measured, and which is the default is recorded in
// docs/decisions/0004. Both compute requests of more than a few rows on `batch_threads` threads of their own.
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

// `queues` completion queues with one thread each.
std::unique_ptr<Transport> MakeAsyncTransport(FeatureHandler& handler, int queues,
                                              int batch_threads);
// gRPC's callback API: calls run on gRPC's own threads.
std::unique_ptr<Transport> MakeCallbackTransport(FeatureHandler& handler, int batch_threads);

}  // namespace freshet
