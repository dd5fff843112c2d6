// CatalogService and AdminService: few calls, so gRPC's synchronous API will do.
#pragma once

#include <atomic>
#include <cstddef>

#include "featurestore/base/clock.h"
#include "featurestore/observe/serve_metrics.h"
#include "featurestore/serve/plans.h"
#include "featurestore/store/store.h"
#include "freshet/v1/admin.grpc.pb.h"
#include "freshet/v1/catalog.grpc.pb.h"

namespace freshet {

// Thread-safe. Arguments must outlive it.
class CatalogServer final : public v1::CatalogService::Service {
 public:
  // Explanations in hand; more are OVERLOADED. Below the threads that the synchronous services share (grpc_server.cc), so that health
  // and progress are answered beside them.
  static constexpr size_t kMaxExplanations = 8;

  CatalogServer(Plans& plans, const Store& store, const Clock& clock, ServeMetrics& metrics)
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
  Plans& plans_;
  const Store& store_;
  const Clock& clock_;
  MethodMetrics& method_;
  MethodMetrics& explain_;
  std::atomic<size_t> explaining_{0};
};

// Thread-safe. Arguments must outlive it.
class AdminServer final : public v1::AdminService::Service {
 public:
  AdminServer(const Catalog& catalog, Store& store, ServeMetrics& metrics)
      : catalog_(catalog),
        store_(store),
        method_(metrics.Method("freshet.v1.AdminService", "GetProgress")) {}
  // NOT_FOUND / UNKNOWN_SOURCE.
  grpc::Status GetProgress(grpc::ServerContext* context, const v1::GetProgressRequest* request,
                           v1::GetProgressResponse* response) override;

 private:
  const Catalog& catalog_;
  Store& store_;
  MethodMetrics& method_;
};

}  // namespace freshet
