// A GrpcServer in this process over a store that the test filled, and a client to it.
#pragma once

#include <grpcpp/grpcpp.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "featurestore/observe/log.h"
#include "featurestore/observe/metrics.h"
#include "freshet/v1/admin.grpc.pb.h"
#include "freshet/v1/catalog.grpc.pb.h"
#include "freshet/v1/serving.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/grpc_server.h"
#include "tests/support/served_project.h"

namespace freshet {

inline const Timestamp kNoon = At("2026-01-10T12:00:00Z");

// A clock at which a request can be held: the one thing in a lookup that a test can stop.
class GateClock final : public Clock {
 public:
  Timestamp Now() const override {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    --waiting_;
    return kNoon;
  }
  void Close() {
    std::lock_guard lock(mutex_);
    open_ = false;
  }
  void Open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void AwaitWaiting(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return waiting_ >= count; });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable int waiting_ = 0;
  bool open_ = true;
};

// Both transports must behave alike.
#define FOR_BOTH_TRANSPORTS \
  GENERATE(GrpcServerOptions::Transport::kAsync, GrpcServerOptions::Transport::kCallback)

struct Running {
  explicit Running(GrpcServerOptions options = {}, const std::string& yaml = ShopProject(),
                   const std::function<void(Catalog&)>& change = {})
      : project(yaml) {
    if (change) change(project.settings());
    for (const char* view : {"card_spend", "card_last", "shop_sales", "visits"}) {
      project.Apply(view, kNoon - Duration::Minutes(10),
                    {{"card", Value::Text("c1")},
                     {"shop", Value::Int64(9)},
                     {"amount", Value::Double(7)},
                     {"cents", Value::Int64((int64_t{1} << 53) + 1)},
                     {"merchant", Value::Text("Łódź")},
                     {"online", Value::Bool(true)}});
    }
    auto started =
        GrpcServer::Start(project.catalog(), project.store(), clock, metrics, *log, options);
    if (!started.ok()) throw std::runtime_error(started.status().ToString());
    server = *std::move(started);
    channel = grpc::CreateChannel(server->address(), grpc::InsecureChannelCredentials());
    stub = v1::ServingService::NewStub(channel);
  }

  static v1::GetFeaturesRequest Request(const std::string& service,
                                        const std::vector<std::string>& cards) {
    v1::GetFeaturesRequest request;
    request.set_feature_service(service);
    auto& key = *request.add_keys();
    key.set_name("card");
    for (const std::string& card : cards) key.mutable_strings()->add_values(card);
    return request;
  }
  grpc::Status Get(const v1::GetFeaturesRequest& request, v1::GetFeaturesResponse& response) {
    context = std::make_unique<grpc::ClientContext>();
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    return stub->GetFeatures(context.get(), request, &response);
  }

  ServedProject project;
  GateClock clock;
  Metrics metrics;
  std::unique_ptr<Log> log = MakeNullLog();
  std::unique_ptr<GrpcServer> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::ServingService::Stub> stub;
  std::unique_ptr<grpc::ClientContext> context;  // of the last Get
};

struct Details {
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad_request;
  google::rpc::RetryInfo retry;
  bool has_retry = false;
};

inline Details DetailsOf(const grpc::Status& status) {
  google::rpc::Status packed;
  REQUIRE(packed.ParseFromString(status.error_details()));
  CHECK(packed.code() == static_cast<int>(status.error_code()));
  Details details;
  for (const auto& any : packed.details()) {
    any.UnpackTo(&details.info);
    any.UnpackTo(&details.bad_request);
    details.has_retry |= any.UnpackTo(&details.retry);
  }
  CHECK(details.info.domain() == "freshet");
  return details;
}

}  // namespace freshet
