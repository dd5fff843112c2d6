// The live loop of one source: reads what comes, for all views that are at the same place, and alone puts dead letters.
#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <vector>

#include "featurestore/ingest/handover.h"
#include "featurestore/ingest/ingest_loop.h"
#include "featurestore/ingest/loop_context.h"
#include "featurestore/ingest/source_plan.h"
#include "featurestore/ingest/verify.h"
#include "featurestore/ingest/view_writer.h"

namespace freshet {

// What a pass is made of.
struct PassPlan {
  std::vector<LoopView> views;
  std::shared_ptr<Handover> handover;
  uint32_t incarnation = 0;
  size_t passes = 1;  // of the source, which share what memory there is for them
};

class LiveLoop final : public IngestLoop {
 public:
  LiveLoop(const LoopContext& context, std::unique_ptr<LogSource> log, PollLimits limits = {});

  StepResult Begin() override;
  StepResult Step() override;

  // Passes for the views that the first Begin found behind; to be started by the caller, once.
  std::vector<PassPlan> TakePasses() { return std::move(passes_); }
  // Why it stopped.
  const LogVerdict& stop() const { return stop_; }
  const std::vector<LoopView>& views() const { return writer_->views(); }

 private:
  StatusOr<std::map<int32_t, LogBounds>> AskBounds();
  Status Plan(const std::map<int32_t, LogBounds>& bounds);
  Status Verify();
  // True while a pass has to be waited for.
  bool TakeHandovers();
  StepResult PollBatch();
  StepResult Commit();
  // Every 30 s: the log's ends for E, new partitions, refusals that the log has forgotten. Where it prepared a commit that is pending.
  StepResult Refresh();
  void AfterCommit();
  void Publish();
  // Over this loop and the passes that are not handed over yet.
  int64_t LeastNext(int32_t partition, int64_t mine) const;
  void MarkComplete();
  void ObserveFreshness();

  const LoopContext& context_;
  std::unique_ptr<LogSource> log_;
  const PollLimits limits_;
  uint32_t incarnation_ = 0;
  std::unique_ptr<ViewWriter> writer_;  // from the first Begin on
  std::vector<PassPlan> passes_;
  std::vector<std::shared_ptr<Handover>> handovers_;
  std::optional<std::chrono::steady_clock::time_point> held_since_;
  Watermark watermark_;
  Positions ends_at_start_;
  std::set<int32_t> read_to_end_;
  Positions log_ends_;  // as last heard
  std::map<int32_t, Timestamp> last_record_time_;
  bool caught_up_ = false;  // the log was read to its ends, and no full batch came since
  LogBatch batch_;
  bool batch_waits_ = false;  // polled, not yet prepared
  LogVerdict stop_;
  LogVerdict stop_after_commit_;
  std::optional<Timestamp> next_refresh_;
  std::optional<Timestamp> next_advisory_;
};

}  // namespace freshet
