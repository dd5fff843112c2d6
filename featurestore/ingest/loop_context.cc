#include "featurestore/ingest/loop_context.h"

#include <chrono>

#include "featurestore/ingest/pause_reasons.h"

namespace freshet {

Status ApplyCommit(const LoopContext& context, Commit& commit) {
  const auto start = std::chrono::steady_clock::now();
  Status status = commit.Apply();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (status.ok()) context.all_metrics.ObserveCommit(took.count());
  return status;
}

std::string PauseReason(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kResourceExhausted:
      return pause_reasons::kDiskFull;
    case absl::StatusCode::kDataLoss:
      return pause_reasons::kDataDamaged;
    default:
      return pause_reasons::kCommitFailed;
  }
}

void CountOutcome(const LoopContext& context, const std::vector<ViewId>& views, uint64_t records,
                  uint64_t bytes, const BatchOutcome& outcome, bool live) {
  uint64_t repeated = 0;
  for (const auto& [partition, delta] : outcome.partitions) repeated += delta.repeated.size();
  for (size_t i = 0; i < views.size(); ++i) {
    const size_t index = context.MetricIndex(views[i]);
    context.metrics.CountSkipped(index, outcome.skipped_no_key[i]);
    context.metrics.CountFiltered(index, outcome.skipped_where[i]);
    context.metrics.CountLate(index, outcome.late[i]);
    context.metrics.CountDuplicates(index, outcome.duplicates[i]);
    context.metrics.CountRepeatedPushes(index, repeated);
    context.metrics.CountForgottenIds(index, outcome.forgotten_ids[i]);
    context.metrics.CountDeletes(index, outcome.deletes[i]);
    ViewStatus& status = context.store.view_status(views[i]);
    status.skipped_no_key.fetch_add(outcome.skipped_no_key[i], std::memory_order_relaxed);
    status.skipped_where.fetch_add(outcome.skipped_where[i], std::memory_order_relaxed);
    status.late_events.fetch_add(outcome.late[i], std::memory_order_relaxed);
  }
  if (!live) return;
  if (records > 0) context.metrics.CountBatch(records, bytes, outcome.applied);
  context.metrics.CountBadAsNull(outcome.bad_as_null);
  context.metrics.CountExpressionErrors(outcome.expression_errors);
  for (size_t reason = 0; reason < outcome.refused.size(); ++reason) {
    context.metrics.CountRefused(reason, outcome.refused[reason]);
  }
}

}  // namespace freshet
