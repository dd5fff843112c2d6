// The row: what one view keeps of one entity. Ingestion applies events to it, serving finishes its features
// at a time; the bytes between them are Freshet's stored format (docs/storage_format.md).
//
// Bytes: format number (1) | version tag (2) | newest event time (8, fixed) | delete's time, of format 2 | body. What stands
// before the body can be read without the layout (PeekTimes), which the compaction filter does.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "featurestore/base/status.h"
#include "featurestore/model/cell.h"
#include "featurestore/model/event.h"
#include "featurestore/state/row_layout.h"

namespace freshet {

inline constexpr uint8_t kRowFormat = 1;
inline constexpr uint8_t kRowFormatAfterDelete = 2;  // a delete came before what the body holds
inline constexpr uint8_t kRowFormatDeleted = 3;      // a delete came last: its time, and no body

// What an event did to a row.
enum class Applied : uint8_t {
  kChanged,    // at least one feature, or its place in time
  kLate,       // older than every feature of the view keeps: changed nothing
  kDuplicate,  // the row remembers its id (the source's `dedup`): changed nothing
};

// The time of a read. One request has one `now`; `as_of` replaces it for a row.
struct ReadTime {
  Timestamp now;
  std::optional<Timestamp> as_of;
  Timestamp at() const { return as_of.value_or(now); }
};

struct RowParts;

// One decoded row. Not thread-safe. Move-only; borrows its layout, which must outlive it.
class Row {
 public:
  explicit Row(const RowLayout& layout);  // of an entity never seen
  Row(Row&&) noexcept;
  Row& operator=(Row&&) noexcept;
  ~Row();

  // DATA_LOSS where the bytes are damaged, of a newer format, or of another version of the view.
  static StatusOr<Row> Decode(const RowLayout& layout, std::string_view bytes);
  // Folds, then appends the row's bytes. Equal rows have equal bytes.
  void Encode(std::string& out);

  // Each event once, in any order of time; what it does is decided by the event and the row's own newest event time alone.
  // The event must be for this view (its key is checked by the caller).
  Applied Apply(const Event& event);
  // Whether Apply would call it a duplicate.
  bool IsDuplicate(const Event& event) const;
  // Ids that were forgotten for want of room (max_ids), not of age, since the last call.
  uint64_t TakeForgottenIds();
  // Drops all that was applied. What is applied from here on counts; at an as_of before `time` the row does not say what it was.
  void Delete(Timestamp time);

  bool empty() const;                        // no event yet, or none since it was deleted
  std::optional<Timestamp> deleted() const;  // none: never, or longer ago than any as_of reaches
  Timestamp newest() const;  // greatest event time that touched it; meaningless when empty
  // The greatest event time that the row knows of as of the read: what its age counts from. None: nothing is known of that time.
  std::optional<Timestamp> EventTimeAsOf(const ReadTime& read) const;
  // Ask for the memory that Apply will touch, each step for what the one before it leads to: a row that was not used for a while
  // is in none of the processor's caches.
  void Prefetch() const { __builtin_prefetch(impl_.get()); }
  void PrefetchRings() const;
  void PrefetchPanes() const;
  size_t memory_bytes() const;  // of this decoded form, for budgets

  // One cell for each of `features` (indices in the view), with statuses, defaults and no leakage as semantics.md
  // says. Texts, lists and maps live as long as the row. Returns the row's event time as of the read (none: NOT_FOUND at that time). Const: never folds.
  std::optional<Timestamp> Finish(const ReadTime& read, std::span<const uint32_t> features,
                                  std::span<Cell> out) const;
  // The same, but an empty window is NULL_VALUE whatever its default.
  std::optional<Timestamp> FinishWithoutDefaults(const ReadTime& read,
                                                 std::span<const uint32_t> features,
                                                 std::span<Cell> out) const;

  struct Impl;
  RowParts parts() const;  // for explain.cc: row_parts.h

 private:
  explicit Row(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The answer for an entity that has no row: NOT_FOUND (or OUTSIDE_HISTORY) with defaults.
void FinishMissing(const RowLayout& layout, const ReadTime& read,
                   std::span<const uint32_t> features, std::span<Cell> out);

// Times of stored bytes, without their layout.
struct RowTimes {
  std::optional<Timestamp> newest;   // none: deleted, and no event since
  std::optional<Timestamp> deleted;  // none: never, or longer ago than anybody may ask
};
std::optional<RowTimes> PeekTimes(std::string_view bytes);  // nullopt where damaged
// The newest event time alone; nullopt where damaged, or where there is none.
std::optional<Timestamp> PeekNewest(std::string_view bytes);

}  // namespace freshet
