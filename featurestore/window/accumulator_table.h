// A sorted, growing table of accumulator sets in one piece of memory: the panes of a ring, the runs of a list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "featurestore/aggregate/accumulator_set.h"

namespace freshet {

// Entries are ordered by their owner, oldest first. Appending and dropping at the front are cheap: event time
// mostly moves forward. Borrows its set. Not thread-safe; move-only.
class AccumulatorTable {
 public:
  // What an owner keeps beside the accumulators: a pane its index and greatest event time, a run its ends.
  struct Key {
    int64_t first = 0;
    int64_t second = 0;
  };

  explicit AccumulatorTable(const AccumulatorSet& set)
      : set_(&set), stride_(static_cast<uint32_t>(sizeof(Key)) + set.bytes()) {}
  AccumulatorTable(AccumulatorTable&& other) noexcept
      : set_(other.set_),
        memory_(std::exchange(other.memory_, nullptr)),
        stride_(other.stride_),
        begin_(std::exchange(other.begin_, 0)),
        end_(std::exchange(other.end_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  AccumulatorTable& operator=(AccumulatorTable&& other) noexcept {
    std::swap(set_, other.set_);
    std::swap(memory_, other.memory_);
    std::swap(stride_, other.stride_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }
  ~AccumulatorTable() {
    DropFront(size());
    ::operator delete(memory_);
  }

  const AccumulatorSet& set() const { return *set_; }
  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }

  Key& key(size_t i) { return *reinterpret_cast<Key*>(Entry(i)); }
  const Key& key(size_t i) const { return *reinterpret_cast<const Key*>(Entry(i)); }
  std::byte* accumulators(size_t i) { return Entry(i) + sizeof(Key); }
  const std::byte* accumulators(size_t i) const { return Entry(i) + sizeof(Key); }

  // The first entry whose key.first is ≥ `first`.
  size_t LowerBound(int64_t first) const;
  // A new entry before entry i, its accumulators identities.
  void Insert(size_t i, Key key);
  // For decoding, which meets the newest entry first: `count` entries of identities, keys 0. Only when empty.
  void Fill(size_t count);
  void DropFront(size_t count);
  void Erase(size_t i);

  size_t memory_bytes() const;
  void PrefetchLast() const {
    if (!empty()) __builtin_prefetch(Entry(size() - 1));
  }

 private:
  std::byte* Entry(size_t i) const { return memory_ + (begin_ + i) * stride_; }
  void Grow(size_t capacity);

  const AccumulatorSet* set_;
  std::byte* memory_ = nullptr;
  uint32_t stride_;
  uint32_t begin_ = 0;
  uint32_t end_ = 0;
  uint32_t capacity_ = 0;
};

}  // namespace freshet
