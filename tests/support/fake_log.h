// A log in memory behind the seam LogSource: tests append to it, cut it, make it anew, and take it away.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "featurestore/ingest/log_source.h"
#include "featurestore/model/push_headers.h"

namespace freshet {

struct FakeRecord {
  int64_t offset = 0;
  Timestamp time;
  bool broker_time = false;
  std::optional<std::string> key;
  std::optional<std::string> value;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::vector<std::pair<std::string_view, std::string_view>> borrowed_headers = {};
};

// What all readers of the log see. Thread-safe but for `partitions`, and for CutBefore while records are read.
struct FakeLog {
  struct Partition {
    std::deque<FakeRecord> records;  // by offset; what was read stays where it is
    int64_t start = 0;
    int64_t end = 0;
  };
  std::vector<Partition> partitions;
  StatusOr<TopicSettings> settings = TopicSettings{};  // what the broker says of the topic
  int settings_asked = 0;
  int times_asked = 0;  // FirstAfter

  explicit FakeLog(int32_t count = 1) : partitions(static_cast<size_t>(count)) {}
  void Append(int32_t partition, std::string value, Timestamp time = Timestamp{1'000'000}) {
    const std::lock_guard lock(mutex);
    Partition& p = partitions[static_cast<size_t>(partition)];
    p.records.push_back({p.end++, time, false, std::nullopt, std::move(value)});
  }
  // With producer id and sequence. No value: a tombstone of `key`.
  void Push(int32_t partition, const std::string& producer, uint64_t sequence,
            std::optional<std::string> value, Timestamp time = Timestamp{1'000'000},
            std::optional<std::string> key = std::nullopt) {
    Push(partition,
         {{std::string(kProducerHeader), producer},
          {std::string(kSequenceHeader), std::to_string(sequence)}},
         std::move(key), std::move(value), time);
  }
  int64_t Push(int32_t partition, std::vector<std::pair<std::string, std::string>> headers,
               std::optional<std::string> key, std::optional<std::string> value,
               Timestamp time = Timestamp{1'000'000}) {
    const std::lock_guard lock(mutex);
    Partition& p = partitions[static_cast<size_t>(partition)];
    p.records.push_back({p.end++, time, false, std::move(key), std::move(value)});
    FakeRecord& record = p.records.back();
    record.headers = std::move(headers);
    for (const auto& [name, text] : record.headers)
      record.borrowed_headers.emplace_back(name, text);
    return record.offset;
  }
  // A tombstone.
  void Delete(int32_t partition, std::string key, Timestamp time) {
    const std::lock_guard lock(mutex);
    Partition& p = partitions[static_cast<size_t>(partition)];
    p.records.push_back({p.end++, time, false, std::move(key), std::nullopt});
  }
  // A transaction marker, or what compaction has taken.
  void Skip(int32_t partition, int64_t offsets = 1) {
    const std::lock_guard lock(mutex);
    partitions[static_cast<size_t>(partition)].end += offsets;
  }
  void CutBefore(int32_t partition, int64_t start) {
    const std::lock_guard lock(mutex);
    Partition& p = partitions[static_cast<size_t>(partition)];
    std::erase_if(p.records, [&](const FakeRecord& record) { return record.offset < start; });
    p.start = std::max(p.start, start);
  }
  // What every call answers while it is not OK.
  void SetAway(Status status) {
    const std::lock_guard lock(mutex);
    away = std::move(status);
  }
  // What reading alone answers while it is not OK.
  void SetReadFails(Status status) {
    const std::lock_guard lock(mutex);
    read_fails = std::move(status);
  }
  // What the next read answers once it has taken records, which are lost to whoever does not assign its place again.
  void SetNextReadLost(Status status) {
    const std::lock_guard lock(mutex);
    next_read_lost = std::move(status);
  }

 private:
  friend class FakeLogSource;
  std::mutex mutex;
  Status away;
  Status read_fails;
  Status next_read_lost;
};

class FakeLogSource final : public LogSource {
 public:
  explicit FakeLogSource(std::shared_ptr<FakeLog> log) : log_(std::move(log)) {}

