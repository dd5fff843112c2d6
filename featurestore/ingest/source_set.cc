#include "featurestore/ingest/source_set.h"

#include <algorithm>

#include "featurestore/declare/catalog_change.h"
#include "featurestore/ingest/source_plan.h"

namespace freshet {

std::vector<uint32_t> SourceSet::ViewsOf(const Catalog& catalog, uint32_t source) {
  std::vector<uint32_t> views;
  for (uint32_t v = 0; v < catalog.views.size(); ++v) {
    if (catalog.views[v].source == source) views.push_back(v);
  }
  return views;
}

StatusOr<SourceSet::Running> SourceSet::StartLive(const std::shared_ptr<const Catalog>& catalog,
                                                  uint32_t source) {
  Running running{catalog, source,
                  std::make_unique<SourceThreads>(make_context_(*catalog, source), brokers_)};
  RETURN_IF_ERROR(running.threads->Start());
  return running;
}

Status SourceSet::Start(std::shared_ptr<const Catalog> catalog) {
  const std::lock_guard lock(mutex_);
  for (uint32_t s = 0; s < catalog->sources.size(); ++s) {
    if (ViewsOf(*catalog, s).empty()) continue;  // nothing would be kept of it
    ASSIGN_OR_RETURN(running_[catalog->sources[s].name], StartLive(catalog, s));
  }
  return OkStatus();
}

Status SourceSet::Follow(uint32_t source, const std::vector<uint32_t>& views, SourceThreads& live,
                         double share) {
  LoopContext context = make_context_(*next_, source);
  ASSIGN_OR_RETURN(const uint32_t incarnation, FindIncarnation(context));
  std::map<std::vector<std::pair<uint32_t, int64_t>>, std::vector<LoopView>> groups;
  for (const uint32_t v : views) {
    LoopView view;
    view.id = ViewId{next_->StoreView(v)};
    view.layout = next_->layouts[v].get();
    ASSIGN_OR_RETURN(view.progress, store_.ReadProgress(view.id));
    ASSIGN_OR_RETURN(view.producers, store_.ReadProducers(view.id));
    std::vector<std::pair<uint32_t, int64_t>> read;
    for (const auto& [partition, progress] : view.progress) {
      read.emplace_back(static_cast<uint32_t>(partition), progress.next);
    }
    groups[read].push_back(std::move(view));
  }
  std::vector<PassPlan> plans;
  for (auto& [read, group] : groups) {
    auto handover = std::make_shared<Handover>();
    handover->Progressed(PositionsOf(group.front().progress));
    handovers_.push_back(handover);
    live.inbox().Put(handover);
    plans.push_back({.views = std::move(group),
                     .handover = std::move(handover),
                     .incarnation = incarnation,
                     .passes = groups.size(),
                     .follows = true,
                     .share = share});
  }
  Running& follow = follow_[next_->sources[source].name];
  follow = {next_, source, std::make_unique<SourceThreads>(std::move(context), brokers_)};
  follow.threads->StartFollowing(std::move(plans));
  return OkStatus();
}

Status SourceSet::Prepare(std::shared_ptr<const Catalog> next, double share) {
  const std::lock_guard lock(mutex_);
  GiveUpLocked();
  next_ = std::move(next);
  // Fed by a loop that runs: nobody else may. (A view's source may have another name now.)
  std::set<uint32_t> fed;
  for (const auto& [name, running] : running_) {
    for (const uint32_t v : ViewsOf(*running.catalog, running.source)) {
      fed.insert(running.catalog->StoreView(v));
    }
  }
  for (uint32_t s = 0; s < next_->sources.size(); ++s) {
    const std::vector<uint32_t> views = ViewsOf(*next_, s);
    std::vector<uint32_t> to_build;
    for (const uint32_t v : views) {
      if (!fed.contains(next_->StoreView(v))) to_build.push_back(v);
    }
    if (to_build.empty()) continue;
    const std::string& name = next_->sources[s].name;
    if (const auto running = running_.find(name); running != running_.end()) {
      RETURN_IF_ERROR(Follow(s, to_build, *running->second.threads, share));
    } else if (to_build.size() == views.size()) {
      ASSIGN_OR_RETURN(begun_[name], StartLive(next_, s));
    }
    // Else from the switch on, with what another loop feeds till then.
  }
  return OkStatus();
}

bool SourceSet::Prepared() const {
  const std::lock_guard lock(mutex_);
  if (next_ == nullptr) return false;
  for (const auto& [name, running] : begun_) {
    for (const uint32_t v : ViewsOf(*running.catalog, running.source)) {
      if (!store_.IsComplete(ViewId{running.catalog->StoreView(v)})) return false;
    }
  }
  return std::all_of(handovers_.begin(), handovers_.end(),
                     [](const auto& handover) { return handover->near(); });
}

Status SourceSet::Switch() {
  const std::lock_guard lock(mutex_);
  for (auto& [name, follow] : follow_) follow.threads->RequestStop();
  follow_.clear();  // joins
  for (const auto& handover : handovers_) handover->Abandon();
  handovers_.clear();
  running_.merge(begun_);
  begun_.clear();

  std::vector<uint32_t> to_begin;
  std::set<std::string> kept;
  for (uint32_t s = 0; s < next_->sources.size(); ++s) {
    if (ViewsOf(*next_, s).empty()) continue;
    const auto running = running_.find(next_->sources[s].name);
    if (running != running_.end() &&
        ReadsAlike(*running->second.catalog, running->second.source, *next_, s)) {
      kept.insert(running->first);
    } else {
      to_begin.push_back(s);
    }
  }
  for (auto& [name, running] : running_) {
    if (!kept.contains(name)) running.threads->RequestStop();
  }
  std::erase_if(running_, [&](const auto& one) { return !kept.contains(one.first); });  // joins

  Status failed;
  for (const uint32_t s : to_begin) {
    // How long rows are kept may have changed: noted while nobody writes the views' progress.
    for (const uint32_t v : ViewsOf(*next_, s)) {
      const FeatureView& view = next_->views[v];
      const auto opened =
          store_.OpenView({view.name, view.version, view.keep(), view.keep_deleted()});
      if (!opened.ok() && failed.ok()) failed = opened.status();
    }
    auto started = StartLive(next_, s);
    if (started.ok()) {
      running_[next_->sources[s].name] = *std::move(started);
    } else if (failed.ok()) {
      failed = started.status();
    }
  }
  next_.reset();
  return failed;
}

void SourceSet::GiveUp() {
  const std::lock_guard lock(mutex_);
  GiveUpLocked();
}

void SourceSet::GiveUpLocked() {
  for (auto* group : {&follow_, &begun_}) {
    for (auto& [name, running] : *group) running.threads->RequestStop();
    group->clear();
  }
  for (const auto& handover : handovers_) handover->Abandon();
  handovers_.clear();
  next_.reset();
}

void SourceSet::Stop() {
  const std::lock_guard lock(mutex_);
  for (auto* group : {&follow_, &begun_, &running_}) {
    for (auto& [name, running] : *group) running.threads->RequestStop();
  }
  GiveUpLocked();
  running_.clear();
}

}  // namespace freshet
