// The views of one loop and how far they are: a batch becomes one commit of rows and progress, which is applied until it is, and
// only then is the progress that everybody sees.
#pragma once

#include <memory>
#include <vector>

#include "featurestore/ingest/loop_context.h"
#include "featurestore/ingest/processor.h"
#include "featurestore/ingest/view_progress.h"

namespace freshet {

// A batch on its way through the two stages.
struct WriterBatch {
  DecodedBatch decoded;
  BatchOutcome outcome;
  Positions ends;  // of the log, behind its records
  std::unique_ptr<Commit> commit;
  bool prepared = false;  // the commit is whole
};

// Not thread-safe, but that Decode may run beside Write: of different batches, which are written in the order of their decoding.
// Borrows the context.
class ViewWriter {
 public:
  ViewWriter(const LoopContext& context, std::vector<LoopView> views, ProcessorOptions options);

  // The first stage: `records`, or as many of them as fit the memory for derived text. Returns how many.
  StatusOr<size_t> Decode(std::span<const SourceRecord> records, uint32_t incarnation,
                          WriterBatch& batch);
  // The second: rows, progress, commit. On error nothing was written; the same call is to be made again until it succeeds.
  Status Write(WriterBatch& batch);

  // Both, but for applying the commit. Works out the commit of `batch`: pending() from then on. On error nothing is pending; the same call may be made again.
  Status Prepare(const LogBatch& batch, uint32_t incarnation);
  // A commit of progress alone: `change` is given each view's stored progress of each partition and says whether it differs.
  void PrepareProgress(const std::function<bool(int32_t partition, Progress& progress)>& change);
  bool pending() const { return commit_ != nullptr; }
  // Applies what is pending. On error it stays pending: to be called again, with the same bytes.
  Status Apply();
  // Forgets a pending commit of progress alone; one of a batch has changed cached rows and must be applied.
  void Discard();

  // May be asked beside Write.
  size_t records_that_fit() const { return processor_.records_that_fit(); }
  uint64_t cached_bytes() const { return processor_.cached_bytes(); }

  // As committed.
  const std::vector<LoopView>& views() const { return views_; }
  std::vector<LoopView>& mutable_views() { return views_; }
  // All views of a loop stand at the same offsets.
  const PartitionProgress& progress() const { return views_.front().progress; }
  std::vector<ViewId> ids() const;
  // Of the batch prepared last.
  const BatchOutcome& outcome() const { return outcome_; }

  // At a batch boundary.
  void Add(std::vector<LoopView> views);

 private:
  NewestBefore newest_before() const;
  void StageBatch(const BatchOutcome& outcome, const Positions& ends, Commit& commit);
  Status ApplyStaged(Commit& commit);
  void Stage(size_t view, int32_t partition, const Progress& progress, Commit& commit);

  const LoopContext& context_;
  std::vector<LoopView> views_;
  Processor processor_;
  std::unique_ptr<Commit> commit_;         // pending
  std::vector<PartitionProgress> staged_;  // by view: what it makes of their progress
  BatchOutcome outcome_;
};

}  // namespace freshet
