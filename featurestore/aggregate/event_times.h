// The time of the first or the last event, whatever is in it.
#pragma once

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/time_span.h"

namespace freshet {

template <bool kLatest>
struct EventTime {
  Timestamp time;
  bool any = false;

  void Add(const Value&, const Position& at) { Include(at.time); }
  void Combine(const EventTime& b) {
    if (b.any) Include(b.time);
  }
  void CombineBorrowed(const EventTime& b) { Combine(b); }
  void Encode(ByteWriter& out, const CodingContext& context) const {
    WriteOptionalTimeSpan(out, any, time - context.base);
  }
  void Decode(ByteReader& in, const CodingContext& context) {
    Duration span;
    any = ReadOptionalTimeSpan(in, span);
    if (!any) return;
    time = context.base + span;
    if (!IsEventTime(time)) in.MarkBad();
  }
  size_t heap_bytes() const { return 0; }

 private:
  void Include(Timestamp t) {
    if (!any || (kLatest ? t > time : t < time)) time = t;
    any = true;
  }
};

}  // namespace freshet
