#include "featurestore/ingest/source_plan.h"

#include <algorithm>
#include <optional>
#include <set>

namespace freshet {
namespace {

// A view that is built from a log whose first records are gone has values of a part of its events only.
void WarnOfMissingBeginning(const LoopContext& context, const LoopView& view) {
  for (const auto& [partition, progress] : view.progress) {
    if (progress.next == 0) continue;
    context.log.Warn(
        "log_begins_late",
        fmt::format("topic {}, partition {} begins at offset {}: what came before is gone, and the "
                    "view lacks it (complete_since says from when on it is whole); raise the "
                    "topic's retention where its windows need more",
                    context.source.topic, partition, progress.next),
        {{"view", view.layout->view().name}, {"source", context.source.name}});
    return;
  }
}

StatusOr<LoopView> PlanView(const LoopContext& context, const ProcessorView& declared,
                            uint32_t incarnation, const std::map<int32_t, LogBounds>& bounds) {
  ASSIGN_OR_RETURN(const PartitionProgress stored, context.store.ReadProgress(declared.id));
  LoopView view;
  view.id = declared.id;
  view.layout = declared.layout;
  ASSIGN_OR_RETURN(view.producers, context.store.ReadProducers(declared.id));
  view.progress = stored;
  RenewIncarnation(incarnation, bounds, view);
  const PartitionProgress known = view.progress;
  AddNewPartitions(incarnation, bounds, view);
  if (known.empty()) WarnOfMissingBeginning(context, view);
  for (const auto& [partition, b] : bounds) {
    view.ends_at_start[partition] = b.end;
    view.log_start[partition] = b.start;
  }
  if (!context.store.IsComplete(declared.id)) view.complete_at = view.ends_at_start;
  return view;
}

// Of a source whose name is new: its views may not be. Their progress says which log they have read; where another name read the
// same log, it is that one, and what was refused of it under that name is refused under this one too: the rows lack it. Else one that
// none of them has read.
StatusOr<uint32_t> IncarnationOfRenamed(
    const LoopContext& context, const std::map<std::string, std::vector<Store::SourceLog>>& logs) {
  std::set<uint32_t> passed;
  for (const ProcessorView& view : context.views) {
    ASSIGN_OR_RETURN(const PartitionProgress stored, context.store.ReadProgress(view.id));
    for (const auto& [partition, progress] : stored) passed.insert(progress.incarnation);
  }
  std::optional<uint32_t> of_log;
  for (const auto& [name, read] : logs) {
    const auto* const known = FindSourceLog(read, context.source.topic, context.log_id);
    if (known == nullptr || (of_log && *of_log != known->incarnation)) continue;
    of_log = known->incarnation;
    // A source that is new, views and all, judges a log by its own clock, whoever reads it beside it.
    if (!passed.contains(*of_log)) continue;
    RETURN_IF_ERROR(context.store.CopyRefusals(name, context.source.name, *of_log));
  }
  if (of_log) return *of_log;
  return passed.empty() ? 0 : *passed.rbegin() + 1;
}

int64_t Passed(const PartitionProgress& progress) {
  int64_t sum = 0;
  for (const auto& [partition, p] : progress) sum += p.next;
  return sum;
}

}  // namespace

const Store::SourceLog* FindSourceLog(const std::vector<Store::SourceLog>& logs,
                                      std::string_view topic, std::string_view log_id) {
  const auto found = std::find_if(logs.begin(), logs.end(), [&](const Store::SourceLog& log) {
    return log.topic == topic && log.log_id == log_id;
  });
  return found == logs.end() ? nullptr : &*found;
}

StatusOr<uint32_t> FindIncarnation(const LoopContext& context) {
  const std::string& topic = context.source.topic;
  ASSIGN_OR_RETURN(auto all, context.store.ReadLogs());
  std::vector<Store::SourceLog>& mine = all[context.source.name];
  if (const auto* const known = FindSourceLog(mine, topic, context.log_id)) {
    return known->incarnation;
  }
  Store::SourceLog log{0, context.log_id, topic};
  for (const Store::SourceLog& other : mine)
    log.incarnation = std::max(log.incarnation, other.incarnation + 1);
  if (mine.empty()) {
    ASSIGN_OR_RETURN(log.incarnation, IncarnationOfRenamed(context, all));
  }
  std::erase_if(mine, [&](const Store::SourceLog& other) { return other.topic == topic; });
  mine.push_back(log);
  RETURN_IF_ERROR(context.store.WriteLogs(context.source.name, mine));
  return log.incarnation;
}

void RenewIncarnation(uint32_t incarnation, const std::map<int32_t, LogBounds>& bounds,
                      LoopView& view) {
  for (auto at = view.progress.begin(); at != view.progress.end();) {
    auto& [partition, progress] = *at;
    const auto found = bounds.find(partition);
    if (progress.incarnation == incarnation) {
      ++at;
    } else if (found == bounds.end()) {
      at = view.progress.erase(at);
    } else {
      progress = BeginProgress(incarnation, found->second.start, &progress);
      ++at;
    }
  }
}

bool AddNewPartitions(uint32_t incarnation, const std::map<int32_t, LogBounds>& bounds,
                      LoopView& view) {
  const bool view_is_new = view.progress.empty();
  // A partition that appeared later has no earlier records that the view could have missed.
  const Progress nothing_before;
  bool added = false;
  for (const auto& [partition, b] : bounds) {
    if (view.progress.contains(partition)) continue;
    view.progress[partition] =
        BeginProgress(incarnation, b.start, view_is_new ? nullptr : &nothing_before);
    added = true;
  }
  return added;
}

StatusOr<SourcePlan> PlanSource(const LoopContext& context, uint32_t incarnation,
                                const std::map<int32_t, LogBounds>& bounds) {
  SourcePlan plan;
  std::map<Positions, std::vector<LoopView>> groups;
  for (const ProcessorView& declared : context.views) {
    ASSIGN_OR_RETURN(LoopView planned, PlanView(context, declared, incarnation, bounds));
    plan.stop = PartitionsGone(context.source.topic, planned.progress, bounds);
    if (!plan.stop.ok()) return plan;
    groups[PositionsOf(planned.progress)].push_back(std::move(planned));
  }
  const auto furthest =
      std::max_element(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
        return Passed(a.second.front().progress) < Passed(b.second.front().progress);
      });
  for (auto group = groups.begin(); group != groups.end(); ++group) {
    if (group == furthest) {
      plan.live = std::move(group->second);
    } else {
      plan.behind.push_back(std::move(group->second));
    }
  }
  return plan;
}

}  // namespace freshet
