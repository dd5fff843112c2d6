// CatalogService and AdminService: few calls, so gRPC's synchronous API will do.
#pragma once

#include <atomic>
#include <cstddef>
#include <mutex>

#include "featurestore/base/clock.h"
#include "featurestore/observe/serve_metrics.h"
#include "featurestore/serve/served_plans.h"
#include "featurestore/store/store.h"
#include "freshet/v1/admin.grpc.pb.h"
#include "freshet/v1/catalog.grpc.pb.h"
#include "server/grpc_server.h"

namespace freshet {

// Thread-safe. Arguments must outlive it.
class CatalogServer final : public v1::CatalogService::Service {
 public:
  // Explanations in hand; more are OVERLOADED. Below the threads that the synchronous services share (grpc_server.cc), so that health
  // and progress are answered beside them.
  static constexpr size_t kMaxExplanations = 8;

  CatalogServer(ServedPlans& plans, const Store& store, const Clock& clock, ServeMetrics& metrics)
      : plans_(plans),
        store_(store),
        clock_(clock),
        method_(metrics.Method("freshet.v1.CatalogService", "DescribeCatalog")),
        explain_(metrics.Method("freshet.v1.CatalogService", "ExplainFeatures")) {}
  grpc::Status DescribeCatalog(grpc::ServerContext* context,
                               const v1::DescribeCatalogRequest* request,
                               v1::DescribeCatalogResponse* response) override;
  grpc::Status ExplainFeatures(grpc::ServerContext* context,
                               const v1::ExplainFeaturesRequest* request,
                               v1::ExplainFeaturesResponse* response) override;

 private:
  ServedPlans& plans_;
  const Store& store_;
  const Clock& clock_;
  MethodMetrics& method_;
  MethodMetrics& explain_;
  std::atomic<size_t> explaining_{0};
};

// Thread-safe. Arguments must outlive it.
class AdminServer final : public v1::AdminService::Service {
 public:
  AdminServer(const ServedPlans& plans, Store& store, ServeMetrics& metrics)
      : plans_(plans),
        store_(store),
        method_(metrics.Method("freshet.v1.AdminService", "GetProgress")),
        list_views_(metrics.Method("freshet.v1.AdminService", "ListViews")),
        reload_(metrics.Method("freshet.v1.AdminService", "Reload")),
        create_checkpoint_(metrics.Method("freshet.v1.AdminService", "CreateCheckpoint")),
        list_checkpoints_(metrics.Method("freshet.v1.AdminService", "ListCheckpoints")) {}
  // Until it is called, Reload is refused.
  void SetReloading(Reloading reloading);
  // Until it is called, checkpoints are refused.
  void SetCheckpointing(Checkpointing checkpointing);
  // NOT_FOUND / UNKNOWN_SOURCE.
  grpc::Status GetProgress(grpc::ServerContext* context, const v1::GetProgressRequest* request,
                           v1::GetProgressResponse* response) override;
  grpc::Status ListViews(grpc::ServerContext* context, const v1::ListViewsRequest* request,
                         v1::ListViewsResponse* response) override;
  grpc::Status Reload(grpc::ServerContext* context, const v1::ReloadRequest* request,
                      v1::ReloadResponse* response) override;
  grpc::Status CreateCheckpoint(grpc::ServerContext* context,
                                const v1::CreateCheckpointRequest* request,
                                v1::CreateCheckpointResponse* response) override;
  grpc::Status ListCheckpoints(grpc::ServerContext* context,
                               const v1::ListCheckpointsRequest* request,
                               v1::ListCheckpointsResponse* response) override;

 private:
  Reloading reloading() const;
  Checkpointing checkpointing() const;

  const ServedPlans& plans_;
  Store& store_;
  MethodMetrics& method_;
  MethodMetrics& list_views_;
  MethodMetrics& reload_;
  MethodMetrics& create_checkpoint_;
  MethodMetrics& list_checkpoints_;
  mutable std::mutex mutex_;
  Reloading reloading_;
  Checkpointing checkpointing_;
};

}  // namespace freshet
