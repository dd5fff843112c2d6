#include "featurestore/ingest/catch_up_pass.h"

#include <algorithm>

#include "featurestore/ingest/pause_reasons.h"

namespace freshet {
namespace {

ProcessorOptions PassOptions(const LoopContext& context, uint64_t cache_bytes) {
  ProcessorOptions options;
  options.dead_letters = false;
  options.future = context.event_time_clock ? FutureRule::kNone : FutureRule::kRecorded;
  options.cache_bytes = cache_bytes;
  options.derived = context.derived;
  return options;
}

// None of `mine` lies beyond `live`.
bool NotBeyond(const Positions& mine, const Positions& live) {
  return mine.size() == live.size() &&
         std::all_of(mine.begin(), mine.end(), [&](const auto& position) {
           const auto limit = live.find(position.first);
           return limit != live.end() && position.second <= limit->second;
         });
}

int64_t Distance(const Positions& mine, const Positions& live) {
  int64_t distance = 0;
  for (const auto& [partition, offset] : mine) {
    distance += std::max<int64_t>(live.at(partition) - offset, 0);
  }
  return distance;
}

}  // namespace

CatchUpPass::CatchUpPass(const LoopContext& context, PassPlan plan, std::unique_ptr<LogSource> log,
                         PollLimits limits)
    : context_(context),
      handover_(std::move(plan.handover)),
      incarnation_(plan.incarnation),
      follows_(plan.follows),
      share_(plan.share),
      log_(std::move(log)),
      limits_(limits),
      writer_(context, std::move(plan.views),
              PassOptions(context, context.pass_cache_bytes / std::max<size_t>(plan.passes, 1))),
      topic_check_(context),
      watermark_(context.source.lateness, context.source.idle_after) {}

StepResult CatchUpPass::Begin() {
  batch_waits_ = false;
  handover_->SetNear(false);
  begun_ = !handover_->live().empty();
  if (!begun_) return {};
  // The live loop asked for the views that it feeds; whoever feeds these as well would be stopped by them.
  if (follows_ && !context_.every_gap_is_loss) {
    auto allowed = topic_check_.Ask(*log_);
    if (!allowed.ok()) return LogError(allowed.status());
    stop_ = *std::move(allowed);
    if (!stop_.ok()) return {};
  }
  std::map<int32_t, int64_t> lost;
  if (Status verified = Verify(lost); !verified.ok()) return LogError(std::move(verified));
  if (!stop_.ok()) return {};
  writer_.PrepareProgress([&](int32_t partition, Progress& progress) {
    if (const auto loss = lost.find(partition); loss != lost.end()) {
      progress.next = loss->second;
      NoteLoss(progress);
    }
    return true;
  });
  if (Status applied = writer_.Apply(); !applied.ok()) return StoreError(std::move(applied));
  const Timestamp now = context_.clock.Now();
  for (const auto& [partition, progress] : writer_.progress()) {
    watermark_.Add(partition, progress.newest_event, now);
  }
  read_too_far_ = true;  // nothing is assigned yet
  return {};
}

Status CatchUpPass::Verify(std::map<int32_t, int64_t>& lost) {
  std::map<int32_t, LogBounds> bounds;
  for (const auto& [partition, offset] : handover_->live()) {
    ASSIGN_OR_RETURN(bounds[partition], log_->Bounds(partition));
  }
  for (LoopView& view : writer_.mutable_views()) {
    RenewIncarnation(incarnation_, bounds, view);
    AddNewPartitions(incarnation_, bounds, view);
    view.log_start.clear();
    for (const auto& [partition, b] : bounds) view.log_start[partition] = b.start;
  }
  ASSIGN_OR_RETURN(const auto wrong,
                   VerifyPartitions(*log_, context_.source.topic, writer_.progress()));
  for (const auto& [partition, verdict] : wrong) {
    if (verdict.reason != pause_reasons::kRecordsLost) {
      stop_ = verdict;
      return OkStatus();
    }
    // The view goes on without them, and says since when it is complete.
    lost[partition] = bounds.at(partition).start;
    context_.log.Warn("pass_lost_records", verdict.detail, {{"source", context_.source.name}});
  }
  return OkStatus();
}

StepResult CatchUpPass::Step() {
  using std::chrono::steady_clock;
  const auto begin = steady_clock::now();
  if (begin < rests_until_) return {StepKind::kHeld, {}};
  StepResult result = Advance();
  if (result.kind == StepKind::kRead && share_ < 1) {
    const auto took = steady_clock::now() - begin;
    rests_until_ = steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(
                                             took * ((1 - share_) / share_));
  }
  return result;
}

void CatchUpPass::RaiseShare(int64_t distance, std::chrono::steady_clock::time_point now) {
  constexpr auto kJudgedEvery = std::chrono::seconds(10);
  if (share_ >= 1 || now < judged_at_ + kJudgedEvery) return;
  // Half a minute's way of what is left in ten seconds would do.
  const bool arrives = distance < distance_then_ - distance_then_ / 20;
  if (distance_then_ > 0 && !arrives) share_ = std::min(1.0, share_ * 1.5);
  judged_at_ = now;
  distance_then_ = distance;
}

StepResult CatchUpPass::Advance() {
  if (!stop_.ok()) return {StepKind::kStopped, {}};
  if (!begun_) {
    if (handover_->live().empty()) return {StepKind::kHeld, {}};
    if (StepResult begun = Begin(); !begun.ok()) return begun;
    if (!stop_.ok()) return {StepKind::kStopped, {}};
  }
  const Handover::State state = handover_->state();
  if (state == Handover::State::kTaken) return {StepKind::kDone, {}};
  if (state == Handover::State::kOffered) return {StepKind::kHeld, {}};
  if (!writer_.pending()) {
    if (!batch_waits_) {
      const Positions live = handover_->live();
      const Positions mine = PositionsOf(writer_.progress());
      if (mine.size() < live.size()) {
        return {StepKind::kLogError, Unavailable("topic {} has grown", context_.source.topic)};
      }
      const int64_t distance = Distance(mine, live);
      const bool near = NotBeyond(mine, live) && distance <= static_cast<int64_t>(limits_.records);
      handover_->SetNear(near);
      if (!near) RaiseShare(distance, std::chrono::steady_clock::now());
      if (near && !follows_) handover_->Request();
      if (mine == live) {
        if (follows_) return {StepKind::kHeld, {}};
        if (handover_->state() != Handover::State::kHeld) return {StepKind::kHeld, {}};
        std::vector<LoopView> views = writer_.views();
        return {handover_->Offer(mine, views) ? StepKind::kHeld : StepKind::kIdle, {}};
      }
      StepResult polled = PollBatch(live);
      if (polled.kind != StepKind::kRead) return polled;
    }
    const Status prepared = writer_.Prepare(batch_, incarnation_);
    if (!prepared.ok()) return {StepKind::kStoreError, prepared};
  }
  return Commit();
}

StepResult CatchUpPass::PollBatch(const Positions& live) {
  if (const Status assigned = AssignBehind(live); !assigned.ok()) {
    return {StepKind::kLogError, assigned};
  }
  if (assigned_.empty()) return {StepKind::kHeld, {}};
  PollLimits limits = limits_;
  limits.records = std::min(limits.records, writer_.records_that_fit());
  Status polled = log_->Poll(limits, batch_);
  if (!polled.ok()) return LogError(std::move(polled));
  const auto gaps = CheckGaps(*log_, context_.source.topic, PositionsOf(writer_.progress()),
                              context_.every_gap_is_loss, /*cut_at_loss=*/true, batch_);
  if (!gaps.ok()) return {StepKind::kLogError, gaps.status()};
  if (gaps->gaps > 0) {
    stop_ = topic_check_.AskAgain(*log_);
    if (!stop_.ok()) return {StepKind::kStopped, {}};
  }
  losses_ = gaps->losses;
  if (!gaps->lost.ok()) {
    context_.log.Warn("pass_lost_records", gaps->lost.detail, {{"source", context_.source.name}});
  }
  CutAt(live);
  if (batch_.records.empty() && batch_.ends.empty() && losses_.empty()) {
    return {StepKind::kIdle, {}};
  }
  batch_waits_ = true;
  return {StepKind::kRead, {}};
}

Status CatchUpPass::AssignBehind(const Positions& live) {
  Positions behind;
  bool assigned = true;
  for (const auto& [partition, offset] : PositionsOf(writer_.progress())) {
    if (offset >= live.at(partition)) continue;
    behind[partition] = offset;
    assigned = assigned && assigned_.contains(partition);
  }
  if (assigned && !read_too_far_) return OkStatus();
  assigned_.clear();
  RETURN_IF_ERROR(log_->Assign(behind));
  for (const auto& [partition, offset] : behind) assigned_.insert(partition);
  read_too_far_ = false;
  return OkStatus();
}

void CatchUpPass::CutAt(const Positions& live) {
  std::erase_if(batch_.records, [&](const SourceRecord& record) {
    const int64_t limit = live.at(record.partition);
    if (record.offset < limit) return false;
    // Everything before it was delivered: the partition is read up to the limit.
    batch_.ends[record.partition] = limit;
    read_too_far_ = true;
    return true;
  });
  for (auto& [partition, end] : batch_.ends) {
    const int64_t limit = std::max(live.at(partition), writer_.progress().at(partition).next);
    if (end <= limit) continue;
    end = limit;
    read_too_far_ = true;  // an end is told once: assigned anew, it is told again
  }
}

StepResult CatchUpPass::Commit() {
  const Status applied = writer_.Apply();
  if (!applied.ok()) return {StepKind::kStoreError, applied};
  const Timestamp now = context_.clock.Now();
  if (batch_waits_) {
    CountOutcome(context_, writer_.ids(), batch_.records.size(), batch_.bytes, writer_.outcome(),
                 /*live=*/false);
    for (const auto& [partition, delta] : writer_.outcome().partitions) {
      watermark_.Passed(partition, delta.newest, now);
    }
    for (const auto& [partition, end] : batch_.ends) read_to_end_.insert(partition);
    batch_waits_ = false;
  }
  handover_->Progressed(PositionsOf(writer_.progress()));
  const auto watermark = watermark_.At(now);
  const Positions live = handover_->live();
  for (const LoopView& view : writer_.views()) {
    PublishView(view, read_to_end_, watermark, context_.store);
    PublishBuild(view, live, now, context_.store);
  }
  if (!losses_.empty()) {
    const std::map<int32_t, int64_t> losses = std::exchange(losses_, {});
    writer_.PrepareProgress([&](int32_t partition, Progress& progress) {
      const auto loss = losses.find(partition);
      if (loss == losses.end()) return false;
      progress.next = loss->second;
      NoteLoss(progress);
      return true;
    });
    read_too_far_ = true;  // what stands behind the loss was cut
    return Commit();
  }
  return {StepKind::kRead, {}};
}

}  // namespace freshet
