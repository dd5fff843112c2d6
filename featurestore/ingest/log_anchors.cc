#include "featurestore/ingest/log_anchors.h"

#include <algorithm>

#include "featurestore/ingest/pause_reasons.h"

namespace freshet {
namespace {

LogVerdict MadeAnew(const std::string& topic, int32_t partition, Timestamp time, int64_t before,
                    int64_t now) {
  return {
      pause_reasons::kTopicRecreated,
      fmt::format(
          "topic {}, partition {}: the first record after {} stands at offset {}, and none stood "
          "below {}: this is not the log that was read so far. It was made anew while it was read, "
          "so that events of the new one may have been applied already, and those before them were "
          "not: stop the server, and build its views anew from what the topic holds (freshet "
          "reset-view --accept-loss, each of them), or keep the rows and let `freshet "
          "reset-source` say how to go on (what was applied already counts twice then)",
          topic, partition, FormatTimestamp(time), now, before)};
}

}  // namespace

StatusOr<LogVerdict> LogAnchors::Check(LogSource& log, const std::string& topic,
                                       const std::map<int32_t, LogBounds>& bounds,
                                       const std::map<int32_t, Progress>& progress,
                                       const Positions& next, bool compacted) {
  std::map<int32_t, Timestamp> times;
  for (const auto& [partition, read] : progress) {
    const auto anchor = anchors_.find(partition);
    if (anchor != anchors_.end()) {
      times[partition] = anchor->second.time;
    } else if (read.last && read.last->record_time_us > 0) {
      times[partition] = {read.last->record_time_us};
    }
  }
  if (times.empty()) return LogVerdict{};
  const auto found = log.FirstAfter(times);
  if (!found.ok() || found->empty()) return LogVerdict{};

  LogVerdict verdict;
  std::map<int32_t, Progress> doubtful;
  for (const auto& [partition, first] : *found) {
    const auto anchor = anchors_.find(partition);
    if (!first || anchor == anchors_.end() || *first >= anchor->second.floor) continue;
    Progress& read = doubtful[partition];
    read.last = anchor->second.last;
    read.next = read.last->offset + 1;
  }
  if (!doubtful.empty()) {
    // Brokers index records of one and the same time in batches, and a new leader may do so otherwise: the record itself decides.
    ASSIGN_OR_RETURN(const auto findings, ExamineLog(log, doubtful));
    RETURN_IF_ERROR(log.Assign(next));
    for (const auto& [partition, finding] : findings) {
      const bool another = finding.finding == LogFinding::kShorter ||
                           finding.finding == LogFinding::kAnother ||
                           (finding.finding == LogFinding::kPossible && !compacted);
      if (!another) continue;
      const Anchor& anchor = anchors_.at(partition);
      lost_[partition] = anchor.last;
      if (verdict.ok()) {
        verdict = MadeAnew(topic, partition, anchor.time, anchor.floor, *found->at(partition));
      }
    }
    if (!verdict.ok()) return verdict;
  }
  for (const auto& [partition, first] : *found) {
    const auto& last = progress.at(partition).last;
    if (!last) continue;
    Anchor& anchor = anchors_[partition];
    // A later time's first record stands no lower: the floor holds for it too.
    anchor.floor = first.value_or(bounds.at(partition).end);
    anchor.last = *last;
    anchor.time = std::max({times.at(partition), Timestamp{last->record_time_us}});
  }
  return verdict;
}

}  // namespace freshet
