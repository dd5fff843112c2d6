// What ingestion asks of a log: the seam between Kafka and the loops, so that tests can be the log.
//
// Errors: UNAVAILABLE, nobody answers; NOT_FOUND, there is no such topic; FAILED_PRECONDITION, it may not be read, or nobody leads it;
// OUT_OF_RANGE, the log does not hold the offset that was asked for; anything else is the log's own trouble. All may pass: the caller begins anew (metadata, verification,
// Assign) until they do.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "featurestore/base/hash.h"
#include "featurestore/base/status.h"
#include "featurestore/base/time.h"
#include "featurestore/decode/decoder.h"
#include "featurestore/store/progress.h"

namespace freshet {

// What of a record without a timestamp stands in RawRecord::record_time: no event time that is accepted.
inline constexpr Timestamp kNoRecordTime = Timestamp::Min();

struct SourceRecord {
  int32_t partition = 0;
  int64_t offset = 0;
  bool broker_time = false;  // record_time is the broker's (LogAppendTime), not the producer's
  RawRecord raw;
};

inline RecordFingerprint FingerprintOf(const SourceRecord& record) {
  const auto& [key, value, time, headers] = record.raw;
  return {record.offset, time.us, HashRecord(key ? &*key : nullptr, value ? &*value : nullptr)};
}

// Partition → offset of the next record.
using Positions = std::map<int32_t, int64_t>;

// Records in order within a partition; borrows what they point to from the source until its next Poll or Assign.
struct LogBatch {
  std::vector<SourceRecord> records;
  Positions ends;  // the log ends here, and everything before was delivered
  uint64_t bytes = 0;

  void Clear() {
    records.clear();
    ends.clear();
    bytes = 0;
  }
};

struct PollLimits {
  size_t records = 16384;
  uint64_t bytes = 16ull << 20;
  Duration wait = Duration::Millis(50);  // for a first record; the rest is what is there
};

struct LogBounds {
  int64_t start = 0;
  int64_t end = 0;
};

// What the broker says of a topic. None: it does not say.
struct TopicSettings {
  std::optional<bool> compacted;  // cleanup.policy has `compact`
  std::optional<Duration>
      retention;  // retention.ms, where cleanup.policy has `delete` and it is not for ever
};

// One reader of one topic. Not thread-safe: used by one loop's thread. No call lasts longer than a few seconds.
class LogSource {
 public:
  virtual ~LogSource() = default;
  virtual StatusOr<int32_t> Partitions() = 0;
  virtual StatusOr<LogBounds> Bounds(int32_t partition) = 0;
  // Of logs that are no topic of a broker: nothing.
  virtual StatusOr<TopicSettings> Settings() { return TopicSettings{}; }
  // The first record at or after `offset`; none: the log ends before one. Ends the assignment.
  virtual StatusOr<std::optional<RecordFingerprint>> FirstAt(int32_t partition, int64_t offset) = 0;
  // The same of several partitions, in one go where the log can: without those whose log ends before one.
  virtual StatusOr<std::map<int32_t, RecordFingerprint>> FirstOfEach(const Positions& at) {
    std::map<int32_t, RecordFingerprint> found;
    for (const auto& [partition, offset] : at) {
      ASSIGN_OR_RETURN(const auto first, FirstAt(partition, offset));
      if (first) found.emplace(partition, *first);
    }
    return found;
  }
  // The first record whose time is later, by partition; none: there is no such record. Partitions of which that is not known are left
  // out, which may be all.
  virtual StatusOr<std::map<int32_t, std::optional<int64_t>>> FirstAfter(
      const std::map<int32_t, Timestamp>& times) {
    (void)times;
    return std::map<int32_t, std::optional<int64_t>>{};
  }
  // What Poll reads from here on.
  virtual Status Assign(const Positions& next) = 0;
  virtual Status Poll(const PollLimits& limits, LogBatch& batch) = 0;
  // The log's end as the last fetch saw it; asks nobody.
  virtual std::optional<int64_t> KnownEnd(int32_t partition) = 0;
  // For lag tools; never read by Freshet. May fail silently.
  virtual void CommitAdvisory(const Positions& durable) = 0;
};

}  // namespace freshet
