// What goes from one stage of ingestion to the next: records are decoded into events with their rows' keys, and those are applied.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/base/arena.h"
#include "featurestore/expr/derived_fields.h"
#include "featurestore/model/event.h"
#include "featurestore/state/row_layout.h"
#include "featurestore/store/store.h"

namespace freshet {

struct ProcessorView {
  ViewId id;
  const RowLayout* layout = nullptr;
};

// Whose word it is that an event comes from the future (semantics.md, Time).
enum class FutureRule : uint8_t {
  kNone,  // clock: event_time: nobody's
  kDecide,  // what was recorded at an earlier reading, else the wall clock's, and what is refused is recorded
  kRecorded,  // read before: only what was recorded
};

struct ProcessorOptions {
  FutureRule future = FutureRule::kDecide;
  bool dead_letters = true;  // the live loop's alone
  // Every view of the source, whichever loop feeds it: an event that one of them can use is no dead letter.
  std::vector<const RowLayout*> all_views;
  uint64_t cache_bytes = 32ull << 20;
  // Of the source; none: it has no derived fields. Borrowed.
  const DerivedFields* derived = nullptr;
};

// What a batch did to the progress of a partition.
struct PartitionDelta {
  int64_t next = 0;
  std::optional<RecordFingerprint> last;
  std::optional<Timestamp> newest;          // greatest event time accepted
  std::optional<Timestamp> first_accepted;  // in the order of offsets
};

struct BatchOutcome {
  std::map<int32_t, PartitionDelta> partitions;
  uint64_t applied = 0;                  // events that changed a row
  std::array<uint64_t, 5> refused{};     // by Refusal
  uint64_t bad_as_null = 0;              // values taken as null by on_bad, of events not refused
  uint64_t expression_errors = 0;        // nulls of derived fields
  std::vector<uint64_t> skipped_no_key;  // by view
  std::vector<uint64_t> skipped_where;   // by view: the source's where, or its own
  std::vector<uint64_t> late;            // by view
  std::vector<uint64_t> duplicates;      // by view: the row remembered their id
  std::vector<uint64_t> forgotten_ids;   // by view: for want of room
  std::vector<uint64_t> deletes;         // by view: tombstones that were applied

  // Nothing yet, of so many views.
  explicit BatchOutcome(size_t views = 0)
      : skipped_no_key(views),
        skipped_where(views),
        late(views),
        duplicates(views),
        forgotten_ids(views),
        deletes(views) {}
};

// Of a view, by its place in the loop, the greatest event time accepted in a partition before the batch at hand.
using NewestBefore = std::function<std::optional<Timestamp>(size_t view, int32_t partition)>;

// Events and the keys of their rows. Owns all that they point to: the records may be gone. Reusable, for its memory.
struct DecodedBatch {
  struct ForRow {
    uint32_t event = 0;
    uint32_t key_begin = 0;  // in `keys`
    uint32_t key_size = 0;
    uint32_t next = 0;  // of the same row: kept by whoever applies them
    uint64_t hash = 0;  // RowCache::Hash
  };

  size_t records = 0;  // that it was decoded from, refused ones too
  std::vector<Event> events;
  std::vector<uint8_t> deletes;              // by event: a tombstone
  std::vector<std::vector<ForRow>> for_row;  // by view, in the order of the log
  std::string keys;

  std::string_view key(const ForRow& f) const { return {keys.data() + f.key_begin, f.key_size}; }
  void Clear(size_t views) {
    events.clear();
    deletes.clear();
    for_row.resize(views);
    for (std::vector<ForRow>& of_view : for_row) of_view.clear();
    keys.clear();
    texts.Clear();
    derived_texts.Clear();
  }

  // What the events borrow.
  std::vector<Value> values;
  TextArena texts;
  TextArena derived_texts;
};

}  // namespace freshet
