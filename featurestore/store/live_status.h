// What ingestion knows at this moment, for serving, admin and metrics: written by ingest, read by
// everyone, kept beside the store because that is where both meet. Nothing here is stored.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "featurestore/base/time.h"

namespace freshet {

inline constexpr int64_t kNoTime = std::numeric_limits<int64_t>::min();

// How far a view has come that is built from its log. Lock-free; the numbers of one moment may be of two steps.
struct BuildStatus {
  std::atomic<uint64_t> passed{0};  // offsets of the log behind it
  std::atomic<uint64_t> total{
      0};  // between the log's start and where it has to come; 0: nothing known yet
  std::atomic<int64_t> since_us{kNoTime};  // when it began in this process
  std::atomic<uint64_t> passed_before{0};  // then
  std::atomic<int64_t> told_us{kNoTime};   // when `passed` was

  void Set(uint64_t now_passed, uint64_t now_total, Timestamp now) {
    if (since_us == kNoTime) {
      passed_before = now_passed;
      since_us = now.us;
    }
    passed = now_passed;
    total = now_total;
    told_us = now.us;
  }
  // Seconds until it is there, at the speed so far; none: not known yet.
  std::optional<double> SecondsLeft() const {
    const uint64_t done = passed - std::min<uint64_t>(passed, passed_before);
    const double took = static_cast<double>(told_us - since_us) / 1e6;
    if (since_us == kNoTime || total == 0 || done == 0 || took <= 0) return std::nullopt;
    const uint64_t left = total - std::min<uint64_t>(total, passed);
    return static_cast<double>(left) * took / static_cast<double>(done);
  }
};

// One a view. Lock-free: read by every request.
struct ViewStatus {
  // Complete: answers. Otherwise UNAVAILABLE / VIEW_REBUILDING.
  std::atomic<bool> complete{false};
  // Has reached the log's ends as they were at start; latches.
  std::atomic<bool> caught_up{false};
  std::atomic<int64_t> complete_since_us{kNoTime};  // kNoTime: always complete
  std::atomic<int64_t> watermark_us{kNoTime};       // of its source as this view has read it
  std::atomic<int64_t> newest_event_us{
      kNoTime};  // greatest event time accepted: `now` with clock: event_time
  // Events since this process began, for ExplainFeatures: they are counted by view, not by row.
  std::atomic<uint64_t> late_events{0};
  std::atomic<uint64_t> skipped_no_key{0};
  std::atomic<uint64_t> skipped_where{0};
  BuildStatus build;
};

struct PartitionStatus {
  uint32_t incarnation = 0;
  int64_t next = 0;  // next offset that live ingestion will apply; everything before is servable
  std::optional<int64_t> log_end;
  int64_t least = 0;  // the least next offset over all views, also those that are being rebuilt
};

// One a source. Thread-safe.
class SourceStatus {
 public:
  void SetPartition(int32_t partition, const PartitionStatus& status) {
    std::lock_guard lock(mutex_);
    partitions_[partition] = status;
    if (listener_) listener_();
  }
  std::map<int32_t, PartitionStatus> partitions() const {
    std::lock_guard lock(mutex_);
    return partitions_;
  }
  // Pushes that were dropped because they had been passed before, by rising offset. Before SetPartition says that they are passed.
  void NoteRepeated(int32_t partition, std::span<const int64_t> offsets) {
    std::lock_guard lock(mutex_);
    std::deque<int64_t>& repeated = repeated_[partition];
    repeated.insert(repeated.end(), offsets.begin(), offsets.end());
    while (repeated.size() > kRepeatedKept) repeated.pop_front();
  }
  // Whether that of this offset was, as far as the newest kRepeatedKept tell.
  bool WasRepeated(int32_t partition, int64_t offset) const {
    std::lock_guard lock(mutex_);
    const auto found = repeated_.find(partition);
    return found != repeated_.end() &&
           std::binary_search(found->second.begin(), found->second.end(), offset);
  }
  // Called at each SetPartition, SetPaused and Forget, under a lock: it may take no other look at this status. Empty: nobody.
  void SetListener(std::function<void()> listener) {
    std::lock_guard lock(mutex_);
    listener_ = std::move(listener);
  }
  // Why ingestion stands still: reason ("records_lost", "topic_recreated", "dead_letters_full",
  // "broker_down", "disk_full") and a sentence with the remedy. Empty reason: it runs.
  void SetPaused(std::string reason, std::string detail) {
    std::lock_guard lock(mutex_);
    paused_reason_ = std::move(reason);
    paused_detail_ = std::move(detail);
    if (listener_) listener_();
  }
  // Nobody reads the source any more: as if nobody had. The listener stays.
  void Forget() {
    std::lock_guard lock(mutex_);
    partitions_.clear();
    repeated_.clear();
    log_id_.clear();
    paused_reason_.clear();
    paused_detail_.clear();
    caught_up_once = false;
    if (listener_) listener_();
  }
  std::pair<std::string, std::string> paused() const {
    std::lock_guard lock(mutex_);
    return {paused_reason_, paused_detail_};
  }
  // Of the log that is read; "" for a real broker, and before anything is known. Set before the first partition of that log.
  void SetLogId(std::string id) {
    std::lock_guard lock(mutex_);
    log_id_ = std::move(id);
  }
  std::string log_id() const {
    std::lock_guard lock(mutex_);
    return log_id_;
  }
  // Reached the logs' ends as they were seen at start; latches.
  std::atomic<bool> caught_up_once{false};

 private:
  static constexpr size_t kRepeatedKept = 65'536;
  mutable std::mutex mutex_;
  std::map<int32_t, PartitionStatus> partitions_;
  std::map<int32_t, std::deque<int64_t>> repeated_;
  std::function<void()> listener_;
  std::string log_id_;
  std::string paused_reason_;
  std::string paused_detail_;
};

}  // namespace freshet
