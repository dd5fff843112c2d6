#include <grpcpp/generic/generic_stub.h>

#include <atomic>

#include "featurestore/observe/serve_metrics.h"
#include "featurestore/serve/plans.h"
#include "server/grpc_features.h"
#include "tests/integration/grpc/grpc_fixture.h"

namespace freshet {
namespace {

// grpc.health.v1 by hand: HealthCheckRequest{1: service}, HealthCheckResponse{1: status}; Debian ships no stubs.
std::string HealthRequest(const std::string& service) {
  return service.empty() ? "" : std::string("\x0a") + static_cast<char>(service.size()) + service;
}
// 1 SERVING, 2 NOT_SERVING, 3 SERVICE_UNKNOWN.
int HealthStatus(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  REQUIRE(buffer.Dump(&slices).ok());
  std::string bytes;
  for (const auto& slice : slices)
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes.size() == 2 && bytes[0] == 0x08 ? bytes[1] : 0;
}

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

int CheckHealth(const std::shared_ptr<grpc::Channel>& channel, const std::string& service,
                grpc::Status* out = nullptr) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  grpc::CompletionQueue queue;
  const auto request = ToBuffer(HealthRequest(service));
  auto reader = stub.PrepareUnaryCall(&context, "/grpc.health.v1.Health/Check", request, &queue);
  grpc::ByteBuffer response;
  grpc::Status status;
  reader->StartCall();
  reader->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (out != nullptr) *out = status;
  return status.ok() ? HealthStatus(response) : 0;
}

}  // namespace

TEST_CASE("health: the server is SERVING once ready, a service while its views are complete") {
  Running running;
  CHECK(CheckHealth(running.channel, "") == 2);
  CHECK(CheckHealth(running.channel, "risk") == 2);
  running.server->SetReady(true);
  CHECK(CheckHealth(running.channel, "") == 1);
  CHECK(CheckHealth(running.channel, "risk") == 1);
  running.project.status("card_last").complete = false;
  running.server->SetReady(true);
  CHECK(CheckHealth(running.channel, "") == 1);
  CHECK(CheckHealth(running.channel, "risk") == 1);
  CHECK(CheckHealth(running.channel, "all_of_card") == 2);
  grpc::Status status;
  CheckHealth(running.channel, "no_such_service", &status);
  CHECK(status.error_code() == grpc::StatusCode::NOT_FOUND);
}

