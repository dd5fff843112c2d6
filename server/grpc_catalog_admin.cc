#include "server/grpc_catalog_admin.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

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
      freshet::DescribeCatalog(*plans_.now(), store_, request->feature_service(), *response));
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
        *plans_.now(), store_, clock_, request->request(),
        [&deadline] { return deadline.passed(); }, *response);
  }
  explaining_.fetch_sub(1);
  return counted.Done(error);
}

grpc::Status AdminServer::GetProgress(grpc::ServerContext*, const v1::GetProgressRequest* request,
                                      v1::GetProgressResponse* response) {
  const CountedCall counted(method_);
  const std::shared_ptr<const Catalog> catalog = plans_.catalog();
  if (!request->source().empty() && !catalog->SourceIndex(request->source())) {
    std::vector<std::string> names;
    for (const Source& source : catalog->sources) names.push_back(source.name);
    return counted.Done(NotFoundError(
        "UNKNOWN_SOURCE",
        fmt::format("there is no source {} in project {}{}", QuotedName(request->source()),
                    catalog->project, Suggestion(request->source(), names)),
        {{"source", request->source()}}));
  }
  std::vector<Source> sources = catalog->sources;
  // Those that a reload brings are read before they are served.
  const Reloading reloading = this->reloading();
  const ReloadState reloads = reloading.state ? reloading.state() : ReloadState();
  for (const ReloadState::Waiting& next : reloads.waiting) {
    for (const Source& source : next.catalog->sources) {
      const bool known = std::any_of(sources.begin(), sources.end(), [&](const Source& other) {
        return other.name == source.name;
      });
      if (!known && request->source().empty()) sources.push_back(source);
    }
  }
  for (const Source& source : sources) {
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

void AdminServer::SetReloading(Reloading reloading) {
  const std::lock_guard lock(mutex_);
  reloading_ = std::move(reloading);
}

Reloading AdminServer::reloading() const {
  const std::lock_guard lock(mutex_);
  return reloading_;
}

grpc::Status AdminServer::ListViews(grpc::ServerContext*, const v1::ListViewsRequest*,
                                    v1::ListViewsResponse* response) {
  const CountedCall counted(list_views_);
  const std::shared_ptr<const Catalog> served = plans_.catalog();
  const Reloading reloading = this->reloading();
  const ReloadState reloads = reloading.state ? reloading.state() : ReloadState();
  std::map<uint32_t, uint64_t> rows;
  for (const StoreStatistics::View& view : store_.Statistics().views) {
    rows[view.id.index] = view.estimate_num_keys;
  }
  std::set<uint32_t> listed;
  const auto add = [&](const Catalog& catalog, bool is_next) {
    for (uint32_t v = 0; v < catalog.views.size(); ++v) {
      const ViewId id{catalog.StoreView(v)};
      if (!listed.insert(id.index).second) continue;
      v1::ViewState& state = *response->add_views();
      const ViewStatus& status = store_.view_status(id);
      state.set_view(catalog.views[v].name);
      state.set_version(catalog.views[v].version);
      state.set_source(catalog.sources[catalog.views[v].source].name);
      state.set_rows(rows[id.index]);
      const bool complete = status.complete.load();
      state.set_state(is_next    ? v1::ViewState::STATE_REBUILDING
                      : complete ? v1::ViewState::STATE_COMPLETE
                                 : v1::ViewState::STATE_BUILDING);
      if (const int64_t since = status.complete_since_us.load(); since != kNoTime) {
        state.set_complete_since_us(since);
      }
      if (complete) continue;
      const uint64_t total = status.build.total.load();
      const uint64_t passed = std::min(total, status.build.passed.load());
      state.set_built_share(total == 0 ? 0
                                       : static_cast<double>(passed) / static_cast<double>(total));
      if (const auto left = status.build.SecondsLeft()) state.set_seconds_left(*left);
    }
  };
  add(*served, false);
  response->set_served_generation(reloads.served);
  for (const ReloadState::Waiting& next : reloads.waiting) {
    add(*next.catalog, true);
    response->add_waiting_generations(next.generation);
  }
  return counted.Done(std::nullopt);
}

grpc::Status AdminServer::Reload(grpc::ServerContext*, const v1::ReloadRequest*,
                                 v1::ReloadResponse* response) {
  const CountedCall counted(reload_);
  const Reloading reloading = this->reloading();
  if (!reloading.reload) {
    return counted.Done(UnavailableNow("STARTING", "the server has not started yet; ask again",
                                       Duration::Seconds(1)));
  }
  const ReloadOutcome outcome = reloading.reload();
  response->set_accepted(outcome.accepted);
  for (const std::string& error : outcome.errors) response->add_errors(error);
  for (const std::string& warning : outcome.warnings) response->add_warnings(warning);
  for (const std::string& change : outcome.changes) response->add_changes(change);
  response->set_waits(outcome.waits);
  response->set_generation(outcome.generation);
  return counted.Done(std::nullopt);
}

}  // namespace freshet
