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
      ASSIGN_OR_RETURN(id,
                       store.OpenView({view.name, view.version, view.keep(), view.keep_deleted()}));
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

std::shared_ptr<const Catalog> Reloader::next() const {
  const std::lock_guard lock(mutex_);
  return phase_ == Phase::kIdle ? nullptr : next_.catalog;
}

std::shared_ptr<const Catalog> Reloader::served() const {
  const std::lock_guard lock(mutex_);
  return parts_.served.catalog;
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
  if (phase_ == Phase::kSwitching) {
    outcome.errors.emplace_back(
        "the reload before this one is being put in place right now; reload again in a moment");
    return refused();
  }
  CatalogChange change = CompareProjects(parts_.served, next);
  outcome.changes = change.lines;
  outcome.errors = std::move(change.refused);
  if (!outcome.errors.empty()) return refused();
  auto opened = OpenViews(*next.catalog, parts_.store);
  Status ready = opened.status();
  if (ready.ok()) {
    next.catalog = *std::move(opened);
    ready = parts_.before(*next.catalog);
  }
  if (ready.ok() && parts_.ingest != nullptr) ready = parts_.ingest->Prepare(next.catalog);
  if (!ready.ok()) {
    if (parts_.ingest != nullptr) parts_.ingest->GiveUp();
    phase_ = Phase::kIdle;
    outcome.errors.emplace_back(MessageOf(ready));
    return refused();
  }
  if (phase_ == Phase::kBuilding) {
    parts_.log.Warn("reload_given_up",
                    "the declaration was read anew while views of the one before were built; those "
                    "are given up where they differ");
  }
  next_ = std::move(next);
  built_ = change.built;
  phase_ = Phase::kBuilding;
  outcome.accepted = true;
  Look();  // what needs no view to be built is served when this returns
  outcome.waits = phase_ != Phase::kIdle;
  parts_.log.Info("reloading", outcome.changes.empty()
                                   ? "the declaration was read anew; no view, source or "
                                     "service comes or goes"
                                   : "the declaration was read anew: " + Joined(outcome.changes));
  return outcome;
}

void Reloader::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    Look();
    FreeReplaced();
    wake_.wait_for(lock, kPeriod, [this] { return stopping_; });
  }
}

void Reloader::Look() {
  if (phase_ == Phase::kBuilding && (parts_.ingest == nullptr || parts_.ingest->Prepared())) {
    phase_ = Phase::kSwitching;
    if (parts_.ingest != nullptr) {
      const Status switched = parts_.ingest->Switch();
      if (!switched.ok()) parts_.log.Error("reload_failed", MessageOf(switched));
    }
  }
  if (phase_ != Phase::kSwitching) return;
  const bool complete =
      parts_.ingest == nullptr || std::all_of(built_.begin(), built_.end(), [&](uint32_t v) {
        return parts_.store.IsComplete(ViewId{next_.catalog->StoreView(v)});
      });
  if (complete) ServeNext();
}

void Reloader::ServeNext() {
  auto copy = std::make_shared<const Catalog>(*next_.catalog);
  parts_.serve(copy);
  former_.push_back(serving_);
  serving_ = std::move(copy);
  parts_.served = std::move(next_);
  next_ = {};
  phase_ = Phase::kIdle;
  // What a build that was given up left behind.
  const Catalog& catalog = *parts_.served.catalog;
  for (uint32_t v = 0; v < catalog.views.size(); ++v) {
    const ViewId id{catalog.StoreView(v)};
    if (!parts_.store.IsComplete(id)) continue;
    if (const Status tidied = parts_.store.MarkComplete(id); !tidied.ok()) {
      parts_.log.Warn("reload_failed", MessageOf(tidied), {{"view", catalog.views[v].name}});
    }
  }
  parts_.log.Info("reloaded", "the declaration that was read anew is served");
}

void Reloader::FreeReplaced() {
  // While one is put in place, what it replaces is served still.
  if (former_.empty() || phase_ == Phase::kSwitching) return;
  if (!std::all_of(former_.begin(), former_.end(), [](const auto& one) { return one.expired(); })) {
    return;
  }
  former_.clear();
  if (const Status freed = parts_.store.CloseReplaced(); !freed.ok()) {
    parts_.log.Warn("reload_failed", MessageOf(freed));
  }
}

}  // namespace freshet
