#include "featurestore/window/pane_ring.h"

#include <algorithm>

#include "featurestore/aggregate/time_span.h"

namespace freshet {

size_t PaneRing::LowerBound(Timestamp t) const {
  // `t - 1` so that a t inside a pane gives the next one.
  return panes_.LowerBound(layout_->grid.Index(t - Duration{1}) + 1);
}

size_t PaneRing::Touch(Timestamp t, Timestamp event_time) {
  const int64_t index = layout_->grid.Index(t);
  // Most events fall into the newest pane, or begin it.
  size_t i = panes_.size();
  if (i > 0 && panes_.key(i - 1).first >= index) {
    --i;
    if (panes_.key(i).first != index) i = panes_.LowerBound(index);
  }
  const int64_t time = layout_->keeps_times ? event_time.us : layout_->grid.Start(index).us;
  if (i == panes_.size() || panes_.key(i).first != index) {
    panes_.Insert(i, {index, time});
  } else {
    panes_.key(i).second = std::max(panes_.key(i).second, time);
  }
  return i;
}

void PaneRing::Add(const Event& event) {
  if (!layout_->keeps_times && !layout_->set.Reads(event)) return;
  const size_t i = Touch(event.time, event.time);
  layout_->set.Add(panes_.accumulators(i), event);
}

void PaneRing::Absorb(const PaneRing& from, size_t i, const CombinePlan& plan) {
  // What this ring does not need makes no pane here, as if the event had come here at once.
  if (!layout_->keeps_times && !plan.Changes(from.accumulators(i))) return;
  const size_t into = Touch(from.start(i), from.newest(i));
  plan.Run(panes_.accumulators(into), from.accumulators(i));
}

// count | from the newest pane to the oldest: how many panes before the last one (of the first: before the one that
// holds the row's newest event) less one | greatest event time − start, where kept | accumulators.
void PaneRing::Encode(ByteWriter& out, Timestamp newest) const {
  out.Varint(panes_.size());
  int64_t expected = layout_->grid.Index(newest);
  for (size_t i = panes_.size(); i-- > 0;) {
    const AccumulatorTable::Key& key = panes_.key(i);
    const Timestamp begin = layout_->grid.Start(key.first);
    out.Varint(static_cast<uint64_t>(expected - key.first));
    expected = key.first - 1;
    if (layout_->keeps_times) WriteTimeSpan(out, Timestamp{key.second} - begin);
    layout_->set.Encode(panes_.accumulators(i), out, {begin});
  }
}

void PaneRing::Decode(ByteReader& in, Timestamp newest) {
  const uint64_t count = in.Varint();
  if (count == 0) return;
  int64_t expected = layout_->grid.Index(newest);
  const int64_t oldest = layout_->grid.Index(layout_->Edge(newest));
  // Before memory is taken: neither more panes than fit the ring nor than the bytes can hold.
  const uint64_t bytes_min = 1 + (layout_->keeps_times ? 1 : 0) + layout_->set.encoded_min();
  if (count > static_cast<uint64_t>(expected - oldest) + 1 || count > in.remaining() / bytes_min) {
    return in.MarkBad();
  }
  panes_.Fill(count);
  for (size_t i = count; i-- > 0;) {
    const uint64_t skipped = in.Varint();
    if (expected < oldest || skipped > static_cast<uint64_t>(expected - oldest)) in.MarkBad();
    if (!in.ok()) return;
    const int64_t index = expected - static_cast<int64_t>(skipped);
    expected = index - 1;
    const Timestamp begin = layout_->grid.Start(index);
    Timestamp greatest = begin;
    if (layout_->keeps_times) {
      const Duration span = ReadTimeSpan(in);
      if (span < Duration{} || span >= layout_->grid.hop) in.MarkBad();
      greatest = begin + span;
      if (greatest > newest) in.MarkBad();
    }
    panes_.key(i) = {index, greatest.us};
    layout_->set.Decode(panes_.accumulators(i), in, {begin});
  }
}

namespace {

// The finest of `rings`, from number `from` on, that keeps what starts at t.
size_t RingFor(std::span<const PaneRing> rings, size_t from, Timestamp t, Timestamp newest) {
  size_t r = from;
  while (r < rings.size() && t < rings[r].layout().Edge(newest)) ++r;
  return r;
}

}  // namespace

bool AddToChain(std::span<PaneRing> rings, const Event& event, Timestamp newest) {
  const size_t r = RingFor(rings, 0, event.time, newest);
  if (r == rings.size()) return false;
  rings[r].Add(event);
  return true;
}

void FoldChain(const ChainLayout& layout, std::span<PaneRing> rings, Timestamp newest) {
  for (size_t r = 0; r < rings.size(); ++r) {
    const Timestamp edge = rings[r].layout().Edge(newest);
    size_t left = 0;
    while (left < rings[r].size() && rings[r].start(left) < edge) {
      const size_t to = RingFor(rings, r + 1, rings[r].start(left), newest);
      if (to < rings.size()) rings[to].Absorb(rings[r], left, layout.folds[r][to]);
      ++left;
    }
    rings[r].DropFront(left);
  }
}

std::optional<Timestamp> NewestEndedBy(std::span<const PaneRing> rings, Timestamp q,
                                       Timestamp newest) {
  std::optional<Timestamp> greatest;
  for (size_t r = 0; r < rings.size(); ++r) {
    for (size_t i = rings[r].size(); i-- > 0;) {
      const Timestamp start = rings[r].start(i);
      if (start >= q) continue;
      const size_t kept_by = RingFor(rings, r, start, newest);
      if (kept_by == rings.size()) break;  // what is older is not kept either
      const PaneGrid& grid = rings[kept_by].layout().grid;
      if (grid.Floor(start) + grid.hop > q) continue;
      greatest = std::max(greatest.value_or(Timestamp::Min()), rings[r].newest(i));
    }
  }
  return greatest;
}

}  // namespace freshet
