#include "featurestore/ingest/verify.h"

#include <algorithm>

#include "featurestore/ingest/pause_reasons.h"

namespace freshet {
namespace {

LogVerdict Recreated(const std::string& topic, int32_t partition, const std::string& found) {
  return {
      pause_reasons::kTopicRecreated,
      fmt::format("topic {}, partition {}: {}; this is not the log that was read so far: restore "
                  "the topic, or stop the server, let `freshet reset-source` say how to go on, "
                  "and start it again",
                  topic, partition, found)};
}

}  // namespace

LogVerdict PartitionsGone(const std::string& topic, const std::map<int32_t, Progress>& progress,
                          const std::map<int32_t, LogBounds>& bounds) {
  for (const auto& [partition, read] : progress) {
    if (bounds.contains(partition)) continue;
    return {
        pause_reasons::kTopicRecreated,
        fmt::format("topic {} has {} partitions, and partition {} was read already; this is not "
                    "the log that was read so far: restore the topic, or stop the server, let "
                    "`freshet reset-source` say how to go on, and start it again",
                    topic, bounds.size(), partition)};
  }
  return {};
}

LogVerdict RecordsLost(const std::string& topic, int32_t partition, int64_t from, int64_t to) {
  return {
      pause_reasons::kRecordsLost,
      fmt::format(
          "topic {}, partition {}: records at offsets {} to {} ({} of them) were gone before they "
          "were read; give the topic a longer retention, then stop the server, go on without them "
          "by `freshet reset-source`, and start it again",
          topic, partition, from, to - 1, to - from)};
}

StatusOr<std::map<int32_t, PartitionFinding>> ExamineLog(
    LogSource& log, const std::map<int32_t, Progress>& progress) {
  std::map<int32_t, PartitionFinding> findings;
  Positions last;  // where the last record passed should be
  for (const auto& [partition, read] : progress) {
    PartitionFinding& found = findings[partition];
    ASSIGN_OR_RETURN(found.bounds, log.Bounds(partition));
    const auto& [start, end] = found.bounds;
    if (read.next > end) {
      found.finding = LogFinding::kShorter;
    } else if (start > read.next) {
      found.finding = LogFinding::kLost;
    }
    if (read.next <= end && read.last && read.last->offset >= start && read.last->offset < end) {
      last[partition] = read.last->offset;
    }
  }
  if (last.empty()) return findings;
  ASSIGN_OR_RETURN(const auto records, log.FirstOfEach(last));
  for (const auto& [partition, record] : records) {
    const RecordFingerprint& read = *progress.at(partition).last;
    // At another offset: compaction has taken it, and only the bounds can tell.
    if (record.offset != read.offset) continue;
    LogFinding& finding = findings.at(partition).finding;
    if (record != read) {
      finding = LogFinding::kAnother;
    } else if (finding == LogFinding::kPossible) {
      finding = LogFinding::kSame;
    }
  }
  return findings;
}

StatusOr<std::map<int32_t, LogVerdict>> VerifyPartitions(
    LogSource& log, const std::string& topic, const std::map<int32_t, Progress>& progress) {
  ASSIGN_OR_RETURN(const auto findings, ExamineLog(log, progress));
  std::map<int32_t, LogVerdict> verdicts;
  for (const auto& [partition, found] : findings) {
    const Progress& read = progress.at(partition);
    switch (found.finding) {
      case LogFinding::kSame:
      case LogFinding::kPossible:
        break;
      case LogFinding::kLost:
        verdicts[partition] = RecordsLost(topic, partition, read.next, found.bounds.start);
        break;
      case LogFinding::kShorter:
        verdicts[partition] =
            Recreated(topic, partition,
                      fmt::format("the log ends at offset {}, and {} was read already: the topic "
                                  "was made anew, or its end was cut off",
                                  found.bounds.end, read.next));
        break;
      case LogFinding::kAnother:
        verdicts[partition] = Recreated(
            topic, partition,
            fmt::format("the record at offset {} is another than the one that was read there",
                        read.last->offset));
        break;
    }
  }
  return verdicts;
}

StatusOr<LogVerdict> VerifyPartition(LogSource& log, const std::string& topic, int32_t partition,
                                     const Progress& progress) {
  ASSIGN_OR_RETURN(auto verdicts, VerifyPartitions(log, topic, {{partition, progress}}));
  if (verdicts.empty()) return LogVerdict{};
  return std::move(verdicts.begin()->second);
}

StatusOr<GapReport> CheckGaps(LogSource& log, const std::string& topic, const Positions& positions,
                              bool every_gap_is_loss, bool cut_at_loss, LogBatch& batch) {
  GapReport report;
  // After a new Assign the queue may still give what was passed.
  std::erase_if(batch.records, [&](const SourceRecord& record) {
    const auto position = positions.find(record.partition);
    return position == positions.end() || record.offset < position->second;
  });
  Positions expected = positions;
  std::map<int32_t, int64_t>
      starts;  // asked after the batch was fetched: one answer serves all its gaps
  const auto is_loss = [&](int32_t partition, int64_t from) -> StatusOr<bool> {
    if (every_gap_is_loss) return true;
    auto start = starts.find(partition);
    if (start == starts.end()) {
      ASSIGN_OR_RETURN(const LogBounds bounds, log.Bounds(partition));
      start = starts.emplace(partition, bounds.start).first;
    }
    return start->second > from;
  };
  for (const SourceRecord& record : batch.records) {
    int64_t& next = expected[record.partition];
    if (record.offset > next && !report.losses.contains(record.partition)) {
      ASSIGN_OR_RETURN(const bool lost, is_loss(record.partition, next));
      if (lost) {
        report.losses[record.partition] = record.offset;
        if (report.lost.ok()) {
          report.lost = RecordsLost(topic, record.partition, next, record.offset);
        }
      } else {
        ++report.gaps;
      }
    }
    next = std::max(next, record.offset + 1);
  }
  if (cut_at_loss && !report.losses.empty()) {
    std::erase_if(batch.records, [&](const SourceRecord& record) {
      const auto loss = report.losses.find(record.partition);
      return loss != report.losses.end() && record.offset >= loss->second;
    });
    for (const auto& [partition, offset] : report.losses) batch.ends.erase(partition);
  }
  return report;
}

}  // namespace freshet
