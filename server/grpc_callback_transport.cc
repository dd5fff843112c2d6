#include <google/protobuf/arena.h>
#include <grpcpp/support/message_allocator.h>
#include <grpcpp/support/server_callback.h>

#include "freshet/v1/serving.grpc.pb.h"
#include "server/grpc_batch_threads.h"
#include "server/grpc_transport.h"

namespace freshet {
namespace {

// Both messages of a call in one arena.
class ArenaMessages final
    : public grpc::MessageHolder<v1::GetFeaturesRequest, v1::GetFeaturesResponse> {
 public:
  ArenaMessages() {
    set_request(google::protobuf::Arena::CreateMessage<v1::GetFeaturesRequest>(&arena_));
    set_response(google::protobuf::Arena::CreateMessage<v1::GetFeaturesResponse>(&arena_));
  }
  void Release() override { delete this; }

 private:
  google::protobuf::Arena arena_;
};

class ArenaAllocator final
    : public grpc::MessageAllocator<v1::GetFeaturesRequest, v1::GetFeaturesResponse> {
 public:
  grpc::MessageHolder<v1::GetFeaturesRequest, v1::GetFeaturesResponse>* AllocateMessages()
      override {
    return new ArenaMessages;
  }
};

class CallbackTransport final : public Transport, private v1::ServingService::CallbackService {
 public:
  CallbackTransport(FeatureHandler& handler, int batch_threads)
      : handler_(handler), batch_(batch_threads) {}
  void Register(grpc::ServerBuilder& builder) override {
    SetMessageAllocatorFor_GetFeatures(&allocator_);
    builder.RegisterService(this);
  }
  void Start() override { batch_.Start(); }
  void Stop() override { batch_.Stop(); }

 private:
  grpc::ServerUnaryReactor* GetFeatures(grpc::CallbackServerContext* context,
                                        const v1::GetFeaturesRequest* request,
                                        v1::GetFeaturesResponse* response) override {
    FeatureCall call;
    call.context = context;
    call.request = request;
    call.response = response;
    auto refused = handler_.Admit(call);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    if (refused) {
      reactor->Finish(*refused);
    } else if (handler_.IsLarge(call)) {
      // The call's objects live until Finish.
      batch_.Put([this, call, reactor]() mutable { reactor->Finish(handler_.Serve(call)); });
    } else {
      reactor->Finish(handler_.Serve(call));
    }
    return reactor;
  }

  FeatureHandler& handler_;
  BatchThreads batch_;
  ArenaAllocator allocator_;
};

}  // namespace

std::unique_ptr<Transport> MakeCallbackTransport(FeatureHandler& handler, int batch_threads) {
  return std::make_unique<CallbackTransport>(handler, batch_threads);
}

}  // namespace freshet