TEST_CASE("a watcher of health hears of changes") {
  Running running;
  grpc::GenericStub stub(running.channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  auto stream = stub.PrepareCall(&context, "/grpc.health.v1.Health/Watch", &queue);
  stream->StartCall(nullptr);
  REQUIRE((queue.Next(&tag, &ok) && ok));
  stream->WriteLast(ToBuffer(HealthRequest("risk")), grpc::WriteOptions(), nullptr);
  REQUIRE((queue.Next(&tag, &ok) && ok));
  grpc::ByteBuffer message;
  stream->Read(&message, nullptr);
  REQUIRE((queue.Next(&tag, &ok) && ok));
  CHECK(HealthStatus(message) == 2);
  running.server->SetReady(true);
  stream->Read(&message, nullptr);
  REQUIRE((queue.Next(&tag, &ok) && ok));
  CHECK(HealthStatus(message) == 1);
  context.TryCancel();
  grpc::Status status;
  stream->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
}

TEST_CASE(
    "draining: the call in hand ends, a new one is refused DRAINING, then the address is free") {
  GrpcServerOptions options;
  options.transport = FOR_BOTH_TRANSPORTS;
  Running running(options);
  running.server->SetReady(true);
  running.clock.Close();
  // Many rows, so that it is computed beside the queue's thread.
  const auto many = Running::Request("risk", std::vector<std::string>(100, "c1"));
  grpc::Status first;
  v1::GetFeaturesResponse response;
  std::thread caller([&] {
    grpc::ClientContext context;
    first = running.stub->GetFeatures(&context, many, &response);
  });
  running.clock.AwaitWaiting(1);
  std::thread drainer([&] { running.server->Drain(Duration::Seconds(30)); });
  while (CheckHealth(running.channel, "") != 2) {
  }
  v1::GetFeaturesResponse refused;
  const grpc::Status second = running.Get(Running::Request("risk", {"c1"}), refused);
  CHECK(second.error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(DetailsOf(second).info.reason() == "DRAINING");
  running.clock.Open();
  caller.join();
  drainer.join();
  CHECK(first.ok());
  CHECK(response.num_rows() == 100);
  grpc::ClientContext context;
  v1::GetFeaturesResponse unused;
  CHECK(running.stub->GetFeatures(&context, many, &unused).error_code() ==
        grpc::StatusCode::UNAVAILABLE);
}

TEST_CASE("more requests in hand than the bound are refused OVERLOADED with push-back") {
  GrpcServerOptions options;
  options.transport = FOR_BOTH_TRANSPORTS;
  options.max_in_flight = 1;
  Running running(options);
  running.clock.Close();
  grpc::Status first;
  std::thread caller([&] {
    grpc::ClientContext context;
    v1::GetFeaturesResponse response;
    first = running.stub->GetFeatures(
        &context, Running::Request("risk", std::vector<std::string>(100, "c1")), &response);
  });
  running.clock.AwaitWaiting(1);
  v1::GetFeaturesResponse response;
  const grpc::Status second = running.Get(Running::Request("risk", {"c1"}), response);
  CHECK(second.error_code() == grpc::StatusCode::UNAVAILABLE);
  const Details details = DetailsOf(second);
  CHECK(details.info.reason() == "OVERLOADED");
  CHECK(details.has_retry);
  const auto& trailers = running.context->GetServerTrailingMetadata();
  REQUIRE(trailers.find("grpc-retry-pushback-ms") != trailers.end());
  CHECK(std::string(trailers.find("grpc-retry-pushback-ms")->second.data(), 3) == "100");
  running.clock.Open();
  caller.join();
  CHECK(first.ok());
  CHECK(running.Get(Running::Request("risk", {"c1"}), response).ok());
}

TEST_CASE("who calls while the server stops is told DRAINING, and never cancelled") {
  GrpcServerOptions options;
  options.transport = FOR_BOTH_TRANSPORTS;
  Running running(options);
  constexpr int kCallers = 8;
  std::atomic<int> served = 0;
  std::vector<grpc::Status> ends(kCallers);
  std::vector<std::thread> callers;
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&, i] {
      // Goes elsewhere once it is refused, as a balancer does.
      do {
        grpc::ClientContext context;
        v1::GetFeaturesResponse response;
        ends[i] = running.stub->GetFeatures(
            &context, Running::Request("risk", std::vector<std::string>(50, "c1")), &response);
        ++served;
      } while (ends[i].ok());
    });
  }
  while (served < 50 * kCallers) std::this_thread::yield();
  running.server->Drain(Duration::Seconds(5));
  for (std::thread& caller : callers) caller.join();
  for (const grpc::Status& end : ends) {
    CHECK(end.error_code() == grpc::StatusCode::UNAVAILABLE);
    CHECK(DetailsOf(end).info.reason() == "DRAINING");
  }
}

