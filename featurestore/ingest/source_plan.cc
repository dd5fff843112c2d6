#include "featurestore/ingest/source_plan.h"

#include <algorithm>
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

// The incarnations of logs that the views of a source have read of.
StatusOr<std::set<uint32_t>> PassedBy(const LoopContext& context) {
  std::set<uint32_t> passed;
  for (const ProcessorView& view : context.views) {
    ASSIGN_OR_RETURN(const PartitionProgress stored, context.store.ReadProgress(view.id));
    for (const auto& [partition, progress] : stored) passed.insert(progress.incarnation);
  }
  return passed;
}

using LogsBySource = std::map<std::string, std::vector<Store::SourceLog>>;

// Of a log that this source has not read under its name: its views may have, under another one, as their progress tells. Then it is
// that one's incarnation. Else one that neither the source nor its views know.
uint32_t IncarnationOfUnread(const LoopContext& context, const LogsBySource& logs,
                             const std::set<uint32_t>& passed) {
  std::set<uint32_t> of_others;  // of this log, under other names
  uint32_t unread = passed.empty() ? 0 : *passed.rbegin() + 1;
  std::set<uint32_t> mine;  // of other logs
  for (const auto& [name, read] : logs) {
    if (name != context.source.name) {
      const auto* const known = FindSourceLog(read, context.source.topic, context.log_id);
      if (known != nullptr) of_others.insert(known->incarnation);
      continue;
    }
    for (const Store::SourceLog& log : read) {
      mine.insert(log.incarnation);
      unread = std::max(unread, log.incarnation + 1);
    }
  }
  for (const uint32_t incarnation : of_others) {
    if (passed.contains(incarnation) && !mine.contains(incarnation)) return incarnation;
  }
  // A source that is new, views and all, may count a log as who reads it beside it does.
  if (passed.empty() && mine.empty() && !of_others.empty()) return *of_others.begin();
  return unread;
}

// What was refused of this log under other names, where rows lack it: those of views that read it then and are this source's now. A
// source that is declared beside this one has rows of its own, unless this one's name is new.
Status TakeOverRefusals(const LoopContext& context, const LogsBySource& logs, uint32_t incarnation,
                        bool is_new, const std::set<uint32_t>& passed) {
  if (!passed.contains(incarnation)) return OkStatus();
  for (const auto& [name, read] : logs) {
    if (name == context.source.name || (!is_new && context.declared.contains(name))) continue;
    const auto* const known = FindSourceLog(read, context.source.topic, context.log_id);
    if (known == nullptr || known->incarnation != incarnation) continue;
    RETURN_IF_ERROR(context.store.CopyRefusals(name, context.source.name, incarnation));
  }
  return OkStatus();
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
  ASSIGN_OR_RETURN(const std::set<uint32_t> passed, PassedBy(context));
  std::vector<Store::SourceLog>& mine = all[context.source.name];
  if (const auto* const known = FindSourceLog(mine, topic, context.log_id)) {
    RETURN_IF_ERROR(TakeOverRefusals(context, all, known->incarnation, /*is_new=*/false, passed));
    return known->incarnation;
  }
  const Store::SourceLog log{IncarnationOfUnread(context, all, passed), context.log_id, topic};
  RETURN_IF_ERROR(TakeOverRefusals(context, all, log.incarnation, /*is_new=*/true, passed));
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
