// The ids of events that were applied to a row: by them an event that a producer sent twice is known (semantics.md, Producers that
// send twice).
//
// An id is a 64-bit hash of the fields that the source's `dedup` names: two ids of n in a list share one with probability n² / 2^65.
// Kept are those whose event is not older than the row's newest − within, and of these the max_ids greatest by time, of equal times
// those that were applied last. So what is kept depends on the events and their order alone, not on batches.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "featurestore/base/coding.h"
#include "featurestore/base/status.h"
#include "featurestore/model/source.h"

namespace freshet {

class IdListLayout {
 public:
  // None where the source does not say `dedup`. Fails only on what declare should have refused (Internal).
  static StatusOr<std::optional<IdListLayout>> Of(const Source& source);

  // None where one of the fields is null: such an event has no id, and is never a duplicate.
  std::optional<uint64_t> IdOf(std::span<const Value> fields) const;
  Duration within() const { return dedup_.within; }
  uint32_t max_ids() const { return dedup_.max_ids; }
  // Stored bytes of a list of so many ids.
  uint64_t encoded_max(uint64_t ids) const;

 private:
  explicit IdListLayout(Dedup dedup) : dedup_(std::move(dedup)) {}
  Dedup dedup_;
};

// Borrows its layout. Not thread-safe; move-only as its row is.
class IdList {
 public:
  explicit IdList(const IdListLayout& layout) : layout_(&layout) {}

  // Whether an event at `t` with this id was applied already. `newest` is what the row's would be with that event.
  bool Holds(uint64_t id, Timestamp t, Timestamp newest) const;
  // Remembers the id of an event that was applied; `newest` is the row's, this event counted. Returns how many ids it forgot for want
  // of room: their duplicates will count.
  uint32_t Add(uint64_t id, Timestamp t, Timestamp newest);
  // Forgets what is too old.
  void Evict(Timestamp newest);
  size_t size() const { return entries_.size() - begin_; }

  // After Evict at `newest`.
  void Encode(ByteWriter& out, Timestamp newest) const;
  // Only when empty. Marks `in` bad where the bytes cannot be.
  void Decode(ByteReader& in, Timestamp newest);
  size_t memory_bytes() const { return entries_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    uint64_t id = 0;
    Timestamp time;
  };
  void DropFront(size_t count);

  const IdListLayout* layout_;
  std::vector<Entry> entries_;  // by time; of equal times in the order in which they were applied
  size_t begin_ = 0;            // what stands before is gone, its memory not yet
};

}  // namespace freshet