  StatusOr<int32_t> Partitions() override {
    const std::lock_guard lock(log_->mutex);
    RETURN_IF_ERROR(log_->away);
    return static_cast<int32_t>(log_->partitions.size());
  }
  StatusOr<LogBounds> Bounds(int32_t partition) override {
    const std::lock_guard lock(log_->mutex);
    RETURN_IF_ERROR(log_->away);
    const FakeLog::Partition& p = log_->partitions.at(static_cast<size_t>(partition));
    return LogBounds{p.start, p.end};
  }
  StatusOr<TopicSettings> Settings() override {
    const std::lock_guard lock(log_->mutex);
    RETURN_IF_ERROR(log_->away);
    ++log_->settings_asked;
    return log_->settings;
  }
  StatusOr<std::optional<RecordFingerprint>> FirstAt(int32_t partition, int64_t offset) override {
    const std::lock_guard lock(log_->mutex);
    RETURN_IF_ERROR(log_->away);
    for (const FakeRecord& record : log_->partitions.at(static_cast<size_t>(partition)).records) {
      if (record.offset >= offset) return FingerprintOf(View(partition, record));
    }
    return std::nullopt;
  }
  StatusOr<std::map<int32_t, std::optional<int64_t>>> FirstAfter(
      const std::map<int32_t, Timestamp>& times) override {
    const std::lock_guard lock(log_->mutex);
    RETURN_IF_ERROR(log_->away);
    ++log_->times_asked;
    std::map<int32_t, std::optional<int64_t>> found;
    for (const auto& [partition, time] : times) {
      std::optional<int64_t>& first = found[partition];
      for (const FakeRecord& record : log_->partitions.at(static_cast<size_t>(partition)).records) {
        if (!first && record.time > time) first = record.offset;
      }
    }
    return found;
  }
  Status Assign(const Positions& next) override {
    const std::lock_guard lock(log_->mutex);
    RETURN_IF_ERROR(log_->away);
    next_ = next;
    said_end_.clear();
    return OkStatus();
  }
  // Takes a partition after the other, as many records as fit.
  Status Poll(const PollLimits& limits, LogBatch& batch) override {
    const std::lock_guard lock(log_->mutex);
    batch.Clear();
    RETURN_IF_ERROR(log_->away);
    RETURN_IF_ERROR(log_->read_fails);
    Take(limits, batch);
    if (log_->next_read_lost.ok() || batch.records.empty()) return OkStatus();
    batch.Clear();
    return std::exchange(log_->next_read_lost, OkStatus());
  }
  std::optional<int64_t> KnownEnd(int32_t partition) override {
    const std::lock_guard lock(log_->mutex);
    return log_->partitions.at(static_cast<size_t>(partition)).end;
  }
  void CommitAdvisory(const Positions&) override {}

 private:
  void Take(const PollLimits& limits, LogBatch& batch) {
    for (auto& [partition, next] : next_) {
      const FakeLog::Partition& p = log_->partitions.at(static_cast<size_t>(partition));
      for (const FakeRecord& record : p.records) {
        if (record.offset < next) continue;
        if (batch.records.size() >= limits.records) return;
        batch.records.push_back(View(partition, record));
        batch.bytes += record.value ? record.value->size() : 0;
        next = record.offset + 1;
      }
      next = std::max(next, p.end);
      const auto said = said_end_.find(partition);
      if (said != said_end_.end() && said->second == p.end) continue;
      batch.ends[partition] = said_end_[partition] = p.end;
    }
  }
  static SourceRecord View(int32_t partition, const FakeRecord& record) {
    SourceRecord view;
    view.partition = partition;
    view.offset = record.offset;
    view.broker_time = record.broker_time;
    view.raw.record_time = record.time;
    if (record.key) view.raw.key = *record.key;
    if (record.value) view.raw.value = *record.value;
    view.raw.headers = record.borrowed_headers;
    return view;
  }

  std::shared_ptr<FakeLog> log_;
  Positions next_;
  Positions said_end_;
};

}  // namespace freshet
