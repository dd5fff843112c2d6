// The gRPC side of the server: ServingService, CatalogService, AdminService, IngestService, health and reflection on one address.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/base/status.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/observe/log.h"
#include "featurestore/observe/metrics.h"
#include "featurestore/store/checkpoints.h"
#include "featurestore/store/store.h"
#include "server/reload_outcome.h"

namespace freshet {

class DeadLetters;
class Pusher;

// What is not for operators to set: chosen by measuring (docs/decisions), other values are for benchmarks and tests.
struct GrpcServerOptions {
  enum class Transport : uint8_t { kAsync, kCallback };
  Transport transport = Transport::kCallback;
  int queues = 1;         // of kAsync: each with one thread
  int batch_threads = 1;  // compute requests of many rows
  size_t max_in_flight =
      1024;  // feature requests in hand; more are refused UNAVAILABLE / OVERLOADED
  // Of IngestService; none: its calls are told that they are switched off. Borrowed.
  Pusher* pusher = nullptr;
  DeadLetters* dead_letters = nullptr;
};

// What AdminService asks of the one who can read the declaration anew. Thread-safe.
struct Reloading {
  std::function<ReloadOutcome()> reload;
  std::function<ReloadState()> state;
};

// What AdminService asks of the one who makes checkpoints. Thread-safe. Empty: nobody does.
struct Checkpointing {
  std::string folder;
  std::function<StatusOr<Checkpoint>()> create;
  std::function<StatusOr<std::vector<Checkpoint>>()> list;
};

// Thread-safe.
class GrpcServer {
 public:
  // Listens on catalog->server.grpc (port 0: any; see address()). The store is open and its views are opened in the catalog's
  // order; every complete view answers at once. An address that is taken is an error that says so.
  // `clock`, `metrics`, `log`, `store` must outlive it.
  static StatusOr<std::unique_ptr<GrpcServer>> Start(const std::shared_ptr<const Catalog>& catalog,
                                                     Store& store, const Clock& clock,
                                                     Metrics& metrics, Log& log,
                                                     const GrpcServerOptions& options = {});
  ~GrpcServer();                       // Drain without grace
  const std::string& address() const;  // host:port actually bound
  // Requests that come from here on are answered by `catalog`, whose views are open in the store (Catalog::StoreView).
  void Serve(std::shared_ptr<const Catalog> catalog);
  void SetReloading(Reloading reloading);
  void SetCheckpointing(Checkpointing checkpointing);
  // grpc.health.v1 for "" (the whole server); each feature service is SERVING while that is and its views are complete, as seen
  // at this call: call it again, every second or so, for views that become complete. NOT_SERVING until the first call.
  void SetReady(bool ready);
  // New calls are refused UNAVAILABLE/DRAINING and health is NOT_SERVING; calls in hand end, at the latest after `grace`; then
  // the address is free. Idempotent.
  void Drain(Duration grace);

 private:
  struct Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet
