// How far a loop's views have read: what a batch does to the stored progress of each of them, and what follows from it for
// serving (watermark, now, expiry bound, completeness).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "featurestore/ingest/log_source.h"
#include "featurestore/ingest/processor.h"
#include "featurestore/state/row_layout.h"
#include "featurestore/store/store.h"

namespace freshet {

using PartitionProgress = std::map<int32_t, Progress>;

struct LoopView {
  ViewId id;
  const RowLayout* layout = nullptr;
  PartitionProgress progress;
  // The log's ends that it has to reach before it answers; none: it answers.
  std::optional<Positions> complete_at;
  // As stored; empty once a writer has taken them.
  std::map<int32_t, ProducerMarks> producers;
  Positions ends_at_start;  // of the log: who has reached them is as far as it was before a stop
  Positions
      log_start;  // what the log held at first: where the building of a view that is not complete began
};

Positions PositionsOf(const PartitionProgress& progress);

// Progress of a partition that a view has never read in this incarnation, before its first record at `log_start`.
// `before`: what it read of the log's earlier incarnation, whose rows it keeps.
Progress BeginProgress(uint32_t incarnation, int64_t log_start, const Progress* before);

// The records of a batch were passed.
void Pass(const PartitionDelta& delta, Progress& progress);
// The log ended at `end`, and everything before it was delivered.
void PassEnd(int64_t end, Progress& progress);
// Records in front of `next` are gone from the log: what is complete begins with the next event.
void NoteLoss(Progress& progress);

// E of semantics.md: the least over partitions of the greatest event time accepted, or of the wall clock read at the log's end.
// A partition in `read_to_end` that never had a record contributes nothing; one that was not read yet leaves no bound.
std::optional<Timestamp> ExpiryBound(const PartitionProgress& progress,
                                     const std::set<int32_t>& read_to_end);

// Greatest event time accepted; none yet: nullopt.
std::optional<Timestamp> NewestEvent(const PartitionProgress& progress);
// None: complete since ever.
std::optional<Timestamp> CompleteSince(const PartitionProgress& progress);

// Everything before each of `ends` was passed.
bool Reached(const PartitionProgress& progress, const Positions& ends);

// The watermark of one source: min over its non-idle partitions of (greatest event time − lateness). Never goes back; where all
// are idle it stands. Not thread-safe.
class Watermark {
 public:
  Watermark(Duration lateness, Duration idle_after)
      : lateness_(lateness), idle_after_(idle_after) {}
  // Every partition once, when reading begins.
  void Add(int32_t partition, std::optional<Timestamp> newest, Timestamp now);
  void Passed(int32_t partition, std::optional<Timestamp> newest, Timestamp now);
  std::optional<Timestamp> At(Timestamp now);

 private:
  struct Partition {
    std::optional<Timestamp> newest;
    Timestamp last_record;  // wall clock
  };
  Duration lateness_;
  Duration idle_after_;
  std::map<int32_t, Partition> partitions_;
  std::optional<Timestamp> watermark_;
};

// How far a view that is not complete has come on its way to `ends`, for people.
void PublishBuild(const LoopView& view, const Positions& ends, Timestamp now, Store& store);

// What serving sees of a view.
void PublishView(const LoopView& view, const std::set<int32_t>& read_to_end,
                 std::optional<Timestamp> watermark, Store& store);

}  // namespace freshet
