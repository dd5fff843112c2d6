// The gRPC side of the server: ServingService, CatalogService, AdminService, health and reflection on one address.
#pragma once

#include <memory>
#include <string>

#include "featurestore/base/clock.h"
#include "featurestore/base/status.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/observe/log.h"
#include "featurestore/observe/metrics.h"
#include "featurestore/store/store.h"

namespace freshet {

class GrpcServer {
 public:
  // Listens on catalog->server.grpc (port 0: any; see address()). The store is open by now: every complete view answers at once.
  // `clock`, `metrics`, `log`, `store` must outlive it.
  static StatusOr<std::unique_ptr<GrpcServer>> Start(std::shared_ptr<const Catalog> catalog, Store& store,
                                                     const Clock& clock, Metrics& metrics, Log& log);
  ~GrpcServer();
  const std::string& address() const;  // host:port actually bound
  // grpc.health.v1 for "" (the whole server); each feature service is SERVING while that is and its views are complete.
  void SetReady(bool ready);
  // New calls are refused UNAVAILABLE/DRAINING and health is NOT_SERVING; calls in hand end, at the latest after `grace`. Idempotent.
  void Drain(Duration grace);

 private:
  struct Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet
