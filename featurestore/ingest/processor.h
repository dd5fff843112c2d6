// Records → Commit: decode, refuse, group by row, read the missing rows, apply. No threads, no Kafka, no clock of its own.
//
// In two stages, which may run beside each other on different batches: Decode (batch_decoder.h) and Apply.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/ingest/batch.h"
#include "featurestore/ingest/batch_decoder.h"
#include "featurestore/ingest/log_source.h"
#include "featurestore/ingest/row_cache.h"
#include "featurestore/state/row_layout.h"
#include "featurestore/store/store.h"

namespace freshet {

// Not thread-safe but for what is said of the stages. Borrows all but what it makes.
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

  // The first stage. Used by one thread, which may be another than that of Apply. `outcome` becomes this batch's.
  // Of `records` as many as fit the memory for derived text, nearly always all: returns how many.
  StatusOr<size_t> Decode(std::span<const SourceRecord> records, uint32_t incarnation,
                          DecodedBatch& batch, Commit& commit, BatchOutcome& outcome);
  // The second: batches in the order in which they were decoded. As Process of commit and of errors.
  Status Apply(DecodedBatch& batch, const NewestBefore& newest_before, Commit& commit,
               BatchOutcome& outcome);

  // Handed over by a pass, at a batch boundary: neither stage runs.
  void AddView(const ProcessorView& view);
  // So many records' rows fit the cache's budget, as far as batches have shown: rows can be thousands of times larger than events,
  // and all rows of a batch are held at once. Doubles at most from one batch to the next. May be asked beside Apply.
  size_t records_that_fit() const { return records_that_fit_; }
  // Bytes of decoded rows; may be asked beside Apply.
  uint64_t cached_bytes() const { return cached_bytes_; }

 private:
  struct Touched {
    uint64_t order;  // of the key, as far as it goes
    uint32_t slot;
    RowCache::Entry* entry;
  };

  Status ApplyPart(DecodedBatch& batch, const NewestBefore& newest_before, Commit& commit,
                   BatchOutcome& outcome);
  // Each event's row; those that are not cached are noted for one read.
  void FindRows(DecodedBatch& batch);
  Status FetchRows();
  void SortTouched();
  // All events of a row, then its bytes: while it is in the processor's cache.
  void ApplyRow(RowCache::Entry& entry, DecodedBatch& batch, const NewestBefore& newest_before,
                Commit& commit, BatchOutcome& outcome);
  void ApplyDelete(RowCache::Entry& entry, const Event& event, const NewestBefore& newest_before,
                   BatchOutcome& outcome);
  void LearnRowBytes(size_t records);

  const Source& source_;
  std::vector<ProcessorView> views_;
  Store& store_;
  const ProcessorOptions options_;
  BatchDecoder decoder_;
  RowCache cache_;
  std::atomic<size_t> records_that_fit_ = 1024;
  std::atomic<uint64_t> cached_bytes_ = 0;

  // Of the batch at hand; kept for their memory.
  DecodedBatch decoded_;  // Process's own
  uint64_t row_bytes_ = 0;
  std::vector<Touched> touched_;
  std::vector<RowCache::Entry*> fetched_;
  std::vector<uint8_t> changed_;  // by event
  RowReads reads_;
  std::string scratch_;
};

}  // namespace freshet
