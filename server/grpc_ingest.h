// IngestService: pushes, deletes and dead letters over gRPC.
#pragma once

#include <grpcpp/server_context.h>

#include <chrono>
#include <functional>

#include "featurestore/ingest/dead_letters.h"
#include "featurestore/ingest/pusher.h"
#include "featurestore/observe/serve_metrics.h"
#include "freshet/v1/ingest.grpc.pb.h"
#include "server/counted_call.h"
#include "server/grpc_batch_threads.h"

namespace freshet {

// Calls wait for nothing on gRPC's threads. Thread-safe. Arguments must outlive it.
class IngestServer final : public v1::IngestService::CallbackService {
 public:
  // No `pusher`: pushes are switched off, and every call is told so. `letters` likewise.
  IngestServer(Pusher* pusher, DeadLetters* letters, Duration default_deadline,
               ServeMetrics& metrics);
  void Start() { letter_threads_.Start(); }
  // After the server was shut down.
  void Stop() { letter_threads_.Stop(); }
  void BeginDrain();
  // What is still in hand is answered now: gRPC's shutdown waits for every call.
  void EndCalls();
  void AwaitIdle(std::chrono::steady_clock::time_point until);

  grpc::ServerUnaryReactor* PushEvents(grpc::CallbackServerContext* context,
                                       const v1::PushEventsRequest* request,
                                       v1::PushResponse* response) override;
  grpc::ServerUnaryReactor* DeleteEntities(grpc::CallbackServerContext* context,
                                           const v1::DeleteEntitiesRequest* request,
                                           v1::PushResponse* response) override;
  grpc::ServerUnaryReactor* ListDeadLetters(grpc::CallbackServerContext* context,
                                            const v1::ListDeadLettersRequest* request,
                                            v1::ListDeadLettersResponse* response) override;
  grpc::ServerUnaryReactor* ReplayDeadLetters(grpc::CallbackServerContext* context,
                                              const v1::ReplayDeadLettersRequest* request,
                                              v1::ReplayDeadLettersResponse* response) override;

 private:
  void Push(grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor,
            MethodMetrics& method, PushRequest request, v1::PushResponse* response);
  // `answer` is asked once those before it were, within the call's time; RESOURCE_EXHAUSTED where too many wait.
  void PutLetterCall(const grpc::CallbackServerContext& context, grpc::ServerUnaryReactor& reactor,
                     const CountedCall& counted,
                     std::function<Status(std::chrono::steady_clock::time_point deadline)> answer);
  // Until when a call is answered: a little before its caller stops listening.
  std::chrono::steady_clock::time_point DeadlineOf(const grpc::CallbackServerContext& context,
                                                   Duration otherwise) const;

  Pusher* const pusher_;
  DeadLetters* const letters_;
  const Duration default_deadline_;
  MethodMetrics& push_;
  MethodMetrics& delete_;
  MethodMetrics& list_;
  MethodMetrics& replay_;
  BatchThreads letter_threads_;
};

}  // namespace freshet
