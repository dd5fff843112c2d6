// The views of one loop and how far they are: a batch becomes one commit of rows and progress, which is applied until it is, and
// only then is the progress that everybody sees.
#pragma once

#include <memory>
#include <vector>

#include "featurestore/ingest/loop_context.h"
#include "featurestore/ingest/processor.h"
#include "featurestore/ingest/view_progress.h"

namespace freshet {

// Not thread-safe. Borrows the context.
class ViewWriter {
 public:
  ViewWriter(const LoopContext& context, std::vector<LoopView> views, ProcessorOptions options);

  // Works out the commit of `batch`: pending() from then on. On error nothing is pending; the same call may be made again.
  Status Prepare(const LogBatch& batch, uint32_t incarnation);
  // A commit of progress alone: `change` is given each view's stored progress of each partition and says whether it differs.
  void PrepareProgress(const std::function<bool(int32_t partition, Progress& progress)>& change);
  bool pending() const { return commit_ != nullptr; }
  // Applies what is pending. On error it stays pending: to be called again, with the same bytes.
  Status Apply();
  // Forgets a pending commit of progress alone; one of a batch has changed cached rows and must be applied.
  void Discard();

  size_t records_that_fit() const { return processor_.records_that_fit(); }

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
  void Stage(size_t view, int32_t partition, const Progress& progress);

  const LoopContext& context_;
  std::vector<LoopView> views_;
  Processor processor_;
  std::unique_ptr<Commit> commit_;         // pending
  std::vector<PartitionProgress> staged_;  // by view: what it makes of their progress
  BatchOutcome outcome_;
};

}  // namespace freshet
