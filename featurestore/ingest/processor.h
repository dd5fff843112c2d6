// Records → Commit: decode, refuse, group by row, read the missing rows, apply. No threads, no Kafka, no clock of its own.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/decode/decoder.h"
#include "featurestore/expr/derived_fields.h"
#include "featurestore/ingest/log_source.h"
#include "featurestore/ingest/producer_sequences.h"
#include "featurestore/ingest/row_cache.h"
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
  std::vector<ProducerChange> producers;
  std::vector<int64_t> repeated;  // offsets of pushes that were passed before, and are dropped
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

// Not thread-safe. Borrows all but what it makes.
class Processor {
 public:
  Processor(const Source& source, std::vector<ProcessorView> views, Store& store,
            const Clock& clock, ProcessorOptions options);

  // `newest_before` says when deletes happen with `clock: event_time`.
  // Puts rows, dead letters and refusals of `records` into `commit`; progress is the caller's. After success the commit has to be
  // applied, again and again until it is: the cached rows are already what it writes. On error the commit is to be thrown away;
  // the next call reads the rows anew.
  Status Process(std::span<const SourceRecord> records, uint32_t incarnation,
                 const NewestBefore& newest_before, Commit& commit, BatchOutcome& outcome);

  // What was stored of who sends with producer id and sequence: of each view, before the first batch.
  void LoadProducers(const std::map<int32_t, ProducerMarks>& stored);

  // Handed over by a pass, at a batch boundary.
  void AddView(const ProcessorView& view);
  // So many records' rows fit the cache's budget, as far as batches have shown: rows can be thousands of times larger than events,
  // and all rows of a batch are held at once. Doubles at most from one batch to the next.
  size_t records_that_fit() const { return records_that_fit_; }

 private:
  struct Touched {
    uint32_t event;
    RowCache::Entry* entry;
  };

  // From record `begin` on as many as fit the memory for derived text; returns where it stopped.
  StatusOr<size_t> DecodeSome(std::span<const SourceRecord> records, size_t begin,
                              uint32_t incarnation, Commit& commit, BatchOutcome& outcome);
  // A push that was passed before.
  bool IsRepeated(const SourceRecord& record, const Coordinates& at, PartitionDelta& delta);
  // Fills the derived of `fields`. Of their texts those that a view reads are kept until the next DecodeSome, others are null: text
  // that is made of an event can be thousands of times larger than it.
  uint32_t Derive(std::span<Value> fields);
  void NoteFieldsRead(const FeatureView& view);
  // Whether an earlier reading refused this record.
  StatusOr<bool> WasRefused(const Coordinates& at);
  bool Usable(const Event& event) const;
  // What a tombstone lacks to delete anything; none: it is noted.
  std::optional<std::string> NoteDelete(Event& event, const PartitionDelta& delta);
  void ApplyDelete(const Touched& touched, uint32_t view, const NewestBefore& newest_before,
                   BatchOutcome& outcome);
  // Whether the event is refused as of the future; what decides it is recorded in `commit`.
  StatusOr<bool> InFuture(const SourceRecord& record, const Coordinates& at, Timestamp time,
                          Commit& commit);
  void Refuse(const SourceRecord& record, const Coordinates& at, Refusal refusal,
              std::string detail, Commit& commit, BatchOutcome& outcome);
  Status FindRows(std::span<const SourceRecord> records, Commit& commit, BatchOutcome& outcome);
  Status FetchRows();
  void ApplyEvents(const NewestBefore& newest_before, BatchOutcome& outcome);
  // Bytes of the decoded rows that were changed or read.
  uint64_t WriteRows(Commit& commit);
  void LearnRowBytes(size_t records, uint64_t row_bytes);

  const Source& source_;
  std::vector<ProcessorView> views_;
  Store& store_;
  const Clock& clock_;
  const ProcessorOptions options_;
  std::unique_ptr<Decoder> decoder_;
  RowCache cache_;
  std::map<int32_t, ProducerSequences> producers_;  // by partition
  size_t records_that_fit_ = 1024;
  Timestamp now_;  // at the batch's first reading
  // By partition, the last offset that an earlier reading refused (-1: none); beyond it there is nothing to look up.
  std::map<int32_t, int64_t> last_refused_;

  // Of the batch at hand; kept for their memory.
  TextArena arena_;
  TextArena derived_texts_;
  uint64_t derived_text_bytes_ = 0;
  Scratch scratch_texts_;            // of the event at hand
  std::vector<bool> field_is_read_;  // by field: some view needs its value
  std::vector<Value> values_;
  std::vector<Event> events_;
  std::vector<uint32_t> record_of_;            // by event
  std::vector<bool> deletes_;                  // by event: a tombstone
  std::vector<std::vector<Touched>> touched_;  // by view, in the order of the log
  std::vector<RowCache::Entry*> fetched_;
  RowReads reads_;
  std::string scratch_;
  std::vector<Value> key_values_;
};

}  // namespace freshet
