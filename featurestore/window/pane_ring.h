// Panes of one hop, sparse and sorted, and the chain of rings through which they age.
//
// A chain's rings are ordered finest first; each hop divides the next and offsets agree, so that no window's
// edge cuts a finer pane. An event changes the finest ring that keeps its time; a pane that falls below its ring's edge moves
// into the next ring that still keeps it; below the last edge it is dropped. What is kept depends on the row's own
// newest event time alone.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "featurestore/aggregate/accumulator_set.h"
#include "featurestore/base/coding.h"
#include "featurestore/model/event.h"
#include "featurestore/window/accumulator_table.h"
#include "featurestore/window/window_kind.h"

namespace freshet {

struct RingLayout {
  PaneGrid grid;
  Duration keep;             // the longest reach it serves, history and skew
  bool keeps_times = false;  // history: each pane keeps its greatest event time
  AccumulatorSet set;        // what windows of this ring and of coarser ones of its chain need

  Timestamp Edge(Timestamp newest) const { return EvictionEdge(grid, newest, keep); }
};

// Borrows its layout. Not thread-safe; move-only.
class PaneRing {
 public:
  explicit PaneRing(const RingLayout& layout) : layout_(&layout), panes_(layout.set) {}

  const RingLayout& layout() const { return *layout_; }
  size_t size() const { return panes_.size(); }
  Timestamp start(size_t i) const { return layout_->grid.Start(panes_.key(i).first); }
  // Greatest event time in the pane; where times are not kept, the pane's start stands for it.
  Timestamp newest(size_t i) const { return {panes_.key(i).second}; }
  const std::byte* accumulators(size_t i) const { return panes_.accumulators(i); }
  // The first pane that starts at or after t.
  size_t LowerBound(Timestamp t) const;

  // The event's time is not below the ring's edge. Makes no pane where nothing would be in it.
  void Add(const Event& event);
  // Pane i of `from`, a finer ring of the chain.
  void Absorb(const PaneRing& from, size_t i, const CombinePlan& plan);
  void DropFront(size_t count) { panes_.DropFront(count); }

  // The ring was folded at `newest`.
  void Encode(ByteWriter& out, Timestamp newest) const;
  // Only when empty. Marks `in` bad where the bytes cannot be.
  void Decode(ByteReader& in, Timestamp newest);
  size_t memory_bytes() const { return panes_.memory_bytes(); }
  // Asks for the memory of the pane that an event of now changes.
  void PrefetchNewest() const { panes_.PrefetchLast(); }

 private:
  // The pane that holds t; made where it is missing.
  size_t Touch(Timestamp t, Timestamp event_time);

  const RingLayout* layout_;
  AccumulatorTable panes_;
};

// Which rings of a row form a chain.
struct ChainLayout {
  uint32_t begin = 0;  // ring indices, finest first
  uint32_t end = 0;
  // From ring i into ring j, i < j, both counted from begin: folds[i][j].
  std::vector<std::vector<CombinePlan>> folds;
};

// `rings` are those of the chain. False: the event is older than every ring keeps and changed nothing.
bool AddToChain(std::span<PaneRing> rings, const Event& event, Timestamp newest);
void FoldChain(const ChainLayout& layout, std::span<PaneRing> rings, Timestamp newest);
// The greatest event time over panes that end at or before q, as if the chain were folded at `newest`.
std::optional<Timestamp> NewestEndedBy(std::span<const PaneRing> rings, Timestamp q,
                                       Timestamp newest);

}  // namespace freshet
