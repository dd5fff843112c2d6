// A pass: reads the log from where views stand that are behind (new, rebuilt) up to the live loop, for them alone, and hands them
// over. It puts no dead letters, decides no refusal, and never reads beyond what the live loop has committed.
#pragma once

#include <chrono>
#include <memory>
#include <set>

#include "featurestore/ingest/handover.h"
#include "featurestore/ingest/ingest_loop.h"
#include "featurestore/ingest/live_loop.h"
#include "featurestore/ingest/loop_context.h"
#include "featurestore/ingest/topic_check.h"
#include "featurestore/ingest/view_writer.h"

namespace freshet {

class CatchUpPass final : public IngestLoop {
 public:
  CatchUpPass(const LoopContext& context, PassPlan plan, std::unique_ptr<LogSource> log,
              PollLimits limits = {});

  StepResult Begin() override;
  // Rests between batches, where the plan gives it a share of the time.
  StepResult Step() override;

  // Why it stopped.
  const LogVerdict& stop() const { return stop_; }

 private:
  StepResult Advance();
  // Where it does not come nearer to the live loop at its share of the time, it takes more.
  void RaiseShare(int64_t distance, std::chrono::steady_clock::time_point now);
  // Fills where records are gone: partition → the log's start.
  Status Verify(std::map<int32_t, int64_t>& lost);
  StepResult PollBatch(const Positions& live);
  // The partitions in which the live loop is ahead, where they are not what is read: others' records would only be cut again, and
  // could fill every batch.
  Status AssignBehind(const Positions& live);
  // Takes out what the live loop has not committed, and notes where that reached.
  void CutAt(const Positions& live);
  StepResult Commit();

  const LoopContext& context_;
  std::shared_ptr<Handover> handover_;
  const uint32_t incarnation_;
  const bool follows_;
  double share_;
  std::chrono::steady_clock::time_point rests_until_;
  std::chrono::steady_clock::time_point judged_at_;
  int64_t distance_then_ = 0;
  std::unique_ptr<LogSource> log_;
  const PollLimits limits_;
  ViewWriter writer_;
  TopicCheck topic_check_;
  Watermark watermark_;
  std::set<int32_t> read_to_end_;
  LogBatch batch_;
  bool batch_waits_ = false;
  // Records were cut: to be read again once the live loop has passed them.
  bool read_too_far_ = false;
  bool begun_ = false;  // else the live loop had not said where it stands
  std::set<int32_t> assigned_;
  std::map<int32_t, int64_t> losses_;  // of the batch at hand
  LogVerdict stop_;
};

}  // namespace freshet
