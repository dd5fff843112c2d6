// What a replay has produced and the server has not applied: kept small, since the mock cluster drops the oldest records of a
// partition past 5 MiB or 100,000, applied or not.
#pragma once

#include <cstdint>
#include <deque>
#include <map>

namespace freshet {

// Not thread-safe.
class ReplayWindow {
 public:
  static constexpr uint64_t kMaxBytes = 1536 * 1024;
  static constexpr uint64_t kMaxRecords = 30'000;
  // What a record takes beside key and value: batch and record headers, rounded up.
  static constexpr uint64_t kRecordOverheadBytes = 40;

  void Sent(uint64_t bytes) {
    flying_bytes_ += bytes;
    ++flying_records_;
  }
  // The broker has it.
  void Delivered(int32_t partition, int64_t offset, uint64_t bytes) {
    flying_bytes_ -= bytes;
    --flying_records_;
    Partition& p = partitions_[partition];
    ++delivered_records_;
    p.waiting.push_back({offset, bytes});
    p.bytes += bytes;
    p.end = offset + 1;
  }
  // The server has applied everything before `next`.
  void Applied(int32_t partition, int64_t next) {
    Partition& p = partitions_[partition];
    while (!p.waiting.empty() && p.waiting.front().offset < next) {
      p.bytes -= p.waiting.front().bytes;
      p.waiting.pop_front();
    }
  }
  // Another record of `bytes` could, wherever it falls, lead past `share` (0 to 1) of what may be unapplied.
  bool Full(uint64_t bytes, double share = 1) const {
    uint64_t most_bytes = 0, most_records = 0;
    for (const auto& [number, p] : partitions_) {
      if (p.bytes > most_bytes) most_bytes = p.bytes;
      if (p.waiting.size() > most_records) most_records = p.waiting.size();
    }
    // One record larger than the window must pass alone.
    if (most_records + flying_records_ == 0) return false;
    return static_cast<double>(most_bytes + flying_bytes_ + bytes) > share * kMaxBytes ||
           static_cast<double>(most_records + flying_records_ + 1) > share * kMaxRecords;
  }
  std::map<int32_t, int64_t> Ends() const {
    std::map<int32_t, int64_t> ends;
    for (const auto& [number, p] : partitions_) {
      if (p.end > 0) ends[number] = p.end;
    }
    return ends;
  }
  uint64_t flying_records() const { return flying_records_; }
  uint64_t delivered_records() const { return delivered_records_; }
  // Delivered, not applied.
  uint64_t waiting_records() const {
    uint64_t records = 0;
    for (const auto& [number, p] : partitions_) records += p.waiting.size();
    return records;
  }

 private:
  struct Waiting {
    int64_t offset;
    uint64_t bytes;
  };
  struct Partition {
    std::deque<Waiting> waiting;  // delivered, not applied; by offset
    uint64_t bytes = 0;
    int64_t end = 0;
  };
  std::map<int32_t, Partition> partitions_;
  uint64_t flying_bytes_ = 0;  // on their way to the broker: which partition is not known yet
  uint64_t flying_records_ = 0;
  uint64_t delivered_records_ = 0;
};

}  // namespace freshet
