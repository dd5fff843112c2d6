// Runs of events whose neighbours are near each other: sessions (closer than the gap), and lifetime in a view with a ttl
// (at most the ttl apart).
#pragma once

#include <algorithm>

#include "featurestore/aggregate/accumulator_set.h"
#include "featurestore/base/coding.h"
#include "featurestore/model/event.h"
#include "featurestore/window/accumulator_table.h"

namespace freshet {

struct RunLayout {
  Duration joins;     // events at most so far apart are of one run: ttl, or gap − 1 us
  Duration lateness;  // an event older than newest − lateness changes nothing
  Duration keep;      // runs are kept while end ≥ newest − keep
  // `report: ended`: the newest run that is not kept by that is kept besides. A late event may join two runs of those
  // kept by time; then it is the newest that has ended.
  bool keeps_one_more = false;
  AccumulatorSet set;

  static RunLayout Lifetime(Duration ttl, Duration lateness) {
    return {.joins = ttl, .lateness = lateness, .keep = ttl + lateness, .set = {}};
  }
  // `skew`: a read may be that much before the row's newest event.
  static RunLayout Session(Duration gap, Duration lateness, Duration skew, bool ended) {
    return {.joins = gap - Duration{1},
            .lateness = lateness,
            .keep = gap + (ended ? std::max(lateness, skew) : lateness),
            .keeps_one_more = ended,
            .set = {}};
  }
};

// Keeps the runs that late events may join, and what a read may still ask for (RunLayout::keep, keeps_one_more). Borrows its
// layout. Not thread-safe; move-only.
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
