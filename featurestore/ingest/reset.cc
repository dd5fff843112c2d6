#include "featurestore/ingest/reset.h"

#include <algorithm>
#include <set>

#include "featurestore/ingest/verify.h"
#include "featurestore/ingest/view_progress.h"

namespace freshet {
namespace {

using Findings = std::map<int32_t, PartitionFinding>;

struct ReadView {
  ViewId id;
  std::string name;
  PartitionProgress progress;  // of the incarnation that is read now
};

struct ReadLog {
  std::vector<Store::SourceLog> logs;  // all of the source
  Store::SourceLog* now = nullptr;     // in it
  std::vector<ReadView> views;

  uint32_t unused_incarnation() const {
    uint32_t unused = 0;
    for (const Store::SourceLog& log : logs) unused = std::max(unused, log.incarnation + 1);
    return unused;
  }
};

StatusOr<ReadLog> ReadWhatWasRead(const Catalog& catalog, uint32_t source,
                                  const std::string& log_id, const Store& store) {
  const Source& declared = catalog.sources[source];
  ReadLog read;
  ASSIGN_OR_RETURN(auto all, store.ReadLogs());
  read.logs = std::move(all[declared.name]);
  for (Store::SourceLog& log : read.logs) {
    if (log.topic == declared.topic && log.log_id == log_id) read.now = &log;
  }
  if (read.now == nullptr) {
    return FailedPrecondition(
        "source {} has read nothing of topic {} yet: there is nothing to reset; a start reads it "
        "from its beginning",
        declared.name, declared.topic);
  }
  for (uint32_t v = 0; v < catalog.views.size(); ++v) {
    if (catalog.views[v].source != source) continue;
    ReadView view{ViewId{v}, catalog.views[v].name, {}};
    ASSIGN_OR_RETURN(view.progress, store.ReadProgress(view.id));
    std::erase_if(view.progress, [&](const auto& progress) {
      return progress.second.incarnation != read.now->incarnation;
    });
    if (!view.progress.empty()) read.views.push_back(std::move(view));
  }
  return read;
}

// How a view that is furthest on sees the log: those behind have passed less of it.
StatusOr<Findings> Examine(const ReadLog& read, int32_t partitions, LogSource& log) {
  PartitionProgress furthest;
  for (const ReadView& view : read.views) {
    for (const auto& [partition, progress] : view.progress) {
      const auto [it, added] = furthest.emplace(partition, progress);
      if (!added && it->second.next < progress.next) it->second = progress;
    }
  }
  Findings gone;
  for (const auto& [partition, progress] : furthest) {
    // Partitions are never taken away.
    if (partition >= partitions) gone[partition] = {LogFinding::kAnother, {}};
  }
  for (const auto& [partition, found] : gone) furthest.erase(partition);
  ASSIGN_OR_RETURN(Findings findings, ExamineLog(log, furthest));
  findings.merge(gone);
  return findings;
}

bool Has(const Findings& findings, LogFinding finding) {
  return std::any_of(findings.begin(), findings.end(),
                     [&](const auto& found) { return found.second.finding == finding; });
}

// What speaks against this being the log that was read: a list.
std::string Doubts(const Findings& findings, int32_t partitions) {
  std::string doubts;
  for (const auto& [partition, found] : findings) {
    const char* const comma = doubts.empty() ? "" : ", ";
    if (partition >= partitions) {
      doubts += fmt::format("{}partition {} is gone", comma, partition);
    } else if (found.finding == LogFinding::kShorter) {
      doubts += fmt::format("{}partition {} ends at offset {}", comma, partition, found.bounds.end);
    } else if (found.finding == LogFinding::kAnother) {
      doubts += fmt::format("{}partition {} holds another record where the last one was", comma,
                            partition);
    }
  }
  return doubts;
}

// What is done about the findings; none: records were lost, of the log that was read. `partitions`: of the topic now.
StatusOr<std::optional<LogChange>> Decide(const std::string& topic, const Findings& findings,
                                          int32_t partitions, std::optional<LogChange> said) {
  const bool another = Has(findings, LogFinding::kAnother);
  const bool shorter = Has(findings, LogFinding::kShorter);
  const bool same = Has(findings, LogFinding::kSame);
  // Which only a topic has that was made anew.
  const bool partitions_gone = !findings.empty() && findings.rbegin()->first >= partitions;
  if (!another && !shorter) {
    if (!Has(findings, LogFinding::kLost)) {
      return FailedPrecondition(
          "topic {} holds what comes next in every partition: there is nothing to reset. To build "
          "a view anew from what the topic holds: freshet reset-view",
          topic);
    }
    if (said) {
      return FailedPrecondition(
          "topic {} has lost records of its beginning and is the one that was read so far: leave "
          "--log out",
          topic);
    }
    return std::optional<LogChange>();
  }
  if (another && same) {
    return FailedPrecondition(
        "topic {} holds what was read in some partitions, and not in others ({}): its end was lost "
        "and written again. No offset says where to go on; build its views anew from what it "
        "holds: freshet reset-view",
        topic, Doubts(findings, partitions));
  }
  if (said == LogChange::kTruncated && another) {
    return FailedPrecondition(
        "topic {} does not only lack its end ({}): where it was made anew, say --log new; where "
        "its end was written again, build its views anew from what it holds: freshet reset-view",
        topic, Doubts(findings, partitions));
  }
  if (said == LogChange::kNew && same) {
    return FailedPrecondition(
        "topic {} still holds records that were read, so that it was not made anew, and what it "
        "holds would count twice; say --log truncated",
        topic);
  }
  // Times would not tell either: who produces sets them, and may send what is old.
  if (!said && another && !partitions_gone) {
    return FailedPrecondition(
        "topic {} holds other records than were read of it ({}), which does not tell what became "
        "of it. Where it was made anew, say --log new: it is read whole. Where its end was lost "
        "and written again, no offset says where to go on; build its views anew from what it "
        "holds: freshet reset-view",
        topic, Doubts(findings, partitions));
  }
  if (!said && !another) {
    return FailedPrecondition(
        "topic {} holds less than was read of it ({}). Say what became of it: --log new, it was "
        "made anew, and is read whole; or --log truncated, it lost its end, and reading goes on at "
        "the end that it has now (rows keep what it lost){}",
        topic, Doubts(findings, partitions),
        same ? "; other partitions still hold what was read, so that it is the second" : "");
  }
  return said ? said : LogChange::kNew;
}

// Partitions in which the log has lost records that a view has read, if only behind those of the views that are further: what stands
// in their place is not told from what the view has read.
StatusOr<std::set<int32_t>> LostEnds(const ReadView& view, const Findings& findings,
                                     LogSource& log) {
  std::set<int32_t> lost;
  ASSIGN_OR_RETURN(const Findings own, ExamineLog(log, view.progress));
  for (const auto& [partition, found] : own) {
    if (found.finding == LogFinding::kShorter || found.finding == LogFinding::kAnother ||
        view.progress.at(partition).next > findings.at(partition).bounds.end) {
      lost.insert(partition);
    }
  }
  return lost;
}

// Under the new incarnation of a log that lost its end, whoever is not told where to go on begins at the log's start, on rows that hold
// most of it already. Which log rows are of is known of the declared versions alone: the folder must not hold others. Of builds that
// were given up nothing is kept.
Status CheckOtherVersions(const Catalog& catalog, Store& store) {
  const auto unopened = store.UnopenedViews();
  if (!unopened.empty()) {
    return FailedPrecondition(
        "the data folder holds view {}, which is not declared: it would count twice what is left "
        "of the log, once it is declared again. Declare it for now, or forget its rows (freshet "
        "reset-view), and reset the source then",
        unopened.front());
  }
  std::vector<ViewId> complete;
  for (uint32_t v = 0; v < catalog.views.size(); ++v) {
    const FeatureView& view = catalog.views[v];
    if (store.IsComplete({v})) {
      complete.push_back({v});
      continue;
    }
    for (const std::string& other : store.VersionsOf(view.name)) {
      if (other == view.version) continue;
      return FailedPrecondition(
          "the data folder holds version {} of view {} beside the one that is declared ({}), which "
          "is not built yet: the former would count twice what is left of the log, once it is "
          "declared again. Declare it as it was, or have the view built anew from what the log "
          "holds (freshet reset-view), and reset the source then",
          other, view.name, view.version);
    }
  }
  for (const ViewId view : complete) RETURN_IF_ERROR(store.MarkComplete(view));
  return OkStatus();
}

}  // namespace

StatusOr<ResetReport> ResetSource(const Catalog& catalog, uint32_t source,
                                  const std::string& log_id, std::optional<LogChange> change,
                                  LogSource& log, Store& store) {
  const Source& declared = catalog.sources[source];
  ASSIGN_OR_RETURN(ReadLog read, ReadWhatWasRead(catalog, source, log_id, store));
  ASSIGN_OR_RETURN(const int32_t partitions, log.Partitions());
  ASSIGN_OR_RETURN(const Findings findings, Examine(read, partitions, log));
  ASSIGN_OR_RETURN(const std::optional<LogChange> decided,
                   Decide(declared.topic, findings, partitions, change));

  if (decided == LogChange::kTruncated) RETURN_IF_ERROR(CheckOtherVersions(catalog, store));

  ResetReport report;
  // Offsets of a log that was made anew, and those of an end that was written again, are no longer those that were read: under a new
  // incarnation dead letters, refusals and ties do not mistake one for the other.
  const uint32_t incarnation = decided ? read.unused_incarnation() : read.now->incarnation;
  Commit commit(store);
  bool incomplete = false;
  for (const ReadView& view : read.views) {
    std::set<int32_t> lost_ends;
    if (decided == LogChange::kTruncated) {
      ASSIGN_OR_RETURN(lost_ends, LostEnds(view, findings, log));
    }
    // What is missing from rows stays so, whichever partition it came by.
    std::optional<Timestamp> gone_since;
    for (const auto& [partition, before] : view.progress) {
      if (partition < partitions) continue;
      commit.Forget(view.id, partition);
      gone_since = std::max(gone_since, before.complete_since);
    }
    for (const auto& [partition, before] : view.progress) {
      if (partition >= partitions) continue;
      const PartitionFinding& found = findings.at(partition);
      Progress after = before;
      if (decided == LogChange::kNew) {
        after = BeginProgress(incarnation, found.bounds.start, &before);
        NoteLoss(after);  // how much of the old log was never read, nobody knows
      } else {
        after.incarnation = incarnation;
        if (lost_ends.contains(partition)) {
          after.next = found.bounds.end;
          after.last.reset();
          NoteLoss(after);  // of what was written in place of the end, nothing is read
        } else if (before.next < found.bounds.start) {
          after.next = found.bounds.start;
          NoteLoss(after);
        }
      }
      after.complete_since = std::max(after.complete_since, gone_since);
      incomplete |= after.awaits_complete_since;
      commit.Advance(view.id, partition, after);
    }
  }
  if (decided) {
    read.now->incarnation = incarnation;
    commit.PutLogs(declared.name, read.logs);
  }
  RETURN_IF_ERROR(commit.Apply());
  RETURN_IF_ERROR(store.Flush());

  for (const auto& [partition, found] : findings) {
    const auto& [start, end] = found.bounds;
    report.partitions.push_back(
        partition >= partitions
            ? fmt::format("partition {} is not in the topic any more", partition)
        : decided == LogChange::kNew
            ? fmt::format("partition {} is read from offset {}, the start of the new log",
                          partition, start)
        : found.finding == LogFinding::kShorter
            ? fmt::format("partition {} goes on at offset {}, the end that it has now; rows keep "
                          "what was read behind it, and what was written since it lost its end is "
                          "not read",
                          partition, end)
        : found.finding == LogFinding::kLost
            ? fmt::format(
                  "partition {} goes on at offset {}, the log's start; what came before and "
                  "was not read yet is lost",
                  partition, start)
            : fmt::format("partition {} goes on where it was", partition));
  }
  report.completeness =
      incomplete ? "complete_since of the source's views rises to the first event that is read now"
                 : "complete_since stays as it was";
  return report;
}

StatusOr<std::optional<std::string>> MissingBeginning(const std::string& topic, LogSource& log) {
  ASSIGN_OR_RETURN(const int32_t partitions, log.Partitions());
  std::string where;
  for (int32_t p = 0; p < partitions; ++p) {
    ASSIGN_OR_RETURN(const LogBounds bounds, log.Bounds(p));
    if (bounds.start == 0) continue;
    where += fmt::format("{}partition {} begins at offset {}", where.empty() ? "" : ", ", p,
                         bounds.start);
  }
  if (where.empty()) return std::optional<std::string>();
  return std::optional<std::string>(
      fmt::format("topic {} has lost its beginning: {}. A view that is built anew lacks what came "
                  "before, which its rows may hold now",
                  topic, where));
}

}  // namespace freshet
