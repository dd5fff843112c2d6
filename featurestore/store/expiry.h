// Rows that no read can see any more leave at compaction. This only saves space: reads check for
// themselves (docs/architecture.md, invariants 2 and 3).
#pragma once

#include <rocksdb/compaction_filter.h>

#include <atomic>
#include <memory>
#include <optional>

#include "featurestore/base/time.h"
#include "featurestore/store/live_status.h"

namespace freshet {

// One a view version, shared by its Store and the compactions of its family. Lock-free.
class Expiry {
 public:
  // None: no row with events expires; one that was deleted does after `keep_deleted`, whatever the other. Until it is called
  // nothing goes: a family that no declaration names is kept whole.
  void SetKeep(std::optional<Duration> keep, Duration keep_deleted) {
    keep_us_.store(keep ? keep->us : kNever, std::memory_order_relaxed);
    keep_deleted_us_.store(keep_deleted.us, std::memory_order_relaxed);
  }
  // Never goes back.
  void RaiseBound(Timestamp bound) {
    int64_t now = bound_us_.load(std::memory_order_relaxed);
    while (now < bound.us &&
           !bound_us_.compare_exchange_weak(now, bound.us, std::memory_order_relaxed)) {
    }
  }
  // A row goes where its newest event lies before the first and its delete, where there is one, before the second. None: it stays.
  struct Limits {
    std::optional<Timestamp> newest;
    std::optional<Timestamp> deleted;
  };
  Limits limits() const {
    return {Limit(keep_us_.load(std::memory_order_relaxed)),
            Limit(keep_deleted_us_.load(std::memory_order_relaxed))};
  }
  void CountDropped(uint64_t rows) { dropped_.fetch_add(rows, std::memory_order_relaxed); }
  uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  static constexpr int64_t kNever = -1;
  std::optional<Timestamp> Limit(int64_t keep) const {
    const int64_t bound = bound_us_.load(std::memory_order_relaxed);
    if (keep == kNever || bound == kNoTime) return std::nullopt;
    return Timestamp{bound} - Duration{keep};  // saturates toward keeping
  }

  std::atomic<int64_t> keep_us_{kNever};
  std::atomic<int64_t> keep_deleted_us_{kNever};
  std::atomic<int64_t> bound_us_{kNoTime};
  std::atomic<uint64_t> dropped_{0};
};

// Makes one filter a compaction. What the filter removes becomes a tombstone until the last level,
// so that no older version of a row comes back.
std::shared_ptr<rocksdb::CompactionFilterFactory> NewExpiryFilterFactory(
    std::shared_ptr<Expiry> expiry);

}  // namespace freshet
