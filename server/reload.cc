#include "server/reload.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "featurestore/declare/catalog_change.h"

namespace freshet {
namespace {

constexpr std::chrono::milliseconds kPeriod{50};

std::vector<std::string> Texts(const std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string> texts;
  for (const Diagnostic& diagnostic : diagnostics) texts.push_back(ToString(diagnostic));
  return texts;
}

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : "; ") + line;
  return text;
}

}  // namespace

StatusOr<std::shared_ptr<const Catalog>> OpenViews(const Catalog& catalog, Store& store) {
  auto opened = std::make_shared<Catalog>(catalog);
  opened->store_views.clear();
  for (const FeatureView& view : catalog.views) {
    auto id = store.FindOpened(view.name, view.version);
    if (!id) {
      ASSIGN_OR_RETURN(id, store.OpenView(StoreView::Of(view)));
    }
    opened->store_views.push_back(id->index);
  }
  return opened;
}

Reloader::Reloader(Parts parts) : parts_(std::move(parts)) {
  serving_ = std::make_shared<const Catalog>(*parts_.served.catalog);
  parts_.serve(serving_);
  thread_ = std::thread([this] { Run(); });
}

Reloader::~Reloader() { Stop(); }

void Reloader::Stop() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

ReloadState Reloader::state() const {
  const std::lock_guard lock(mutex_);
  ReloadState state;
  state.served = served_;
  for (const auto* next : {&placed_, &building_}) {
    if (*next) state.waiting.push_back({(*next)->generation, (*next)->project.catalog});
  }
  return state;
}

ReloadOutcome Reloader::Reload() {
  const std::lock_guard one_at_a_time(reloading_);
  ReloadOutcome outcome;
  Project next = parts_.load();
  outcome.errors = Texts(next.errors);
  outcome.warnings = Texts(next.warnings);
  const auto refused = [&] {
    parts_.log.Error(
        "reload_refused",
        fmt::format("the declaration was read anew and is refused; the one before goes "
                    "on: {}",
                    Joined(outcome.errors)));
    return outcome;
  };
  if (next.catalog == nullptr) return refused();

  const std::lock_guard lock(mutex_);
  if (stopping_) {
    outcome.errors.emplace_back("the server is stopping");
    return refused();
  }
  CatalogChange change = CompareProjects(parts_.served, next);
  outcome.changes = change.lines;
  outcome.errors = std::move(change.refused);
  if (placed_) {
    for (std::string& refused_too : CompareProjects(placed_->project, next).refused) {
      if (std::find(outcome.errors.begin(), outcome.errors.end(), refused_too) ==
          outcome.errors.end()) {
        outcome.errors.push_back(std::move(refused_too));
      }
    }
  }
  if (!outcome.errors.empty()) return refused();
  auto opened = OpenViews(*next.catalog, parts_.store);
  Status ready = opened.status();
  if (ready.ok()) {
    next.catalog = *std::move(opened);
    ready = parts_.before(Together(*next.catalog));
  }
  if (ready.ok() && parts_.ingest != nullptr) ready = parts_.ingest->Prepare(next.catalog);
  if (building_) {
    parts_.log.Warn("reload_given_up",
                    "the declaration was read anew while views of the one before were built; those "
                    "are given up where they differ");
    building_.reset();
  }
  if (!ready.ok()) {
    if (parts_.ingest != nullptr) parts_.ingest->GiveUp();
    outcome.errors.emplace_back(MessageOf(ready));
    return refused();
  }
  building_ = Next{std::move(next), {}, ++generations_};
  // New ones, changed ones, and those whose rows of before are gone with what was put in place meanwhile.
  const Catalog& served = *parts_.served.catalog;
  const Catalog& catalog = *building_->project.catalog;
  for (uint32_t v = 0; v < catalog.views.size(); ++v) {
    const auto before = served.ViewIndex(catalog.views[v].name);
    if (before && served.StoreView(*before) == catalog.StoreView(v)) continue;
    building_->built.push_back(v);
    if (before && served.views[*before].version == catalog.views[v].version) {
      outcome.changes.push_back(
          fmt::format("feature view {}: rebuilt from its source's log; what was put in place "
                      "meanwhile has replaced its rows",
                      catalog.views[v].name));
    }
  }
  outcome.accepted = true;
  outcome.generation = generations_;
  Look();  // what needs no view to be built is served when this returns
  outcome.waits = served_ != outcome.generation;
  parts_.log.Info("reloading", outcome.changes.empty()
                                   ? "the declaration was read anew; no view, source or "
                                     "service comes or goes"
                                   : "the declaration was read anew: " + Joined(outcome.changes));
  return outcome;
}

