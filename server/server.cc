#include "server/server.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "featurestore/base/cgroup.h"
#include "featurestore/ingest/dead_letters.h"
#include "featurestore/ingest/ingest.h"
#include "featurestore/ingest/kafka_push_log.h"
#include "featurestore/ingest/local_log.h"
#include "featurestore/ingest/mock_broker.h"
#include "featurestore/ingest/pusher.h"
#include "featurestore/store/store.h"
#include "server/admin_http.h"
#include "server/build_info.h"
#include "server/checkpoint_schedule.h"
#include "server/grpc_server.h"
#include "server/log_address.h"
#include "server/push_http.h"
#include "server/readiness.h"
#include "server/reload.h"
#include "server/store_metrics.h"
#include "server/test_faults.h"

namespace freshet {
namespace {

constexpr Duration kDrainGrace = Duration::Seconds(5);
// How often readiness and the health of services whose views rebuild are looked at.
constexpr std::chrono::milliseconds kReadinessPeriod{100};
constexpr std::chrono::milliseconds kBrokerPeriod{50};
constexpr std::chrono::milliseconds kBrokerWait{5000};

std::string Bytes(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

void ExportFacts(Metrics& metrics) {
  const BuildInfo& build = GetBuildInfo();
  metrics.GaugeFamily("freshet_build_info", "1; what this program was built from.")
      .Add({{"version", build.version},
            {"commit", build.commit},
            {"rocksdb", build.rocksdb},
            {"grpc", build.grpc},
            {"librdkafka", build.librdkafka}})
      .Set(1);
}

// A sample for each view that is served, and none for those that were.
class CatalogInfo {
 public:
  explicit CatalogInfo(Metrics& metrics)
      : family_(metrics.GaugeFamily("freshet_catalog_info", "1 for each view that is served.")) {}
  void Serve(const Catalog& catalog) {
    for (Gauge* gauge : std::exchange(views_, {})) family_.Remove(gauge);
    for (const FeatureView& view : catalog.views) {
      views_.push_back(&family_.Add(
          {{"project", catalog.project}, {"view", view.name}, {"view_version", view.version}}));
      views_.back()->Set(1);
    }
  }

 private:
  MetricFamily<Gauge>& family_;
  std::vector<Gauge*> views_;
};

void ExportReadiness(const Readiness& readiness, Metrics& metrics) {
  auto& family = metrics.GaugeFamily(
      "freshet_ready", "1 where the condition of /readyz is met; ready where all are.");
  metrics.OnScrape([&readiness, &family] {
    for (const ReadinessCondition& condition : readiness.Conditions()) {
      family.Add({{"condition", condition.name}}).Set(condition.met ? 1 : 0);
    }
  });
}

}  // namespace

struct Server::Impl {
  Impl(Project the_project, std::function<Project()> load, const Clock& clock, Log& log)
      : project(std::move(the_project)),
        load(std::move(load)),
        catalog(project.catalog),
        clock(clock),
        log(log),
        readiness(*catalog, clock) {}
  ~Impl() { Stop().IgnoreError(); }

  Status Start(const std::function<bool()>& stop_requested);
  Status StartAdmin();
  Status OpenStore();
  Status FindOrStartBroker();
  Status StartPushes();
  void StartReloader();
  void StartCheckpoints();
  void Serve(const std::shared_ptr<const Catalog>& next);
  Status Stop();
  void WatchReadiness();

