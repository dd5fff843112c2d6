#include "server/grpc_catalog_admin.h"

#include <chrono>

#include "featurestore/base/nearest.h"
#include "server/call_deadline.h"
#include "server/counted_call.h"
#include "server/proto_catalog.h"
#include "server/proto_explain.h"

namespace freshet {

grpc::Status CatalogServer::DescribeCatalog(grpc::ServerContext*,
                                            const v1::DescribeCatalogRequest* request,
                                            v1::DescribeCatalogResponse* response) {
  const CountedCall counted(method_);
  return counted.Done(
      freshet::DescribeCatalog(plans_, store_, request->feature_service(), *response));
}

grpc::Status CatalogServer::ExplainFeatures(grpc::ServerContext* context,
                                            const v1::ExplainFeaturesRequest* request,
                                            v1::ExplainFeaturesResponse* response) {
  const CountedCall counted(explain_);
  const CallDeadline deadline(*context, std::chrono::steady_clock::now(),
                              plans_.catalog()->server.default_deadline);
  Outcome error;
  if (explaining_.fetch_add(1) >= kMaxExplanations) {
    error = UnavailableNow("OVERLOADED",
                           fmt::format("{} explanations are in hand, which is as much as this "
                                       "server takes; retry later",
                                       kMaxExplanations),
                           Duration::Millis(100));
  } else {
    error = freshet::ExplainFeatures(
        plans_, store_, clock_, request->request(), [&deadline] { return deadline.passed(); },
        *response);
  }
  explaining_.fetch_sub(1);
  return counted.Done(error);
}

grpc::Status AdminServer::GetProgress(grpc::ServerContext*, const v1::GetProgressRequest* request,
                                      v1::GetProgressResponse* response) {
  const CountedCall counted(method_);
  if (!request->source().empty() && !catalog_.SourceIndex(request->source())) {
    std::vector<std::string> names;
    for (const Source& source : catalog_.sources) names.push_back(source.name);
    return counted.Done(NotFoundError(
        "UNKNOWN_SOURCE",
        fmt::format("there is no source {} in project {}{}", QuotedName(request->source()),
                    catalog_.project, Suggestion(request->source(), names)),
        {{"source", request->source()}}));
  }
  for (const Source& source : catalog_.sources) {
    if (!request->source().empty() && source.name != request->source()) continue;
    const SourceStatus& status = store_.source_status(source.name);
    v1::SourceProgress& progress = *response->add_sources();
    progress.set_source(source.name);
    progress.set_topic(source.topic);
    for (const auto& [partition, at] : status.partitions()) {
      v1::PartitionProgress& out = *progress.add_partitions();
      out.set_partition(partition);
      out.set_incarnation(at.incarnation);
      out.set_next_offset(at.next);
      out.set_least_offset(at.least);
      if (at.log_end) out.set_log_end(*at.log_end);
    }
    const auto [reason, detail] = status.paused();
    progress.set_paused_reason(reason);
    progress.set_paused_detail(detail);
    progress.set_caught_up(status.caught_up_once.load());
    progress.set_log_id(status.log_id());
  }
  return counted.Done(std::nullopt);
}

}  // namespace freshet
