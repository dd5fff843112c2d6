// The newest events of a row with the values that features read: for windows that keep events, `rows: n` and exact ones.
//
// One list serves all of a row's features: what each needs are its greatest events by (time, incarnation, partition,
// offset), some number of them and not older than some age, so the needs of all together are the greatest events too. What is
// kept depends on the events seen alone, in whatever order they came.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "featurestore/base/coding.h"
#include "featurestore/model/event.h"

namespace freshet {

struct EventLogLayout {
  struct Column {
    uint32_t field = 0;  // of the source
    Type type = Type::kDouble;
  };
  // What one feature needs: of the row's `events` greatest those that are not older than newest − keep.
  struct Need {
    uint32_t events = 0;
    std::optional<Duration> keep;  // none: of any age
    bool tells_drops = false;      // exact: whether an event was dropped that a window would cover
    friend bool operator==(const Need&, const Need&) = default;
  };

  std::vector<Column> columns;  // in the order of the fields' names
  std::vector<Need> needs;

  bool Keeps(size_t rank, Timestamp t, Timestamp newest) const;  // rank from 1, the greatest
  // False: older than what any feature keeps.
  bool Reaches(Timestamp t, Timestamp newest) const { return Keeps(1, t, newest); }
  // How far back a dropped event may matter; none: drops are not told.
  std::optional<Duration> drops_reach() const;
  uint32_t events_max() const;
  bool has_text() const;
  // Stored bytes of one event: the least, and what honest data reaches (texts counted as kAssumedTextBytes).
  uint64_t encoded_min() const { return 3 + columns.size(); }
  uint64_t encoded_max() const;
};

// Sorted, the oldest first. Borrows its layout; texts are borrowed from the bytes it was decoded from, or owned. Not
// thread-safe; move-only.
class EventLog {
 public:
  explicit EventLog(const EventLogLayout& layout) : layout_(&layout) {}

  // `newest` is the row's, this event counted. False: older than what any feature keeps; it changed nothing.
  bool Add(const Event& event, Timestamp newest);
  // Drops what no feature needs any more.
  void Trim(Timestamp newest);

  size_t size() const { return at_.size() - begin_; }
  const Position& at(size_t i) const { return at_[begin_ + i]; }
  // Into an event's fields: the values of the columns.
  void Restore(size_t i, std::span<Value> fields) const;
  // The first event that is not before t, or size().
  size_t LowerBound(Timestamp t) const;
  // The greatest time of an event that is not kept, as far as layout.drops_reach().
  std::optional<Timestamp> greatest_dropped() const { return dropped_; }

  // After Trim at `newest`.
  void Encode(ByteWriter& out, Timestamp newest) const;
  // Only when empty. Marks `in` bad where the bytes cannot be.
  void Decode(ByteReader& in, Timestamp newest);
  size_t memory_bytes() const;

 private:
  const Value* values(size_t i) const { return values_.data() + (begin_ + i) * columns(); }
  size_t columns() const { return layout_->columns.size(); }
  void Insert(size_t i, const Event& event);
  void DropFront();
  void NoteDrop(Timestamp t);

  const EventLogLayout* layout_;
  std::vector<Position> at_;
  std::vector<Value> values_;  // of each event its columns
  std::vector<std::unique_ptr<char[]>>
      texts_;         // of each event, where there are texts; null: borrowed
  size_t begin_ = 0;  // what stands before is gone, its memory not yet
  std::optional<Timestamp> dropped_;
};

}  // namespace freshet
