#include "featurestore/ingest/memory_log.h"

namespace freshet {

int64_t MemoryLog::Append(int32_t partition, MemoryRecord record) {
  std::deque<Stored>& records = partitions_.at(static_cast<size_t>(partition));
  Stored& stored = records.emplace_back();
  stored.record = std::move(record);
  for (const auto& [name, value] : stored.record.headers) stored.headers.emplace_back(name, value);
  return static_cast<int64_t>(records.size()) - 1;
}

StatusOr<int32_t> MemoryLogSource::Partitions() {
  return static_cast<int32_t>(log_->partitions_.size());
}

int64_t MemoryLogSource::End(int32_t partition) const {
  return static_cast<int64_t>(log_->partitions_.at(static_cast<size_t>(partition)).size());
}

StatusOr<LogBounds> MemoryLogSource::Bounds(int32_t partition) {
  return LogBounds{0, End(partition)};
}

StatusOr<std::optional<RecordFingerprint>> MemoryLogSource::FirstAt(int32_t partition,
                                                                    int64_t offset) {
  if (offset >= End(partition)) return std::optional<RecordFingerprint>();
  return std::optional(FingerprintOf(View(partition, offset)));
}

Status MemoryLogSource::Assign(const Positions& next) {
  next_ = next;
  said_end_.clear();
  return OkStatus();
}

Status MemoryLogSource::Poll(const PollLimits& limits, LogBatch& batch) {
  batch.Clear();
  for (auto& [partition, next] : next_) {
    const int64_t end = End(partition);
    for (; next < end; ++next) {
      if (batch.records.size() >= limits.records || batch.bytes >= limits.bytes) return OkStatus();
      batch.records.push_back(View(partition, next));
      const auto& value = batch.records.back().raw.value;
      batch.bytes += value ? value->size() : 0;
    }
    const auto [said, is_new] = said_end_.try_emplace(partition, -1);
    if (said->second == end) continue;
    batch.ends[partition] = said->second = end;
  }
  return OkStatus();
}

std::optional<int64_t> MemoryLogSource::KnownEnd(int32_t partition) { return End(partition); }

SourceRecord MemoryLogSource::View(int32_t partition, int64_t offset) const {
  const MemoryLog::Stored& stored =
      log_->partitions_.at(static_cast<size_t>(partition)).at(static_cast<size_t>(offset));
  SourceRecord view;
  view.partition = partition;
  view.offset = offset;
  view.broker_time = stored.record.broker_time;
  view.raw.record_time = stored.record.time;
  if (stored.record.key) view.raw.key = *stored.record.key;
  if (stored.record.value) view.raw.value = *stored.record.value;
  view.raw.headers = stored.headers;
  return view;
}

}  // namespace freshet