// For who appends to logs and trims them.
Catalog Reloader::Together(const Catalog& next) const {
  Catalog all = next;
  std::vector<const Catalog*> others = {parts_.served.catalog.get()};
  if (placed_) others.push_back(placed_->project.catalog.get());
  for (const Catalog* other : others) {
    for (const Source& source : other->sources) {
      if (!all.SourceIndex(source.name)) all.sources.push_back(source);
    }
    for (FeatureView view : other->views) {
      view.source = *all.SourceIndex(other->sources[view.source].name);
      all.views.push_back(std::move(view));
    }
  }
  return all;
}

// Sources of what is served that its views are not read from any more once the loops run for `next`, or not they alone.
std::set<std::string> Reloader::ReadOtherwise(const Catalog& next) const {
  const Catalog& served = *parts_.served.catalog;
  std::set<std::string> sources;
  for (uint32_t s = 0; s < served.sources.size(); ++s) {
    const auto same = next.SourceIndex(served.sources[s].name);
    if (!same || !ReadsAlike(served, s, next, *same)) sources.insert(served.sources[s].name);
  }
  for (uint32_t v = 0; v < served.views.size(); ++v) {
    const auto same = next.ViewIndex(served.views[v].name);
    if (same && served.StoreView(v) == next.StoreView(*same)) continue;
    sources.insert(served.sources[served.views[v].source].name);
  }
  return sources;
}

void Reloader::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    Look();
    FreeReplaced();
    wake_.wait_for(lock, kPeriod, [this] { return stopping_; });
  }
}

bool Reloader::IsBuilt(const Next& next) const {
  return std::all_of(next.built.begin(), next.built.end(), [&](uint32_t v) {
    return parts_.store.IsComplete(ViewId{next.project.catalog->StoreView(v)});
  });
}

void Reloader::Look() {
  if (placed_ && IsBuilt(*placed_)) ServePlaced();
  if (!building_ || (parts_.ingest != nullptr && !parts_.ingest->Prepared())) return;
  parts_.hold(ReadOtherwise(*building_->project.catalog));
  if (parts_.ingest != nullptr) {
    const Status switched = parts_.ingest->Switch();
    if (!switched.ok()) parts_.log.Error("reload_failed", MessageOf(switched));
  }
  if (placed_) {
    parts_.log.Warn("reload_given_up",
                    "views of the declaration that was put in place before were never complete; "
                    "another takes its place");
  }
  placed_ = std::exchange(building_, std::nullopt);
  if (IsBuilt(*placed_)) ServePlaced();
}

void Reloader::ServePlaced() {
  const Next now = *std::exchange(placed_, std::nullopt);
  auto copy = std::make_shared<const Catalog>(*now.project.catalog);
  parts_.serve(copy);
  former_.push_back(serving_);
  serving_ = std::move(copy);
  parts_.served = now.project;
  served_ = now.generation;
  if (building_) {
    if (const Status known = parts_.before(Together(*building_->project.catalog)); !known.ok()) {
      parts_.log.Warn("reload_failed", MessageOf(known));
    }
  }
  // What a build that was given up left behind; not what is built now.
  const Catalog& catalog = *parts_.served.catalog;
  for (uint32_t v = 0; v < catalog.views.size(); ++v) {
    const ViewId id{catalog.StoreView(v)};
    if (!parts_.store.IsComplete(id)) continue;
    const Status tidied = building_ ? parts_.store.MarkComplete(id) : parts_.store.DropOthers(id);
    if (!tidied.ok()) {
      parts_.log.Warn("reload_failed", MessageOf(tidied), {{"view", catalog.views[v].name}});
    }
  }
  parts_.log.Info("reloaded", "the declaration that was read anew is served");
}

void Reloader::FreeReplaced() {
  // While another is built or put in place, rows of what is served may be replaced already.
  if (former_.empty() || building_ || placed_) return;
  if (!std::all_of(former_.begin(), former_.end(), [](const auto& one) { return one.expired(); })) {
    return;
  }
  former_.clear();
  if (const Status freed = parts_.store.CloseReplaced(); !freed.ok()) {
    parts_.log.Warn("reload_failed", MessageOf(freed));
  }
}

}  // namespace freshet
