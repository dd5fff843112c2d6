#include "featurestore/ingest/in_process.h"

#include <array>

namespace freshet {
namespace {

constexpr std::array<std::string_view, 5> kReasons = {"malformed", "mistyped", "incomplete",
                                                      "future", "no_key"};
// After so many steps without a record nothing more comes: ends are said in one, expiry bounds are raised in another.
constexpr int kIdleSteps = 3;

Status StatusOf(const Source& source, const StepResult& step) {
  if (!step.ok()) return step.status;
  switch (step.kind) {
    case StepKind::kOutboxFull:
      return FailedPrecondition("source {}: too many dead letters to keep", source.name);
    case StepKind::kStopped:
      return Internal("source {}: the loop stopped", source.name);
    default:
      return OkStatus();
  }
}

}  // namespace

StatusOr<std::unique_ptr<InProcessIngest>> InProcessIngest::Start(
    const Catalog& catalog, const std::map<uint32_t, std::shared_ptr<MemoryLog>>& logs,
    Store& store, const Clock& clock, PollLimits limits) {
  std::unique_ptr<InProcessIngest> ingest(new InProcessIngest());
  for (uint32_t s = 0; s < catalog.sources.size(); ++s) {
    const Source& source = catalog.sources[s];
    std::vector<ProcessorView> views;
    std::vector<std::string> names;
    for (uint32_t v = 0; v < catalog.views.size(); ++v) {
      if (catalog.views[v].source != s) continue;
      views.push_back({ViewId{v}, catalog.layouts[v].get()});
      names.push_back(catalog.views[v].name);
    }
    if (views.empty()) continue;  // nothing would be kept of it
    SourceMetrics& metrics = ingest->metrics_.Source(source.name, names, kReasons);
    ingest->contexts_.push_back(std::unique_ptr<LoopContext>(
        new LoopContext{.source = source,
                        .views = std::move(views),
                        .derived = catalog.derived[s].get(),
                        .event_time_clock = catalog.clock == ClockKind::kEventTime,
                        .store = store,
                        .clock = clock,
                        .metrics = metrics,
                        .all_metrics = ingest->metrics_,
                        .log = *ingest->log_}));
    ingest->loops_.push_back(std::make_unique<LiveLoop>(
        *ingest->contexts_.back(), std::make_unique<MemoryLogSource>(logs.at(s)), limits));
    RETURN_IF_ERROR(StatusOf(source, ingest->loops_.back()->Begin()));
    if (!ingest->loops_.back()->TakePasses().empty()) {
      return Internal("source {}: a view would have to be rebuilt", source.name);
    }
  }
  return ingest;
}

Status InProcessIngest::ReadAll() {
  for (size_t i = 0; i < loops_.size(); ++i) {
    for (int idle = 0; idle < kIdleSteps;) {
      const StepResult step = loops_[i]->Step();
      RETURN_IF_ERROR(StatusOf(contexts_[i]->source, step));
      idle = step.kind == StepKind::kRead ? 0 : idle + 1;
    }
  }
  return OkStatus();
}

}  // namespace freshet