  // Declared in the order of the start; destroyed in the reverse.
  const Project project;
  const std::function<Project()> load;
  const std::shared_ptr<const Catalog> catalog;  // of the start
  const Clock& clock;
  Log& log;
  Metrics metrics;
  CatalogInfo catalog_info{metrics};
  Readiness readiness;
  std::unique_ptr<Store> store;
  std::unique_ptr<MockBroker> broker;
  LogAddress address;
  std::unique_ptr<PushLog> push_log;
  std::unique_ptr<Pusher> pusher;
  std::unique_ptr<DeadLetters> dead_letters;
  std::unique_ptr<GrpcServer> grpc;
  std::unique_ptr<Ingest> ingest;
  std::unique_ptr<Reloader> reloader;
  std::unique_ptr<CheckpointSchedule> checkpoints;
  std::atomic<Pusher*> http_pusher{nullptr};  // once gRPC listens
  std::unique_ptr<HttpServer> push_http;      // where it has an address of its own
  std::unique_ptr<HttpServer>
      admin;  // last to go: /readyz says "stopping" to the end, and a scrape reads the store

  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  std::thread readiness_watch;
};

Status Server::Impl::Start(const std::function<bool()>& stop_requested) {
  ExportFacts(metrics);
  ExportReadiness(readiness, metrics);
  // Before the store: recovery may take long, and /livez must answer meanwhile. But a second server on the same folder fails
  // on its addresses as well as on the folder; the folder's error is the one that helps, so it is asked first.
  const Status listening = StartAdmin();
  RETURN_IF_ERROR(OpenStore());
  RETURN_IF_ERROR(listening);
  if (stop_requested()) return absl::CancelledError("stopped while starting");
  RETURN_IF_ERROR(FindOrStartBroker());
  RETURN_IF_ERROR(StartPushes());
  GrpcServerOptions options;
  options.pusher = pusher.get();
  options.dead_letters = dead_letters.get();
  ASSIGN_OR_RETURN(grpc, GrpcServer::Start(catalog, *store, clock, metrics, log, options));
  StartCheckpoints();
  ASSIGN_OR_RETURN(ingest, Ingest::Start(catalog, address, *store, clock, metrics, log));
  StartReloader();
  http_pusher = pusher.get();
  readiness_watch = std::thread([this] { WatchReadiness(); });
  return OkStatus();
}

void Server::Impl::StartReloader() {
  reloader = std::make_unique<Reloader>(Reloader::Parts{
      .served = project,
      .load = load,
      .store = *store,
      .ingest = ingest.get(),
      .log = log,
      .before =
          [this](const Catalog& together) {
            push_log->Serve(together);
            readiness.Reads(together.sources);
            return broker != nullptr ? broker->AddTopics(EmbeddedTopics(together)) : OkStatus();
          },
      .hold =
          [this](std::set<std::string> sources) {
            if (pusher != nullptr) pusher->Hold(std::move(sources));
          },
      .serve = [this](const std::shared_ptr<const Catalog>& next) { Serve(next); }});
  grpc->SetReloading({.reload = [this] { return reloader->Reload(); },
                      .state = [this] { return reloader->state(); }});
}

void Server::Impl::StartCheckpoints() {
  const auto& settings = catalog->storage.checkpoints;
  if (!settings) return;
  checkpoints = std::make_unique<CheckpointSchedule>(*settings, *store, clock, metrics, log);
  grpc->SetCheckpointing({.folder = settings->to,
                          .create = [this] { return checkpoints->Create(); },
                          .list = [this] { return checkpoints->List(); }});
}

void Server::Impl::Serve(const std::shared_ptr<const Catalog>& next) {
  grpc->Serve(next);
  readiness.Served(next);
  catalog_info.Serve(*next);
  push_log->Serve(*next);
  // A copy: the reloader waits until nobody holds a catalog that requests for features were answered by.
  const auto of_pushes = std::make_shared<const Catalog>(*next);
  if (pusher != nullptr) pusher->Serve(of_pushes);
  if (dead_letters != nullptr) dead_letters->Serve(of_pushes);
}

Status Server::Impl::StartAdmin() {
  const ServerSettings& settings = catalog->server;
  std::optional<HttpServer::Post> post;
  if (settings.push) post = PushPost(http_pusher);
  if (settings.push && !settings.push_http.empty() && settings.push_http != settings.admin) {
    ASSIGN_OR_RETURN(
        push_http, HttpServer::Start(settings.push_http, {}, {}, std::exchange(post, std::nullopt),
                                     "server.push_http"));
  }
  ASSIGN_OR_RETURN(admin, StartAdminHttp(settings.admin, metrics, readiness, std::move(post)));
  return OkStatus();
}

// Where events can be pushed to: the sources' topics, or without Kafka a log of this folder's own.
Status Server::Impl::StartPushes() {
  if (catalog->kafka.kind == KafkaSettings::Kind::kNone) {
    LocalLogOptions options;
    options.keep = catalog->kafka.local_keep;
    options.most_bytes = catalog->kafka.local_max_bytes;
    auto local = std::make_unique<LocalLog>(options, *store, clock, log);
    address.log_id = kLocalLogId;
    address.local = local.get();
    push_log = std::move(local);
  } else {
    KafkaPushLogOptions options;
    options.address = address;
    options.kafka_options = catalog->kafka.options;
    ASSIGN_OR_RETURN(push_log, KafkaPushLog::Start(std::move(options)));
  }
  push_log->Serve(*catalog);
  const bool push = catalog->server.push;
  if (push) pusher = std::make_unique<Pusher>(catalog, *store, clock, *push_log);
  dead_letters =
      std::make_unique<DeadLetters>(catalog, address, *store, push ? push_log.get() : nullptr);
  return OkStatus();
}

Status Server::Impl::OpenStore() {
  if (const uint64_t has = MemoryLimitBytes(); catalog->storage.memory_bytes > has) {
    return FailedPrecondition(
        "storage.memory is {}, and this machine or its cgroup has {}: the server would be ended "
        "for it; write a share such as 70%",
        Bytes(catalog->storage.memory_bytes), Bytes(has));
  }
  StoreOptions options;
  options.path = catalog->storage.path;
  options.project = catalog->project;
  options.memory_bytes = catalog->storage.memory_bytes - catalog->storage.ingest_bytes();
  options.write_buffer_bytes = catalog->storage.memtable_bytes();
  options.background = catalog->storage.background;
  options.TuneFor(catalog->views);
  ASSIGN_OR_RETURN(options.faults, CommitFaultsFromEnvironment(log));
  ASSIGN_OR_RETURN(store, Store::Open(options));
  for (const FeatureView& view : catalog->views) {
    ASSIGN_OR_RETURN(const ViewId id, store->OpenView(StoreView::Of(view)));
    // A rebuild that was given up leaves a family behind: what is complete and declared again drops it.
    if (store->IsComplete(id)) RETURN_IF_ERROR(store->DropOthers(id));
  }
  for (const std::string& name : store->UnopenedViews()) {
    log.Warn("view_not_declared",
             "The data folder holds a view that the project does not declare; its rows are kept.",
             {{"view", name}});
  }
  ExportStoreMetrics(*store, metrics);
  metrics.GaugeFamily("freshet_memory_budget_bytes", "Share of storage.memory by part.")
      .Add({{"part", "ingest"}})
      .Set(static_cast<double>(catalog->storage.ingest_bytes()));
  readiness.StoreOpened(*store);
  return OkStatus();
}

Status Server::Impl::FindOrStartBroker() {
  if (catalog->kafka.kind == KafkaSettings::Kind::kNone) return OkStatus();
  if (catalog->kafka.kind == KafkaSettings::Kind::kEmbedded) {
    auto started = MockBroker::Start(catalog->storage.path, EmbeddedTopics(*catalog));
    if (started.ok()) {
      broker = *std::move(started);
      log.Warn(
          "embedded_broker",
          "The embedded broker keeps about 5 MiB a partition, and nothing across restarts: for "
          "first steps and tests.",
          {{"bootstrap", broker->bootstrap()}});
    } else if (started.status().code() != absl::StatusCode::kAlreadyExists) {
      return started.status();
    }
  }
  // A `freshet broker` that was started just before holds the folder a moment before it can say where it is.
  std::optional<LogAddress> found = FindLog(*catalog);
  for (auto waited = kBrokerPeriod; !found.has_value() && waited < kBrokerWait;
       waited += kBrokerPeriod) {
    std::this_thread::sleep_for(kBrokerPeriod);
    found = FindLog(*catalog);
  }
  if (!found.has_value()) {
    return FailedPrecondition(
        "{}/broker.json: a broker holds this folder but has not written its address; start again "
        "once `freshet broker` says that it is up",
        catalog->storage.path);
  }
  address = *found;
  ASSIGN_OR_RETURN(address.faults, LogFaultsFromEnvironment(log));
  if (address.is_mock) {
    address.replaced = [folder = catalog->storage.path, was = address] {
      return ReplacedBroker(folder, was);
    };
  }
  return OkStatus();
}

void Server::Impl::WatchReadiness() {
  bool said = false;
  std::unique_lock lock(mutex);
  while (!stopping) {
    lock.unlock();
    const std::vector<ReadinessCondition> conditions = readiness.Conditions();
    bool ready = true;
    std::string why;
    for (const ReadinessCondition& condition : conditions) {
      ready = ready && condition.met;
      if (condition.name == "caught_up") why = condition.detail;
    }
    if (ready && !said) {
      said = true;
      log.Info("ready", "Ready: " + why, {{"grpc", grpc->address()}});
    }
    lock.lock();
    // Under the lock, so that it cannot come after Stop's SetReady(false). Repeated: a view that was rebuilt makes its
    // services healthy.
    if (!stopping) grpc->SetReady(ready);
    wake.wait_for(lock, kReadinessPeriod, [this] { return stopping; });
  }
}

Status Server::Impl::Stop() {
  readiness.Stopping();
  {
    std::lock_guard lock(mutex);
    if (stopping) return OkStatus();
    stopping = true;
    if (grpc != nullptr) grpc->SetReady(false);
  }
  wake.notify_all();
  if (readiness_watch.joinable()) readiness_watch.join();
  if (pusher != nullptr) pusher->BeginDrain();
  if (checkpoints != nullptr) checkpoints->Stop();
  // A call of Reload may be in hand till then.
  if (grpc != nullptr) grpc->Drain(kDrainGrace);
  if (reloader != nullptr) reloader->Stop();
  if (pusher != nullptr) pusher->Stop();
  if (push_log != nullptr) push_log->Stop();
  if (ingest != nullptr) ingest->Stop();
  Status flushed = store != nullptr ? store->Flush() : OkStatus();
  push_http.reset();
  admin.reset();
  return flushed;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Server::~Server() = default;

StatusOr<std::unique_ptr<Server>> Server::Start(Project project, std::function<Project()> load,
                                                const Clock& clock, Log& log,
                                                const std::function<bool()>& stop_requested) {
  auto impl = std::make_unique<Impl>(std::move(project), std::move(load), clock, log);
  RETURN_IF_ERROR(impl->Start(stop_requested));
  return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Status Server::Stop() { return impl_->Stop(); }

ReloadOutcome Server::Reload() { return impl_->reloader->Reload(); }

StartSummary Server::summary() const {
  const Catalog& catalog = *impl_->catalog;
  StartSummary summary;
  summary.grpc = impl_->grpc->address();
  summary.admin = impl_->admin->address();
  summary.data = catalog.storage.path;
  if (impl_->broker != nullptr) {
    summary.broker = impl_->broker->bootstrap() + " (embedded)";
  } else if (catalog.kafka.kind == KafkaSettings::Kind::kNone) {
    summary.broker =
        fmt::format("none: pushed events are kept here, {} and {} a source",
                    FormatDuration(catalog.kafka.local_keep), Bytes(catalog.kafka.local_max_bytes));
  } else {
    summary.broker = impl_->address.bootstrap + (impl_->address.is_mock ? " (freshet broker)" : "");
  }
  summary.push = !catalog.server.push          ? "off"
                 : impl_->push_http != nullptr ? impl_->push_http->address()
                                               : impl_->admin->address();
  for (uint32_t i = 0; i < catalog.views.size(); ++i) {
    const FeatureView& view = catalog.views[i];
    const bool complete = impl_->store->IsComplete(ViewId{i});
    const bool known = impl_->store->CompleteVersion(view.name).has_value();
    summary.views.push_back(fmt::format("{}: {} feature{}, {}", view.name, view.features.size(),
                                        view.features.size() == 1 ? "" : "s",
                                        complete ? "complete"
                                        : known  ? "changed: rebuilt from the log"
                                                 : "new: read from the log's start"));
  }
  for (const MemoryPart& part : impl_->store->Memory()) {
    summary.memory.push_back(part.part + " " + Bytes(part.budget_bytes));
  }
  summary.memory.push_back("ingest " + Bytes(catalog.storage.ingest_bytes()));
  const UnboundedMemory plain = impl_->store->MemoryWithoutBound();
  summary.memory.push_back(
      fmt::format("plain estimate {} (block cache + {} column families x {} x {}), bounded to {}",
                  Bytes(plain.total()), plain.families, Bytes(plain.write_buffer), plain.buffers,
                  Bytes(catalog.storage.memory_bytes)));
  return summary;
}

}  // namespace freshet
