#include <google/protobuf/arena.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_unary_call.h>

#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "freshet/v1/serving.grpc.pb.h"
#include "server/grpc_batch_threads.h"
#include "server/grpc_transport.h"

namespace freshet {
namespace {

using Service = v1::ServingService::AsyncService;

// Calls that gRPC may hand over to a queue before we ask for more.
constexpr int kSlotsAQueue = 64;
// One call, from the slot that waits for it to its answer; then the object serves another.
struct AsyncCall {
  enum class State : uint8_t { kAwaited, kInHand, kAnswered };

  AsyncCall() : arena(block, sizeof block) {}

  void Prepare() {
    responder.reset();
    context.reset();
    arena.Reset();
    request = google::protobuf::Arena::CreateMessage<v1::GetFeaturesRequest>(&arena);
    response = google::protobuf::Arena::CreateMessage<v1::GetFeaturesResponse>(&arena);
    context.emplace();
    responder.emplace(&*context);
    state = State::kAwaited;
  }

  State state = State::kAwaited;
  alignas(16) char block[4096];  // small requests allocate nothing
  google::protobuf::Arena arena;
  v1::GetFeaturesRequest* request = nullptr;
  v1::GetFeaturesResponse* response = nullptr;
  std::optional<grpc::ServerContext> context;
  std::optional<grpc::ServerAsyncResponseWriter<v1::GetFeaturesResponse>> responder;
  FeatureCall call;
};

// One completion queue and its thread.
class Queue {
 public:
  Queue(FeatureHandler& handler, Service& service, BatchThreads& batch,
        std::unique_ptr<grpc::ServerCompletionQueue> queue)
      : handler_(handler), service_(service), batch_(batch), queue_(std::move(queue)) {}

  void Start() {
    for (int i = 0; i < kSlotsAQueue; ++i) Await();
    thread_ = std::thread([this] { Run(); });
  }
  // Every answer under way was handed to gRPC before.
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    queue_->Shutdown();
    if (thread_.joinable()) {
      thread_.join();
    } else {
      void* tag = nullptr;
      bool ok = false;
      while (queue_->Next(&tag, &ok)) {
      }
    }
  }

 private:
  // Opens a slot for one more call.
  void Await() {
    std::lock_guard lock(mutex_);  // gRPC dies of a request on a queue that was shut down
    if (stopping_) return;
    if (free_.empty()) {
      calls_.push_back(std::make_unique<AsyncCall>());
      free_.push_back(calls_.back().get());
    }
    AsyncCall* call = free_.back();
    free_.pop_back();
    call->Prepare();
    service_.RequestGetFeatures(&*call->context, call->request, &*call->responder, queue_.get(),
                                queue_.get(), call);
  }

  void Run() {
    void* tag = nullptr;
    bool ok = false;
    while (true) {
      if (waiting_.empty()) {
        if (!queue_->Next(&tag, &ok)) return;
        Handle(static_cast<AsyncCall*>(tag), ok);
      }
      // What else has arrived is admitted (or refused) before anything is computed: overload is seen when it comes, not
      // when its turn does.
      while (true) {
        const auto next = queue_->AsyncNext(&tag, &ok, gpr_inf_past(GPR_CLOCK_MONOTONIC));
        if (next == grpc::CompletionQueue::SHUTDOWN) {
          for (const AsyncCall* call : waiting_) handler_.Abandon(call->call);
          return;
        }
        if (next == grpc::CompletionQueue::TIMEOUT) break;
        Handle(static_cast<AsyncCall*>(tag), ok);
      }
      if (waiting_.empty()) continue;
      AsyncCall* call = waiting_.front();
      waiting_.pop_front();
      Serve(call);
    }
  }

  void Serve(AsyncCall* call) {
    const grpc::Status status = handler_.Serve(call->call);
    call->responder->Finish(*call->response, status, call);
  }

  void Handle(AsyncCall* call, bool ok) {
    if (call->state == AsyncCall::State::kAwaited && ok) {
      Await();
      call->state = AsyncCall::State::kInHand;
      call->call = {&*call->context, call->request, call->response, {}};
      if (auto refused = handler_.Admit(call->call)) {
        call->responder->FinishWithError(*refused, call);
      } else if (handler_.IsLarge(call->call)) {
        batch_.Put([this, call] { Serve(call); });
      } else {
        waiting_.push_back(call);
      }
      return;
    }
    // Answered; or never came, because the server stops.
    std::lock_guard lock(mutex_);
    free_.push_back(call);
  }

  FeatureHandler& handler_;
  Service& service_;
  BatchThreads& batch_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::thread thread_;
  std::deque<AsyncCall*> waiting_;  // small requests, admitted; the thread's own
  std::mutex mutex_;
  bool stopping_ = false;
  std::vector<AsyncCall*> free_;
  std::vector<std::unique_ptr<AsyncCall>> calls_;
};

class AsyncTransport final : public Transport {
 public:
  AsyncTransport(FeatureHandler& handler, int queues, int batch_threads)
      : handler_(handler), batch_(batch_threads), queue_count_(queues) {}

  void Register(grpc::ServerBuilder& builder) override {
    builder.RegisterService(&service_);
    for (int i = 0; i < queue_count_; ++i) {
      queues_.push_back(
          std::make_unique<Queue>(handler_, service_, batch_, builder.AddCompletionQueue()));
    }
  }
  void Start() override {
    batch_.Start();
    for (auto& queue : queues_) queue->Start();
  }
  void Stop() override {
    batch_.Stop();
    for (auto& queue : queues_) queue->Stop();
  }

 private:
  FeatureHandler& handler_;
  Service service_;
  BatchThreads batch_;
  const int queue_count_;
  std::vector<std::unique_ptr<Queue>> queues_;
};

}  // namespace

std::unique_ptr<Transport> MakeAsyncTransport(FeatureHandler& handler, int queues,
                                              int batch_threads) {
  return std::make_unique<AsyncTransport>(handler, queues, batch_threads);
}

}  // namespace freshet
