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
                                                  uint32_t source,
                                                  std::shared_ptr<BuildGate> gate) {
  LoopContext context = make_context_(*catalog, source);
  context.gate = gate;
  Running running{catalog, source, std::move(gate),
                  std::make_unique<SourceThreads>(std::move(context), brokers_)};
  RETURN_IF_ERROR(running.threads->Start());
  return running;
}

Status SourceSet::Start(const std::shared_ptr<const Catalog>& catalog) {
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
                     .share = share / static_cast<double>(groups.size())});
  }
  Running& follow = follow_[next_->sources[source].name];
  follow = {next_, source, nullptr, std::make_unique<SourceThreads>(std::move(context), brokers_)};
  follow.threads->StartFollowing(std::move(plans));
  return OkStatus();
}

SourceThreads* SourceSet::LoopToFollow(uint32_t source, bool all_views) {
  const Source& mine = next_->sources[source];
  if (const auto same = running_.find(mine.name); same != running_.end()) {
    return same->second.ended() ? nullptr : same->second.threads.get();
  }
  // A source may have another name now, or have got some of another's views. One that is new beside the other has its own loop.
  for (const auto& [name, running] : running_) {
    const bool goes = !next_->SourceIndex(name).has_value();
    if (running.catalog->sources[running.source].topic != mine.topic || running.ended()) continue;
    if (goes || !all_views) return running.threads.get();
  }
  return nullptr;
}

Status SourceSet::NoteKeeps(const std::vector<uint32_t>& views) {
  for (const uint32_t v : views) {
    const FeatureView& view = next_->views[v];
    RETURN_IF_ERROR(store_.OpenView(StoreView::Of(view)).status());
  }
  return OkStatus();
}

Status SourceSet::Build(uint32_t source, const std::vector<uint32_t>& views, double share) {
  RETURN_IF_ERROR(NoteKeeps(views));
  const bool all_views = views.size() == ViewsOf(*next_, source).size();
  if (SourceThreads* live = LoopToFollow(source, all_views)) {
    return Follow(source, views, *live, share);
  }
  if (!all_views) return OkStatus();  // from the switch on, with what another loop feeds till then
  ASSIGN_OR_RETURN(begun_[next_->sources[source].name],
                   StartLive(next_, source, std::make_shared<BuildGate>()));
  return OkStatus();
}

Status SourceSet::Prepare(std::shared_ptr<const Catalog> next, double share) {
  const std::lock_guard lock(mutex_);
  GiveUpLocked();
  next_ = std::move(next);
  // Fed by a loop that runs: nobody else may. (A view's source may have another name now.)
  std::set<uint32_t> fed;
  for (const auto& [name, running] : running_) {
    if (running.ended()) continue;
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
    // One that stopped for good is begun anew: at the switch, which nothing of it holds back, or now, where views are to be built.
    const auto running = running_.find(next_->sources[s].name);
    if (running != running_.end() && running->second.ended()) {
      const bool alike = ReadsAlike(*running->second.catalog, running->second.source, *next_, s);
      const bool complete = std::all_of(views.begin(), views.end(), [this](uint32_t v) {
        return store_.IsComplete(ViewId{next_->StoreView(v)});
      });
      if (alike || complete) continue;
    }
    RETURN_IF_ERROR(Build(s, to_build, share));
  }
  return OkStatus();
}

bool SourceSet::Prepared() const {
  const std::lock_guard lock(mutex_);
  if (next_ == nullptr) return false;
  return std::all_of(begun_.begin(), begun_.end(),
                     [](const auto& one) { return one.second.gate->reached.load(); }) &&
         std::all_of(handovers_.begin(), handovers_.end(),
                     [](const auto& handover) { return handover->near(); });
}

Status SourceSet::Switch() {
  const std::lock_guard lock(mutex_);
  for (auto& [name, follow] : follow_) follow.threads->RequestStop();
  follow_.clear();  // joins
  for (const auto& handover : handovers_) handover->Abandon();
  handovers_.clear();
  std::vector<std::shared_ptr<BuildGate>> gates;
  for (auto& [name, begun] : begun_) {
    gates.push_back(begun.gate);
    running_.erase(name);  // one that stopped for good
    running_.emplace(name, std::move(begun));
  }
  begun_.clear();

  std::vector<uint32_t> to_begin;
  std::set<std::string> read, kept;
  for (uint32_t s = 0; s < next_->sources.size(); ++s) {
    if (ViewsOf(*next_, s).empty()) continue;
    read.insert(next_->sources[s].name);
    const auto running = running_.find(next_->sources[s].name);
    if (running != running_.end() && !running->second.ended() &&
        ReadsAlike(*running->second.catalog, running->second.source, *next_, s)) {
      kept.insert(running->first);
    } else {
      to_begin.push_back(s);
    }
  }
  std::vector<Running> stopped;
  for (auto& [name, running] : running_) {
    if (kept.contains(name)) continue;
    running.threads->RequestStop();
    stopped.push_back(std::move(running));
  }
  std::erase_if(running_, [&](const auto& one) { return !kept.contains(one.first); });
  for (Running& one : stopped) {
    one.threads->Stop();
    if (!read.contains(one.catalog->sources[one.source].name)) one.threads->Forget();
  }
  stopped.clear();
  for (const auto& gate : gates) gate->may_complete = true;

  Status failed;
  for (const uint32_t s : to_begin) {
    if (const Status noted = NoteKeeps(ViewsOf(*next_, s)); !noted.ok() && failed.ok()) {
      failed = noted;
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
    for (auto& [name, one] : *group) one.threads->RequestStop();
    for (auto& [name, one] : *group) {
      one.threads->Stop();
      if (const auto running = running_.find(name); running == running_.end()) {
        one.threads->Forget();
      } else {
        running->second.threads->SayEnded();
      }
    }
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
