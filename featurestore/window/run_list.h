// Runs of events whose neighbours are at most `gap` apart: lifetime in a view with a ttl (gap = ttl); later, sessions.
#pragma once

#include "featurestore/aggregate/accumulator_set.h"
#include "featurestore/base/coding.h"
#include "featurestore/model/event.h"
#include "featurestore/window/accumulator_table.h"

namespace freshet {

struct RunLayout {
  Duration gap;
  Duration lateness;
  AccumulatorSet set;
};

// Keeps every run with end ≥ newest − gap − lateness, so that late events join what they should. Borrows
// its layout. Not thread-safe; move-only.
class RunList {
 public:
  explicit RunList(const RunLayout& layout) : layout_(&layout), runs_(layout.set) {}

  // `newest` is the row's, this event counted. False: the event is older than newest − lateness and changed nothing.
  bool Add(const Event& event, Timestamp newest);
  void Evict(Timestamp newest);

  size_t size() const { return runs_.size(); }
  Timestamp start(size_t i) const { return {runs_.key(i).first}; }
  Timestamp end(size_t i) const { return {runs_.key(i).second}; }
  const std::byte* accumulators(size_t i) const { return runs_.accumulators(i); }

  // After Evict at `newest`.
  void Encode(ByteWriter& out, Timestamp newest) const;
  // Only when empty. Marks `in` bad where the bytes cannot be.
  void Decode(ByteReader& in, Timestamp newest);
  size_t memory_bytes() const { return runs_.memory_bytes(); }

 private:
  const RunLayout* layout_;
  AccumulatorTable runs_;  // key: first event's time, last event's time
};

}  // namespace freshet
