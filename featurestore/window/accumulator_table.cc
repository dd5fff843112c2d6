#include "featurestore/window/accumulator_table.h"

#include <algorithm>

namespace freshet {

size_t AccumulatorTable::LowerBound(int64_t first) const {
  size_t low = 0;
  size_t high = size();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (key(middle).first < first) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void AccumulatorTable::Grow(size_t capacity) {
  auto* grown = static_cast<std::byte*>(::operator new(capacity* stride_));
  if (!empty()) std::memcpy(grown, Entry(0), size() * stride_);
  ::operator delete(memory_);
  memory_ = grown;
  end_ -= begin_;
  begin_ = 0;
  capacity_ = static_cast<uint32_t>(capacity);
}

void AccumulatorTable::Insert(size_t i, Key key) {
  if (end_ == capacity_) {
    // Half of it free at the front: move down, no new memory.
    if (begin_ > capacity_ / 2) {
      std::memmove(memory_, Entry(0), size() * stride_);
      end_ -= begin_;
      begin_ = 0;
    } else {
      Grow(std::max<size_t>(2, size() * 2));
    }
  }
  std::byte* entry = Entry(i);
  if (i < size()) std::memmove(entry + stride_, entry, (size() - i) * stride_);
  ++end_;
  std::memset(entry, 0, stride_);
  this->key(i) = key;
}

void AccumulatorTable::Fill(size_t count) {
  if (count == 0) return;
  Grow(count + 1);  // one more: an event to come often makes a pane
  std::memset(memory_, 0, count * stride_);
  end_ = static_cast<uint32_t>(count);
}

void AccumulatorTable::DropFront(size_t count) {
  for (size_t i = 0; i < count; ++i) set_->Destroy(accumulators(i));
  begin_ += static_cast<uint32_t>(count);
}

void AccumulatorTable::Erase(size_t i) {
  set_->Destroy(accumulators(i));
  std::byte* entry = Entry(i);
  std::memmove(entry, entry + stride_, (size() - i - 1) * stride_);
  --end_;
}

size_t AccumulatorTable::memory_bytes() const {
  size_t total = size_t{capacity_} * stride_;
  if (!set_->destroys()) return total;
  for (size_t i = 0; i < size(); ++i) total += set_->heap_bytes(accumulators(i));
  return total;
}

}  // namespace freshet