TEST_CASE("requests that wait are bounded by their rows, and one alone is always taken") {
  Running running;
  constexpr size_t kMaxRows = 10, kCallsOfMostRows = 64;
  ServedPlans plans(running.project.catalog());
  Metrics metrics;
  ServeMetrics serve_metrics(metrics);
  serve_metrics.Serve({"risk"}, {});
  FeatureHandler handler(plans, running.project.store(), running.clock, serve_metrics, *running.log,
                         /*max_in_flight=*/1000, kMaxRows);
  grpc::ServerContext context;
  v1::GetFeaturesResponse response;
  const auto call_of = [&](const v1::GetFeaturesRequest& request) {
    FeatureCall call;
    call.context = &context;
    call.request = &request;
    call.response = &response;
    return call;
  };
  const auto most = Running::Request("risk", std::vector<std::string>(kMaxRows, "c1"));
  const auto huge = Running::Request("risk", std::vector<std::string>(100 * kMaxRows, "c1"));
  // Its own answer says that it is too large; to refuse it as overload would have it retried for ever.
  FeatureCall alone = call_of(huge);
  CHECK_FALSE(handler.Admit(alone));
  handler.Abandon(alone);

  std::vector<FeatureCall> in_hand;
  for (size_t i = 0; i < kCallsOfMostRows; ++i) {
    FeatureCall call = call_of(most);
    REQUIRE_FALSE(handler.Admit(call));
    in_hand.push_back(call);
  }
  const auto one = Running::Request("risk", {"c1"});
  FeatureCall refused = call_of(one);
  const auto status = handler.Admit(refused);
  REQUIRE(status);
  CHECK(DetailsOf(*status).info.reason() == "OVERLOADED");
  // What was refused counts no longer, and room that is made is used.
  handler.Abandon(in_hand.back());
  in_hand.pop_back();
  FeatureCall taken = call_of(most);
  CHECK_FALSE(handler.Admit(taken));
  in_hand.push_back(taken);
  for (const FeatureCall& call : in_hand) handler.Abandon(call);
  handler.BeginDrain();
  handler.AwaitIdle(std::chrono::steady_clock::now() + std::chrono::seconds(5));
}

TEST_CASE("a port in use is an error that names the setting") {
  Running running;
  ServedProject other(ShopProject());
  other.settings().server.grpc = running.server->address();
  GateClock clock;
  Metrics metrics;
  const auto log = MakeNullLog();
  const auto second = GrpcServer::Start(other.catalog(), other.store(), clock, metrics, *log);
  REQUIRE_FALSE(second.ok());
  CHECK(std::string(MessageOf(second.status())).find("server.grpc") != std::string::npos);
  CHECK(std::string(MessageOf(second.status())).find("in use") != std::string::npos);
}

TEST_CASE("DescribeCatalog tells what there is to ask for, whole or for one service") {
  Running running;
  const auto stub = v1::CatalogService::NewStub(running.channel);
  v1::DescribeCatalogRequest request;
  v1::DescribeCatalogResponse all;
  {
    grpc::ClientContext context;
    REQUIRE(stub->DescribeCatalog(&context, request, &all).ok());
  }
  CHECK(all.project() == "shop");
  CHECK(all.clock() == "wall");
  CHECK(all.views_size() == 4);
  CHECK(all.services_size() == 3);
  CHECK(all.views(0).features(0).window().find("sliding 1h") == 0);
  CHECK(all.views(0).features(0).aggregate() == "sum");
  CHECK(all.views(0).features(0).of() == "amount");
  CHECK(all.views(0).features(0).default_value() == "0");
  CHECK(all.views(0).complete());
  request.set_feature_service("ranking");
  v1::DescribeCatalogResponse one;
  {
    grpc::ClientContext context;
    REQUIRE(stub->DescribeCatalog(&context, request, &one).ok());
  }
  CHECK(one.services_size() == 1);
  CHECK(one.views_size() == 3);
  REQUIRE(one.services(0).keys_size() == 2);
  CHECK(one.services(0).keys(1).type() == "int64");
  v1::GetFeaturesResponse answer;
  REQUIRE(running.Get(Running::Request("risk", {"c1"}), answer).ok());
  request.set_feature_service("risk");
  grpc::ClientContext context;
  REQUIRE(stub->DescribeCatalog(&context, request, &one).ok());
  CHECK(one.services(0).schema_id() == answer.schema_id());
  request.set_feature_service("rsk");
  grpc::ClientContext bad;
  CHECK(DetailsOf(stub->DescribeCatalog(&bad, request, &one)).info.reason() ==
        "UNKNOWN_FEATURE_SERVICE");
}

