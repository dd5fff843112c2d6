// The first or the last n events with what some fields held then: first_n and last_n. Nulls are kept, so that lists of several
// fields are aligned.
#pragma once

#include <cstdint>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/heap_array.h"
#include "featurestore/aggregate/kept_value.h"

namespace freshet {

// Of the events added those with the greatest (kLatest) or least positions.
template <bool kLatest>
class EventList {
 public:
  size_t size() const { return at_.size(); }
  // By rising position.
  const Value& value(size_t i, size_t column) const { return values_[i * columns_ + column].get(); }

  void Add(const Added& added);
  void Combine(const EventList& b) { Merge(b, false); }
  void CombineBorrowed(const EventList& b) { Merge(b, true); }
  void Encode(ByteWriter& out, const CodingContext& context) const;
  void Decode(ByteReader& in, const CodingContext& context);
  size_t heap_bytes() const;
  static uint64_t EncodedMax(const AccumulatorArguments& arguments) {
    return 2 + arguments.n * EncodedOne(arguments);
  }
  static uint64_t EncodedOne(const AccumulatorArguments& arguments);

 private:
  void Begin(const AccumulatorArguments& arguments);
  void Merge(const EventList& b, bool borrow);

  HeapArray<Position> at_;       // rising
  HeapArray<KeptValue> values_;  // of each event its columns
  uint32_t n_ = 0;
  uint32_t columns_ = 0;
};

extern template class EventList<false>;
extern template class EventList<true>;

// The n values that came last, each once, at the position of its latest event: last_distinct_n.
class DistinctList {
 public:
  size_t size() const { return entries_.size(); }
  const Value& value(size_t i) const { return entries_[i].value.get(); }  // by rising position

  void Add(const Added& added);
  void Combine(const DistinctList& b) { Merge(b, false); }
  void CombineBorrowed(const DistinctList& b) { Merge(b, true); }
  void Encode(ByteWriter& out, const CodingContext& context) const;
  void Decode(ByteReader& in, const CodingContext& context);
  size_t heap_bytes() const;
  static uint64_t EncodedMax(const AccumulatorArguments& arguments) {
    return 2 + arguments.n * EncodedOne(arguments);
  }
  static uint64_t EncodedOne(const AccumulatorArguments& arguments) {
    return 1 + kPositionAfterMax + KeptBytesMax(arguments.types[0]);
  }

 private:
  struct Entry {
    Position at;
    KeptValue value;
  };
  void Merge(const DistinctList& b, bool borrow);

  HeapArray<Entry> entries_;  // by rising position; no value twice
  uint32_t n_ = 0;
};

}  // namespace freshet
