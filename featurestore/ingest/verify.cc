#include "featurestore/ingest/verify.h"

#include <algorithm>

namespace freshet {
namespace {

constexpr const char* kRemedy =
    "restore the topic, or begin anew with an empty data folder (storage.path)";

LogVerdict Recreated(const std::string& topic, int32_t partition, const std::string& found) {
  return {"topic_recreated",
          fmt::format("topic {}, partition {}: {}; this is not the log that was read so far: {}",
                      topic, partition, found, kRemedy)};
}

}  // namespace

LogVerdict RecordsLost(const std::string& topic, int32_t partition, int64_t from, int64_t to) {
  return {
      "records_lost",
      fmt::format(
          "topic {}, partition {}: records at offsets {} to {} ({} of them) were gone before they "
          "were read; give the topic a longer retention, and {}",
          topic, partition, from, to - 1, to - from, kRemedy)};
}

StatusOr<LogVerdict> VerifyPartition(LogSource& log, const std::string& topic, int32_t partition,
                                     const Progress& progress) {
  ASSIGN_OR_RETURN(const LogBounds bounds, log.Bounds(partition));
  if (progress.next > bounds.end) {
    return Recreated(topic, partition,
                     fmt::format("the log ends at offset {}, and {} was read already", bounds.end,
                                 progress.next));
  }
  const auto& last = progress.last;
  if (last && last->offset >= bounds.start && last->offset < bounds.end) {
    ASSIGN_OR_RETURN(const auto found, log.FirstAt(partition, last->offset));
    // At another offset: compaction has taken it, and only the bounds can tell.
    if (found && found->offset == last->offset && *found != *last) {
      return Recreated(
          topic, partition,
          fmt::format("the record at offset {} is another than the one that was read there",
                      last->offset));
    }
  }
  if (bounds.start > progress.next) {
    return RecordsLost(topic, partition, progress.next, bounds.start);
  }
  return LogVerdict{};
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
