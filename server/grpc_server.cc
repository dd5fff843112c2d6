#include "server/grpc_server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "absl/synchronization/mutex.h"
#include "featurestore/observe/serve_metrics.h"
#include "featurestore/serve/served_plans.h"
#include "server/grpc_catalog_admin.h"
#include "server/grpc_features.h"
#include "server/grpc_ingest.h"
#include "server/grpc_transport.h"
#include "server/listen_socket.h"

namespace freshet {
namespace {

using std::chrono::steady_clock;

// Bounds against clients that mean ill or are broken; Debian's gRPC no longer gets security patches. docs/api.md names them.
constexpr int kMaxRequestBytes = 4 << 20;
constexpr int kMaxHeaderBytes = 16 << 10;
constexpr int kMaxStreamsAConnection = 512;
constexpr int kMaxSyncThreads =
    16;  // DescribeCatalog, ExplainFeatures, GetProgress, reflection, health

void SetLimits(grpc::ServerBuilder& builder, const ServerSettings& settings) {
  // Health's Watch, reflection and the synchronous services share these; feature calls do not run on them.
  grpc::ResourceQuota quota("freshet");
  quota.SetMaxThreads(kMaxSyncThreads);
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::MAX_POLLERS, 2);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  // max_response decides for features; the catalog may be larger than it.
  builder.SetMaxSendMessageSize(
      static_cast<int>(std::max<uint64_t>(settings.max_response_bytes, 16 << 20)));
  const auto set = [&builder](const char* name, int value) {
    builder.AddChannelArgument(name, value);
  };
  set(GRPC_ARG_MAX_METADATA_SIZE, kMaxHeaderBytes);
  set(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsAConnection);
  // A dead peer is found after 80 s; an idle connection ends after 10 min, any after an hour, so that clients spread
  // again over servers that were added.
  set(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  set(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  set(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 600'000);
  set(GRPC_ARG_MAX_CONNECTION_AGE_MS, 3'600'000);
  set(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 60'000);
  // gRPC's default lets two servers share a port, and each gets half of the calls.
  set(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

template <typename Things>
std::vector<std::string> NamesOf(const Things& things) {
  std::vector<std::string> names;
  for (const auto& thing : things) names.push_back(thing.name);
  return names;
}

}  // namespace

struct GrpcServer::Impl {
  Impl(const std::shared_ptr<const Catalog>& the_catalog, Store& the_store, const Clock& clock,
       Metrics& the_metrics, Log& log, const GrpcServerOptions& options)
      : store(the_store),
        plans(the_catalog),
        metrics(the_metrics),
        features(plans, store, clock, metrics, log, options.max_in_flight,
                 the_catalog->server.max_rows),
        catalog_service(plans, store, clock, metrics),
        admin_service(plans, store, metrics),
        ingest_service(options.pusher, options.dead_letters, the_catalog->server.default_deadline,
                       metrics),
        transport(options.transport == GrpcServerOptions::Transport::kAsync
                      ? MakeAsyncTransport(features, options.queues, options.batch_threads)
                      : MakeCallbackTransport(features, options.batch_threads)) {
    NameServed(*the_catalog);
  }

  void NameServed(const Catalog& catalog) {
    std::map<uint32_t, std::string> views;
    for (uint32_t v = 0; v < catalog.views.size(); ++v) {
      views[catalog.StoreView(v)] = catalog.views[v].name;
    }
    metrics.Serve(NamesOf(catalog.services), views);
  }

  Store& store;
  ServedPlans plans;
  ServeMetrics metrics;
  FeatureHandler features;
  CatalogServer catalog_service;
  AdminServer admin_service;
  IngestServer ingest_service;
  std::unique_ptr<Transport> transport;
  std::unique_ptr<grpc::Server> server;
  std::string address;
  std::mutex mutex;
  bool drained = false;
  std::set<std::string> told;  // services that health knows

  void TellHealth(bool ready) {
    auto* health = server->GetHealthCheckService();
    health->SetServingStatus("", ready);
    const std::shared_ptr<const Catalog> catalog = plans.catalog();
    // One that is served no more stays as unhealthy as gRPC lets it be.
    for (const std::string& gone : std::exchange(told, {})) {
      if (catalog->FindService(gone) == nullptr) health->SetServingStatus(gone, false);
    }
    for (const FeatureService& service : catalog->services) {
      told.insert(service.name);
      bool complete = true;
      for (const ServedView& served : service.views) {
        complete = complete && store.view_status(ViewId{catalog->StoreView(served.view)})
                                   .complete.load(std::memory_order_acquire);
      }
      health->SetServingStatus(service.name, ready && complete);
    }
  }
};

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

GrpcServer::~GrpcServer() { Drain(Duration{}); }

const std::string& GrpcServer::address() const { return impl_->address; }

StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(
    const std::shared_ptr<const Catalog>& catalog, Store& store, const Clock& clock,
    Metrics& metrics, Log& log, const GrpcServerOptions& options) {
  // Debian's abseil is built with deadlock detection, which halves a server's throughput.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  grpc::EnableDefaultHealthCheckService(true);
  const ServerSettings& settings = catalog->server;
  if (settings.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();

  // gRPC does not say why it cannot listen, and complains in words of its own: ask the operating system first.
  {
    const auto socket = Listen(settings.grpc, "server.grpc");
    if (!socket.ok()) return socket.status();
    close(socket->fd);
  }
  // A client's invalid UTF-8 is its error and not a line of ours for each call.
  google::protobuf::SetLogHandler(nullptr);

  auto impl = std::make_unique<Impl>(catalog, store, clock, metrics, log, options);
  grpc::ServerBuilder builder;
  SetLimits(builder, settings);
  int port = 0;
  builder.AddListeningPort(settings.grpc, grpc::InsecureServerCredentials(), &port);
  impl->transport->Register(builder);
  builder.RegisterService(&impl->catalog_service);
  builder.RegisterService(&impl->admin_service);
  builder.RegisterService(&impl->ingest_service);
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || port == 0) {
    impl->transport->Stop();
    return Unavailable(
        "cannot listen on {}: another program took the address meanwhile; start again, or change "
        "server.grpc",
        settings.grpc);
  }
  const size_t colon = settings.grpc.rfind(':');
  impl->address = settings.grpc.substr(0, colon) + ":" + std::to_string(port);
  impl->transport->Start();
  impl->ingest_service.Start();
  impl->TellHealth(false);
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

void GrpcServer::Serve(std::shared_ptr<const Catalog> catalog) {
  impl_->NameServed(*catalog);
  impl_->plans.Serve(std::move(catalog));
}

void GrpcServer::SetReloading(Reloading reloading) {
  impl_->admin_service.SetReloading(std::move(reloading));
}

void GrpcServer::SetCheckpointing(Checkpointing checkpointing) {
  impl_->admin_service.SetCheckpointing(std::move(checkpointing));
}

void GrpcServer::SetReady(bool ready) {
  std::lock_guard lock(impl_->mutex);
  if (!impl_->drained) impl_->TellHealth(ready);
}

void GrpcServer::Drain(Duration grace) {
  const auto until = steady_clock::now() + std::chrono::microseconds(grace.us);
  {
    std::lock_guard lock(impl_->mutex);
    if (impl_->drained) return;
    impl_->drained = true;
    // In this order: who hears NOT_SERVING can rely on new calls being refused.
    impl_->features.BeginDrain();
    impl_->ingest_service.BeginDrain();
    impl_->TellHealth(false);
  }
  impl_->features.AwaitIdle(until);
  impl_->ingest_service.AwaitIdle(until);
  impl_->features.AwaitQuiet(until);
  impl_->ingest_service.EndCalls();
  const auto left = std::max(until - steady_clock::now(), steady_clock::duration::zero());
  // Watchers of health and open reflection streams end at once by the deadline; they are no work in hand.
  impl_->server->Shutdown(std::chrono::system_clock::now() +
                          std::min<steady_clock::duration>(left, std::chrono::milliseconds(500)));
  impl_->transport->Stop();
  impl_->ingest_service.Stop();
}

}  // namespace freshet
