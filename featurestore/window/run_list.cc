#include "featurestore/window/run_list.h"

#include <algorithm>

#include "featurestore/aggregate/time_span.h"

namespace freshet {

void RunList::Evict(Timestamp newest) {
  const Timestamp edge = newest - layout_->keep;
  // Run `gone` goes if one after it goes too, or none is kept besides.
  const size_t spared = layout_->keeps_one_more ? 1 : 0;
  size_t gone = 0;
  while (gone + spared < runs_.size() && end(gone + spared) < edge) ++gone;
  runs_.DropFront(gone);
}

bool RunList::Add(const Event& event, Timestamp newest) {
  if (event.time < newest - layout_->lateness) return false;
  Evict(newest);
  const int64_t t = event.time.us;
  // Runs are further apart than what joins, so at most the last one that starts by t and the one after can be joined.
  const size_t after = runs_.LowerBound(t + 1);
  const bool joins_before = after > 0 && event.time - end(after - 1) <= layout_->joins;
  const bool joins_after = after < runs_.size() && start(after) - event.time <= layout_->joins;
  size_t run = after;
  if (joins_before) {
    run = after - 1;
    runs_.key(run).second = std::max(runs_.key(run).second, t);
    if (joins_after) {
      runs_.key(run).second = runs_.key(after).second;
      CombinePlan(layout_->set, layout_->set)
          .Run(runs_.accumulators(run), runs_.accumulators(after));
      runs_.Erase(after);
    }
  } else if (joins_after) {
    runs_.key(run).first = t;
  } else {
    runs_.Insert(run, {t, t});
  }
  layout_->set.Add(runs_.accumulators(run), event);
  return true;
}

// count | from the newest run to the oldest: start of the run after it − end (not of the newest, which ends at the
// row's newest event) | end − start | accumulators.
void RunList::Encode(ByteWriter& out, Timestamp newest) const {
  out.Varint(runs_.size());
  for (size_t i = runs_.size(); i-- > 0;) {
    if (i + 1 < runs_.size()) WriteTimeSpan(out, start(i + 1) - end(i));
    WriteTimeSpan(out, end(i) - start(i));
    layout_->set.Encode(runs_.accumulators(i), out, {i + 1 < runs_.size() ? end(i) : newest});
  }
}

void RunList::Decode(ByteReader& in, Timestamp newest) {
  const uint64_t count = in.Varint();
  // A row has seen an event, and the newest event is always in a run.
  if (count == 0 || count > in.remaining() / (1 + layout_->set.encoded_min())) return in.MarkBad();
  runs_.Fill(count);
  const Timestamp edge = newest - layout_->keep;
  Timestamp run_end = newest;
  for (size_t i = count; i-- > 0;) {
    if (i + 1 < count) {
      const Duration apart = ReadTimeSpan(in);
      if (apart <= layout_->joins) in.MarkBad();
      run_end = run_end - apart;
      if (run_end < edge && !(layout_->keeps_one_more && i == 0)) in.MarkBad();
    }
    const Duration length = ReadTimeSpan(in);
    if (length < Duration{}) in.MarkBad();
    if (!in.ok()) return;
    const Timestamp run_start = run_end - length;
    if (run_start < kMinEventTime) in.MarkBad();
    runs_.key(i) = {run_start.us, run_end.us};
    layout_->set.Decode(runs_.accumulators(i), in, {run_end});
    run_end = run_start;
  }
}

}  // namespace freshet
