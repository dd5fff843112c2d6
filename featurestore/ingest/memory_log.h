// A log in memory behind the seam LogSource: what `freshet test` puts a scenario's events into.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "featurestore/ingest/log_source.h"

namespace freshet {

struct MemoryRecord {
  Timestamp time = kNoRecordTime;
  bool broker_time = false;  // `time` is the broker's (LogAppendTime)
  std::optional<std::string> key;
  std::optional<std::string> value;  // none: a tombstone
  std::vector<std::pair<std::string, std::string>> headers;
};

// Not thread-safe: appended to and read in one thread. Outlives a restart of whoever reads it, as Kafka does.
class MemoryLog {
 public:
  explicit MemoryLog(int32_t partitions) : partitions_(static_cast<size_t>(partitions)) {}
  // Its offset. `partition` is one of the log's.
  int64_t Append(int32_t partition, MemoryRecord record);

 private:
  friend class MemoryLogSource;
  struct Stored {
    MemoryRecord record;
    std::vector<std::pair<std::string_view, std::string_view>> headers;  // on the record's
  };
  std::vector<std::deque<Stored>> partitions_;  // by offset; what was appended stays where it is
};

class MemoryLogSource final : public LogSource {
 public:
  explicit MemoryLogSource(std::shared_ptr<const MemoryLog> log) : log_(std::move(log)) {}

  StatusOr<int32_t> Partitions() override;
  StatusOr<LogBounds> Bounds(int32_t partition) override;
  StatusOr<std::optional<RecordFingerprint>> FirstAt(int32_t partition, int64_t offset) override;
  Status Assign(const Positions& next) override;
  // Never waits: what is there is all there is.
  Status Poll(const PollLimits& limits, LogBatch& batch) override;
  std::optional<int64_t> KnownEnd(int32_t partition) override;
  void CommitAdvisory(const Positions&) override {}

 private:
  SourceRecord View(int32_t partition, int64_t offset) const;
  int64_t End(int32_t partition) const;

  std::shared_ptr<const MemoryLog> log_;
  Positions next_;
  Positions said_end_;
};

}  // namespace freshet
