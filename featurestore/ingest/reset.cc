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
  Store::SourceLog* now = nullptr;     // in it; none: nothing was read of it
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
  if (read.now == nullptr) return read;
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
  if (another && same && said != LogChange::kNew) {
    return FailedPrecondition(
        "topic {} holds what was read last in some partitions, and not in others ({}). Either its "
        "end was lost and written again, and no offset says where to go on; or it was made anew, "
        "and the former have read the new log already, from a place that nobody knows. In both "
        "rows hold what the log does not: build its views anew from what it holds (freshet "
        "reset-view --accept-loss, each of them). Or, where it was made anew, keep the rows by "
        "--log new: the others are read whole, the former go on where they are and lack what "
        "stands before",
        topic, Doubts(findings, partitions));
  }
  if (said == LogChange::kTruncated && another) {
    return FailedPrecondition(
        "topic {} does not only lack its end ({}): where it was made anew, say --log new; where "
        "its end was written again, build its views anew from what it holds: freshet reset-view "
        "--accept-loss",
        topic, Doubts(findings, partitions));
  }
  if (said == LogChange::kNew && same && !another) {
    return FailedPrecondition(
        "topic {} still holds records that were read, so that it was not made anew, and what it "
        "holds would count twice; say --log truncated. If it was made anew all the same, and some "
        "partitions have read the new log already: build its views anew from what it holds, each "
        "of them, freshet reset-view --accept-loss",
        topic);
  }
  // Times would not tell either: who produces sets them, and may send what is old.
  if (!said && another && !partitions_gone) {
    return FailedPrecondition(
        "topic {} holds other records than were read of it ({}), which does not tell what became "
        "of it. Where it was made anew, say --log new: it is read whole. Where its end was lost "
        "and written again, no offset says where to go on; build its views anew from what it "
        "holds: freshet reset-view --accept-loss",
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

// Partitions of a log that was made anew of which `view` has read last what the new one holds.
StatusOr<std::set<int32_t>> ReadAnew(const ReadView& view, int32_t partitions, LogSource& log) {
  PartitionProgress still = view.progress;
  std::erase_if(still, [&](const auto& progress) { return progress.first >= partitions; });
  ASSIGN_OR_RETURN(const Findings own, ExamineLog(log, still));
  std::set<int32_t> read;
  for (const auto& [partition, found] : own) {
    if (found.finding == LogFinding::kSame) read.insert(partition);
  }
  return read;
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
  if (read.now == nullptr) {
    return FailedPrecondition(
        "source {} has read nothing of topic {} yet: there is nothing to reset; a start reads it "
        "from its beginning",
        declared.name, declared.topic);
  }
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
  const bool of_both = decided == LogChange::kNew && Has(findings, LogFinding::kSame);
  for (const ReadView& view : read.views) {
    std::set<int32_t> read_anew;
    if (of_both) {
      ASSIGN_OR_RETURN(read_anew, ReadAnew(view, partitions, log));
    }
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
      if (read_anew.contains(partition)) {
        after.incarnation = incarnation;
        NoteLoss(after);  // from where on it has read the new log, nobody knows
      } else if (decided == LogChange::kNew) {
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
        : of_both && found.finding == LogFinding::kSame
            ? fmt::format("partition {} goes on where it was: it has read the new log already, and "
                          "may lack what that holds before",
                          partition)
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
  if (of_both) {
    report.completeness +=
        ". Rows hold events of both logs; to have the new one whole, and nothing else, build the "
        "source's views anew before you start (freshet reset-view --accept-loss, each of them)";
  }
  return report;
}

StatusOr<ViewReset> PrepareViewReset(const Catalog& catalog, ViewId view, const std::string& log_id,
                                     bool accept_loss, LogSource& log, Store& store) {
  const uint32_t source = catalog.views[view.index].source;
  const Source& declared = catalog.sources[source];
  ASSIGN_OR_RETURN(ReadLog read, ReadWhatWasRead(catalog, source, log_id, store));
  if (!accept_loss) {
    ASSIGN_OR_RETURN(const auto missing, MissingBeginning(declared.topic, log));
    if (missing) return FailedPrecondition("{}; --accept-loss does it all the same", *missing);
    ASSIGN_OR_RETURN(const PartitionProgress progress, store.ReadProgress(view));
    for (const auto& [partition, p] : progress) {
      if (p.incarnation == 0) continue;
      return FailedPrecondition(
          "the rows of view {} may hold events of an earlier log of source {}, which topic {} does "
          "not hold any more; --accept-loss forgets them all the same",
          catalog.views[view.index].name, declared.name, declared.topic);
    }
  }
  ViewReset reset;
  if (read.now == nullptr) return reset;
  const auto partitions = log.Partitions();
  const auto findings =
      partitions.ok() ? Examine(read, *partitions, log) : StatusOr<Findings>(partitions.status());
  if (!findings.ok() && !accept_loss) return findings.status();
  if (findings.ok()) {
    const std::string doubts = Doubts(*findings, *partitions);
    if (doubts.empty()) return reset;
    if (!accept_loss) {
      return FailedPrecondition(
          "topic {} is not the log that was read ({}): what the rows of view {} hold of that is "
          "nowhere else. `freshet reset-source` says how to go on with them; --accept-loss forgets "
          "them, and the view is built anew from what the topic holds now",
          declared.topic, doubts, catalog.views[view.index].name);
    }
  }
  reset.new_incarnation = true;
  const uint32_t incarnation = read.unused_incarnation();
  Commit commit(store);
  // The view's own place as well: a crash before its rows are gone leaves a source that stops as it did.
  for (const ReadView& other : read.views) {
    for (const auto& [partition, before] : other.progress) {
      Progress after = before;
      after.incarnation = incarnation;
      commit.Advance(other.id, partition, after);
    }
    if (findings.ok() && !(other.id == view)) reset.others.push_back(other.name);
  }
  read.now->incarnation = incarnation;
  commit.PutLogs(declared.name, read.logs);
  RETURN_IF_ERROR(commit.Apply());
  RETURN_IF_ERROR(store.Flush());
  return reset;
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
