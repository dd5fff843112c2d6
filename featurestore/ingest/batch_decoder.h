// The first stage of ingestion: records → events with the keys of their rows. Touches neither rows nor progress, so that it can run
// beside the stage that does. No threads of its own.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/decode/decoder.h"
#include "featurestore/ingest/batch.h"
#include "featurestore/ingest/log_source.h"
#include "featurestore/ingest/producer_sequences.h"

namespace freshet {

// Not thread-safe. Borrows all but what it makes.
class BatchDecoder {
 public:
  BatchDecoder(const Source& source, const std::vector<ProcessorView>& views, Store& store,
               const Clock& clock, const ProcessorOptions& options);

  // What was stored of who sends with producer id and sequence: of each view, before the first batch.
  void LoadProducers(const std::map<int32_t, ProducerMarks>& stored);
  // A batch's first reading: the wall clock that decides what is of the future. What was decoded since KeepProducers is forgotten.
  void Begin();
  // From record `begin` on as many as fit the memory for derived text; returns where it stopped. Puts dead letters and refusals
  // into `commit`, and into `outcome` what is known before rows are.
  StatusOr<size_t> Decode(std::span<const SourceRecord> records, size_t begin, uint32_t incarnation,
                          DecodedBatch& batch, Commit& commit, BatchOutcome& outcome);
  // The batch was decoded to its end, and will be written: puts what it changes of the producers into `outcome`.
  void KeepProducers(BatchOutcome& outcome);
  // It will not be written after all: its records are read again.
  void ForgetDecoded();
  void AddView(const ProcessorView& view);

 private:
  // Of the partition that the record at hand is of: looked up once a run of records.
  struct AtHand {
    int32_t partition = -1;
    PartitionDelta* delta = nullptr;
    int64_t* last_refused = nullptr;  // null: not known yet
  };

  // A push that was passed before: whatever became of the first, it is dropped.
  bool IsRepeated(const SourceRecord& record, const Coordinates& at);
  Status DecodeOne(const SourceRecord& record, const Coordinates& at, std::span<Value> fields,
                   DecodedBatch& batch, Commit& commit, BatchOutcome& outcome);
  // The keys of the rows that the event is for; a dead letter where there are none.
  void AddForRows(const SourceRecord& record, const Event& event, bool tombstone,
                  DecodedBatch& batch, Commit& commit, BatchOutcome& outcome);
  // Fills the derived of `fields`. Of their texts those that a view reads are kept, others are null: text that is made of an event
  // can be thousands of times larger than it.
  uint32_t Derive(std::span<Value> fields, TextArena& texts);
  static void NoteLast(std::span<const SourceRecord> records, BatchOutcome& outcome);
  void NoteFieldsRead(const FeatureView& view);
  // Whether an earlier reading refused this record.
  StatusOr<bool> WasRefused(const Coordinates& at);
  bool Usable(const Event& event) const;
  // What a tombstone lacks to delete anything; none: it can.
  std::optional<std::string> LacksForDelete() const;
  // Whether the event is refused as of the future; what decides it is recorded in `commit`.
  StatusOr<bool> InFuture(const SourceRecord& record, const Coordinates& at, Timestamp time,
                          Commit& commit);
  // Of a copy of a record that another server refused as of the future: the record itself counts here, since its time had come when
  // it was read. Where it is of another partition it may not have been read yet: it will be accepted, as the copy's time, which is
  // its own, has come. What the log no longer holds is as good as refused (Store::IsRefused), so no copy is dropped for that.
  StatusOr<bool> OriginalCounts(const SourceRecord& record, const Coordinates& at) const;
  void Refuse(const SourceRecord& record, const Coordinates& at, Refusal refusal,
              std::string detail, Commit& commit, BatchOutcome& outcome) const;

  struct View {
    ViewId id;
    const FeatureView* view = nullptr;
    bool can_delete = false;
  };

  const Source& source_;
  std::vector<View> views_;
  Store& store_;
  const Clock& clock_;
  const ProcessorOptions& options_;
  std::unique_ptr<Decoder> decoder_;
  Timestamp now_;
  // By partition, the last offset that an earlier reading refused (-1: none); beyond it there is nothing to look up.
  std::map<int32_t, int64_t> last_refused_;
  // Refused as of the future in this batch, and in the one before it, which may not be written yet when this one is decoded.
  std::set<Coordinates> refused_;
  std::set<Coordinates> refused_kept_;
  std::map<int32_t, ProducerSequences> producers_;  // by partition
  AtHand at_hand_;
  uint64_t derived_text_bytes_ = 0;
  Scratch scratch_texts_;            // of the event at hand
  std::vector<bool> field_is_read_;  // by field: some view needs its value
  std::vector<Value> key_values_;
};

}  // namespace freshet
