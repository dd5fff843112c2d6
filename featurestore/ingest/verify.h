// Is this log the one that was read so far, and does it still hold what comes next? Asked at start, after a reconnect, after any
// topic or offset error, and at gaps: librdkafka 2.0.2 knows no topic ids that would tell.
#pragma once

#include <string>

#include "featurestore/ingest/log_source.h"

namespace freshet {

// Why a source stops until somebody acts; the names are those of SourceStatus and metrics.
struct LogVerdict {
  std::string reason;  // of pause_reasons.h; "": all is well
  std::string detail;  // what was found, and the remedy
  bool ok() const { return reason.empty(); }
};

// What a partition of the log looks like from where a view stands.
enum class LogFinding : uint8_t {
  kSame,      // the last record passed is there
  kPossible,  // nothing tells that it is another: the last record passed is not in the log any more, or there was none
  kLost,      // it begins behind what would come next
  kShorter,   // it ends before what was read already: made anew, or its end was cut off
  kAnother,   // another record stands where the last one was: made anew
};
struct PartitionFinding {
  LogFinding finding = LogFinding::kPossible;
  LogBounds bounds;
};
// By partition, all of which the log has. Errors are the log's: nothing was found out. Ends the source's assignment.
StatusOr<std::map<int32_t, PartitionFinding>> ExamineLog(
    LogSource& log, const std::map<int32_t, Progress>& progress);

// The same, as what a source does about it: the partitions that do not look as they should.
StatusOr<std::map<int32_t, LogVerdict>> VerifyPartitions(
    LogSource& log, const std::string& topic, const std::map<int32_t, Progress>& progress);
// Of one.
StatusOr<LogVerdict> VerifyPartition(LogSource& log, const std::string& topic, int32_t partition,
                                     const Progress& progress);

// Partitions are never taken away: a log that lacks one that was read is another. None of `progress` is missing: all is well.
LogVerdict PartitionsGone(const std::string& topic, const std::map<int32_t, Progress>& progress,
                          const std::map<int32_t, LogBounds>& bounds);

LogVerdict RecordsLost(const std::string& topic, int32_t partition, int64_t from, int64_t to);

// Gaps of a batch, whose offsets should go on from `positions`. A real log has them by right (transaction markers, compaction):
// its start is asked, and only where it lies above the gap records were lost. On the mock (`every_gap_is_loss`) none is by right.
// Records that were passed already are taken out of the batch, and with `cut_at_loss` those from a loss on.
struct GapReport {
  LogVerdict lost;                    // the first loss
  std::map<int32_t, int64_t> losses;  // partition → offset of the first record behind it
  uint64_t gaps = 0;                  // by right
};
StatusOr<GapReport> CheckGaps(LogSource& log, const std::string& topic, const Positions& positions,
                              bool every_gap_is_loss, bool cut_at_loss, LogBatch& batch);

}  // namespace freshet