TEST_CASE("GetProgress tells by source and partition how far ingestion has come") {
  Running running;
  SourceStatus& status = running.project.store().source_status("payments");
  status.SetPartition(0, {3, 42, 50});
  status.SetPaused("records_lost", "the log begins at 60");
  const auto stub = v1::AdminService::NewStub(running.channel);
  v1::GetProgressResponse response;
  grpc::ClientContext context;
  REQUIRE(stub->GetProgress(&context, {}, &response).ok());
  REQUIRE(response.sources_size() == 1);
  CHECK(response.sources(0).topic() == "payments");
  CHECK(response.sources(0).partitions(0).next_offset() == 42);
  CHECK(response.sources(0).partitions(0).incarnation() == 3);
  CHECK(response.sources(0).partitions(0).log_end() == 50);
  CHECK(response.sources(0).paused_reason() == "records_lost");
  v1::GetProgressRequest unknown;
  unknown.set_source("payment");
  grpc::ClientContext bad;
  CHECK(DetailsOf(stub->GetProgress(&bad, unknown, &response)).info.reason() == "UNKNOWN_SOURCE");
}

TEST_CASE("calls are counted under the names that dashboards know") {
  Running running;
  v1::GetFeaturesResponse response;
  REQUIRE(running.Get(Running::Request("risk", {"c1", "nobody"}), response).ok());
  REQUIRE_FALSE(running.Get(Running::Request("rsk", {"c1"}), response).ok());
  const std::string text = running.metrics.Expose();
  const auto has = [&](const std::string& line) { return text.find(line) != std::string::npos; };
  CHECK(
      has("grpc_server_started_total{grpc_method=\"GetFeatures\",grpc_service=\"freshet.v1."
          "ServingService\",grpc_type=\"unary\"} 2"));
  CHECK(
      has("grpc_code=\"NOT_FOUND\",grpc_method=\"GetFeatures\",grpc_service=\"freshet.v1."
          "ServingService\",grpc_type=\"unary\"} 1"));
  CHECK(has("freshet_serve_values_total{status=\"NOT_FOUND\",view=\"card_spend\"} 3"));
  CHECK(has("freshet_serve_request_rows_count{feature_service=\"risk\"} 1"));
  CHECK(has("freshet_serve_in_flight_requests 0"));
}

TEST_CASE("an explanation has a deadline, too") {
  Running running({}, ShopProject(),
                  [](Catalog& catalog) { catalog.server.default_deadline = Duration{0}; });
  const auto catalog = v1::CatalogService::NewStub(running.channel);
  grpc::ClientContext context;  // no deadline
  v1::ExplainFeaturesRequest request;
  *request.mutable_request() = Running::Request("risk", {"c1"});
  v1::ExplainFeaturesResponse response;
  const auto status = catalog->ExplainFeatures(&context, request, &response);
  CHECK(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK(DetailsOf(status).info.reason() == "DEADLINE_EXCEEDED");
}

TEST_CASE(
    "more explanations than the server takes are refused, and progress is answered beside them") {
  constexpr size_t kMost = 8;
  Running running;
  running.clock.Close();
  const auto explain = [&] {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    v1::ExplainFeaturesRequest request;
    *request.mutable_request() = Running::Request("risk", {"c1"});
    v1::ExplainFeaturesResponse response;
    return v1::CatalogService::NewStub(running.channel)
        ->ExplainFeatures(&context, request, &response);
  };
  std::vector<std::thread> held;
  std::atomic<size_t> answered{0};
  for (size_t i = 0; i < kMost; ++i) {
    held.emplace_back([&] { answered += explain().ok() ? 1 : 0; });
  }
  running.clock.AwaitWaiting(kMost);
  const auto refused = explain();
  grpc::ClientContext context;
  v1::GetProgressResponse progress;
  const auto asked =
      v1::AdminService::NewStub(running.channel)->GetProgress(&context, {}, &progress);
  running.clock.Open();
  for (std::thread& thread : held) thread.join();
  CHECK(refused.error_code() == grpc::StatusCode::UNAVAILABLE);
  CHECK(DetailsOf(refused).info.reason() == "OVERLOADED");
  CHECK(asked.ok());
  CHECK(answered == kMost);
  CHECK(explain().ok());
}

}  // namespace freshet
