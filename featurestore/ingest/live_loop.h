// The live loop of one source: reads what comes, for all views that are at the same place, and alone puts dead letters.
//
// A batch is read and decoded while the one before it is applied and committed. Nothing else overlaps: whatever else touches the
// store, the progress or the views (a handover, a refresh, beginning anew) waits until nothing is being written.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "featurestore/ingest/handover.h"
#include "featurestore/ingest/ingest_loop.h"
#include "featurestore/ingest/log_anchors.h"
#include "featurestore/ingest/loop_context.h"
#include "featurestore/ingest/side_thread.h"
#include "featurestore/ingest/source_plan.h"
#include "featurestore/ingest/topic_check.h"
#include "featurestore/ingest/verify.h"
#include "featurestore/ingest/view_writer.h"

namespace freshet {

// What a pass is made of.
struct PassPlan {
  std::vector<LoopView> views;
  std::shared_ptr<Handover> handover;
  uint32_t incarnation = 0;
  size_t passes = 1;  // of the source, which share what memory there is for them
  // Never hands over: the views are of a declaration that is not served yet.
  bool follows = false;
  double share = 1;  // of the time: between batches it rests for the others
};

class LiveLoop final : public IngestLoop {
 public:
  // `overlap`: writes have a thread of their own. Without, each Step ends with its batch committed.
  LiveLoop(const LoopContext& context, std::unique_ptr<LogSource> log, PollLimits limits = {},
           bool overlap = false);
  ~LiveLoop() override;

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
  // Of partitions that were read: an error at first, and where they stay away for a while the end.
  StepResult LookForGone(const std::map<int32_t, LogBounds>& bounds);
  Status Verify();
  // A batch that was decoded, until it is committed. Holds nothing of the log's.
  struct Batch {
    WriterBatch writer;
    size_t records = 0;
    uint64_t bytes = 0;
    std::vector<Timestamp> record_times;
  };

  // True while a pass has to be waited for.
  bool TakeHandovers();
  // polled_, where polled_waits_ then. Else why there is nothing.
  StepResult ReadBatch();
  StepResult PollBatch();
  // The next of what was polled: decoded_.
  StepResult Decode();
  // decoded_ becomes written_.
  void Write(bool here);
  // Waits until nothing is being written. kRead: a batch with records was. An error: it has to be called again.
  StepResult Finish();
  StepResult CommitProgress();
  // Drops what was read and is not being written.
  void Forget();
  // What was read ends before a loss, and all of it was decoded.
  bool MustStop() const { return !polled_waits_ && !stop_after_.ok(); }
  bool RefreshIsDue() const;
  // Every 30 s: whether it is the same log still, and compacted; its ends for E, refusals that it has forgotten. Where it prepared a
  // commit that is pending.
  StepResult Refresh();
  // Of Refresh.
  StepResult CheckLog(const std::map<int32_t, LogBounds>& bounds);
  // Every 5 s, and then beside what is being written: new partitions.
  StepResult CountPartitions();
  StepResult HasGrown(size_t partitions) const;
  void AfterCommit(const Batch& batch);
  void AfterAnyCommit();
  // Of the queue between the stages, and of decoded rows.
  void CountMemory();
  void Publish();
  // Over this loop and the passes that are not handed over yet.
  int64_t LeastNext(int32_t partition, int64_t mine) const;
  // Views that have caught up, once the gate is open.
  void MarkComplete();
  void ObserveFreshness(const Batch& batch);

  const LoopContext& context_;
  std::unique_ptr<LogSource> log_;
  const PollLimits limits_;
  const bool overlap_;
  uint32_t incarnation_ = 0;
  std::unique_ptr<ViewWriter> writer_;  // from the first Begin on
  std::vector<PassPlan> passes_;
  std::vector<std::shared_ptr<Handover>> handovers_;
  std::optional<std::chrono::steady_clock::time_point> held_since_;
  TopicCheck topic_check_;
  LogAnchors anchors_;
  Watermark watermark_;
  Positions ends_at_start_;
  std::set<int32_t> read_to_end_;
  Positions log_ends_;  // as last heard
  std::map<int32_t, Timestamp> last_record_time_;
  // Where Poll said that partitions end, since the last full batch: what open transactions hold back lies behind it.
  Positions ends_said_;
  bool caught_up_ = false;  // the log was read to its ends, and no full batch came since
  LogBatch polled_;
  size_t polled_taken_ = 0;    // so many of its records were decoded
  bool polled_waits_ = false;  // some of it was not
  Positions read_to_;          // behind all that was decoded
  LogVerdict stop_;
  LogVerdict stop_after_;         // what was polled ends before a loss
  std::array<Batch, 2> batches_;  // by turns
  Batch* decoded_ = nullptr;      // one of them, to be written next
  Batch* written_ = nullptr;      // the other, since Write and until Finish
  bool write_failed_ = false;
  std::optional<Timestamp> gone_since_;
  std::string not_marked_;  // why a view could not be marked complete, as it was said last
  std::optional<Timestamp> next_refresh_;
  std::optional<Timestamp> next_count_;  // of partitions
  std::optional<Timestamp> next_advisory_;
  double counted_bytes_ = 0;
  SideThread writing_;  // last: ends before what its job uses
};

}  // namespace freshet
