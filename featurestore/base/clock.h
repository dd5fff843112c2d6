// Where the wall clock enters: a seam, so that tests own time.
#pragma once

#include <atomic>
#include <chrono>

#include "featurestore/base/time.h"

namespace freshet {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Timestamp Now() const override {
    return {std::chrono::duration_cast<std::chrono::microseconds>(
                std::chrono::system_clock::now().time_since_epoch())
                .count()};
  }
};

// Stands still until it is moved.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Timestamp start = {}) : now_us_(start.us) {}
  Timestamp Now() const override { return {now_us_.load(std::memory_order_relaxed)}; }
  void Set(Timestamp t) { now_us_.store(t.us, std::memory_order_relaxed); }
  void Advance(Duration d) { now_us_.fetch_add(d.us, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> now_us_;
};

}  // namespace freshet
