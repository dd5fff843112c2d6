#include "server/readiness.h"

#include <utility>

namespace freshet {

Readiness::Readiness(const Catalog& catalog, const Clock& clock)
    : catalog_(catalog), clock_(clock), started_(clock.Now()) {}

void Readiness::StoreOpened(Store& store) {
  std::lock_guard lock(mutex_);
  store_ = &store;
  for (uint32_t view = 0; view < current().views.size(); ++view) {
    had_data_ = had_data_ || store.IsComplete(ViewId{current().StoreView(view)});
  }
  FindRequired();
}

void Readiness::Served(std::shared_ptr<const Catalog> catalog) {
  std::lock_guard lock(mutex_);
  served_ = std::move(catalog);
  FindRequired();
}

void Readiness::FindRequired() {
  required_.clear();
  required_sources_.clear();
  for (uint32_t view = 0; view < current().views.size(); ++view) {
    // A first start, or one where every view is new: a server that can answer nothing takes no traffic.
    if (had_data_ && !store_->IsComplete(ViewId{current().StoreView(view)})) continue;
    required_.push_back(view);
    required_sources_.insert(current().views[view].source);
  }
}

void Readiness::Reads(const std::vector<Source>& sources) {
  std::lock_guard lock(mutex_);
  also_read_.clear();
  for (const Source& source : sources) also_read_.insert(source.name);
}

void Readiness::Stopping() {
  std::lock_guard lock(mutex_);
  stopping_ = true;
}

bool Readiness::ready() const {
  for (const ReadinessCondition& condition : Conditions()) {
    if (!condition.met) return false;
  }
  return true;
}

std::vector<ReadinessCondition> Readiness::Conditions() const {
  std::lock_guard lock(mutex_);
  return {
      {"store", store_ != nullptr, store_ != nullptr ? "open" : "opening " + catalog_.storage.path},
      CaughtUp(),
      Ingesting(),
      {"accepting", !stopping_,
       stopping_ ? "stopping: calls in hand end, new ones are refused" : "yes"},
  };
}

ReadinessCondition Readiness::CaughtUp() const {
  if (!latched_.empty()) return {"caught_up", true, latched_};
  if (store_ == nullptr) return {"caught_up", false, "the store is not open yet"};

  const bool give_up =
      had_data_ && clock_.Now() - started_ >= catalog_.server.readiness_give_up_after;
  std::string waiting_for;
  std::string given_up_on;
  const auto add = [](std::string& list, const std::string& what) {
    if (!list.empty()) list += "; ";
    list += what;
  };
  std::set<uint32_t> behind;
  for (const uint32_t source : required_sources_) {
    if (store_->source_status(current().sources[source].name).caught_up_once.load()) continue;
    behind.insert(source);
    const Waiting waiting = WaitingForSource(source, give_up);
    add(waiting.over ? given_up_on : waiting_for, waiting.detail);
  }
  for (const uint32_t view : required_) {
    // Views that were complete stay so; at a first start each is complete once it has read its source's log to the end. One that
    // was complete and stands behind the others of its source is read by a pass of its own.
    const ViewStatus& status = store_->view_status(ViewId{current().StoreView(view)});
    if (status.complete.load() &&
        (status.caught_up.load() || behind.contains(current().views[view].source))) {
      continue;
    }
    add(waiting_for, fmt::format("view {} has not read all of its source's log yet",
                                 current().views[view].name));
  }
  if (!waiting_for.empty()) return {"caught_up", false, waiting_for};
  latched_ =
      given_up_on.empty()
          ? "reached the logs' ends as they were at start"
          : fmt::format("serving what is stored, given up after {}: {}",
                        FormatDuration(catalog_.server.readiness_give_up_after), given_up_on);
  return {"caught_up", true, latched_};
}

ReadinessCondition Readiness::Ingesting() const {
  std::string standing;
  std::set<std::string> names = also_read_;
  for (const Source& source : current().sources) names.insert(source.name);
  for (const std::string& name : names) {
    if (store_ == nullptr) break;
    const auto [reason, detail] = store_->source_status(name).paused();
    if (reason.empty()) continue;
    if (!standing.empty()) standing += "; ";
    standing += fmt::format("source {} stands still ({}): {}", name, reason, detail);
  }
  return {"ingesting", true, standing.empty() ? "no source stands still" : standing};
}

// Only what stands still is given up on: a source that moves will get there, and its values are older than its peers' until then.
Readiness::Waiting Readiness::WaitingForSource(uint32_t source, bool give_up) const {
  const std::string& name = current().sources[source].name;
  SourceStatus& status = store_->source_status(name);
  if (const auto [reason, detail] = status.paused(); !reason.empty()) {
    return {give_up, fmt::format("source {} stands still ({}): {}", name, reason, detail)};
  }
  const auto partitions = status.partitions();
  int64_t behind = 0;
  bool end_known = !partitions.empty();
  for (const auto& [partition, at] : partitions) {
    end_known = end_known && at.log_end.has_value();
    if (at.log_end.has_value()) behind += std::max<int64_t>(0, *at.log_end - at.next);
  }
  if (!end_known)
    return {give_up, fmt::format("source {}: the broker has not told its log's end yet", name)};
  return {false, fmt::format("source {} is {} records behind", name, behind)};
}

}  // namespace freshet
