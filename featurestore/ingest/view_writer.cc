#include "featurestore/ingest/view_writer.h"

namespace freshet {
namespace {

std::vector<ProcessorView> ForProcessor(const std::vector<LoopView>& views) {
  std::vector<ProcessorView> result;
  for (const LoopView& view : views) result.push_back({view.id, view.layout});
  return result;
}

}  // namespace

ViewWriter::ViewWriter(const LoopContext& context, std::vector<LoopView> views,
                       ProcessorOptions options)
    : context_(context),
      views_(std::move(views)),
      processor_(context.source, ForProcessor(views_), context.store, context.clock,
                 std::move(options)),
      staged_(views_.size()) {}

NewestBefore ViewWriter::newest_before() const {
  return [this](size_t view, int32_t partition) {
    const PartitionProgress& progress = views_[view].progress;
    const auto found = progress.find(partition);
    return found == progress.end() ? std::nullopt : found->second.newest_event;
  };
}

StatusOr<size_t> ViewWriter::Decode(std::span<const SourceRecord> records, uint32_t incarnation,
                                    WriterBatch& batch) {
  batch.commit = std::make_unique<Commit>(context_.store);
  batch.prepared = false;
  return processor_.Decode(records, incarnation, batch.decoded, *batch.commit, batch.outcome);
}

Status ViewWriter::Write(WriterBatch& batch) {
  if (!batch.prepared) {
    RETURN_IF_ERROR(processor_.Apply(batch.decoded, newest_before(), *batch.commit, batch.outcome));
    StageBatch(batch.outcome, batch.ends, *batch.commit);
    batch.prepared = true;
  }
  return ApplyStaged(*batch.commit);
}

Status ViewWriter::Prepare(const LogBatch& batch, uint32_t incarnation) {
  auto commit = std::make_unique<Commit>(context_.store);
  RETURN_IF_ERROR(
      processor_.Process(batch.records, incarnation, newest_before(), *commit, outcome_));
  commit_ = std::move(commit);
  StageBatch(outcome_, batch.ends, *commit_);
  return OkStatus();
}

void ViewWriter::StageBatch(const BatchOutcome& outcome, const Positions& ends, Commit& commit) {
  for (PartitionProgress& staged : staged_) staged.clear();
  for (size_t v = 0; v < views_.size(); ++v) {
    for (const auto& [partition, stored] : views_[v].progress) {
      Progress progress = stored;
      const auto delta = outcome.partitions.find(partition);
      if (delta != outcome.partitions.end()) Pass(delta->second, progress);
      const auto end = ends.find(partition);
      if (end != ends.end()) PassEnd(end->second, progress);
      if (progress != stored) Stage(v, partition, progress, commit);
    }
  }
}

void ViewWriter::PrepareProgress(
    const std::function<bool(int32_t partition, Progress& progress)>& change) {
  commit_ = std::make_unique<Commit>(context_.store);
  outcome_ = BatchOutcome(views_.size());
  for (PartitionProgress& staged : staged_) staged.clear();
  for (size_t v = 0; v < views_.size(); ++v) {
    for (const auto& [partition, stored] : views_[v].progress) {
      Progress progress = stored;
      if (change(partition, progress)) Stage(v, partition, progress, *commit_);
    }
  }
}

void ViewWriter::Stage(size_t view, int32_t partition, const Progress& progress, Commit& commit) {
  staged_[view][partition] = progress;
  commit.Advance(views_[view].id, partition, progress);
}

Status ViewWriter::Apply() {
  RETURN_IF_ERROR(ApplyStaged(*commit_));
  commit_.reset();
  return OkStatus();
}

Status ViewWriter::ApplyStaged(Commit& commit) {
  RETURN_IF_ERROR(ApplyCommit(context_, commit));
  for (size_t v = 0; v < views_.size(); ++v) {
    for (const auto& [partition, progress] : staged_[v]) views_[v].progress[partition] = progress;
    staged_[v].clear();
  }
  return OkStatus();
}

void ViewWriter::Discard() {
  commit_.reset();
  for (PartitionProgress& staged : staged_) staged.clear();
}

std::vector<ViewId> ViewWriter::ids() const {
  std::vector<ViewId> ids;
  for (const LoopView& view : views_) ids.push_back(view.id);
  return ids;
}

void ViewWriter::Add(std::vector<LoopView> views) {
  for (LoopView& view : views) {
    processor_.AddView({view.id, view.layout});
    staged_.emplace_back();
    views_.push_back(std::move(view));
  }
}

}  // namespace freshet
