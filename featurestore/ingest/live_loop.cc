#include "featurestore/ingest/live_loop.h"

#include <algorithm>
#include <utility>

namespace freshet {
namespace {

constexpr Duration kRefreshEvery = Duration::Seconds(30);
constexpr Duration kCountEvery = Duration::Seconds(5);
constexpr Duration kAdvisoryEvery = Duration::Seconds(5);
// A broker that has not heard yet that a topic was given more partitions says fewer for a moment.
constexpr Duration kGoneAfter = Duration::Seconds(5);
constexpr auto kHoldAtMost = std::chrono::seconds(10);
// Fewer are written by the time that another thread has begun.
constexpr size_t kOverlapFromRecords = 64;

}  // namespace

LiveLoop::LiveLoop(const LoopContext& context, std::unique_ptr<LogSource> log, PollLimits limits,
                   bool overlap)
    : context_(context),
      log_(std::move(log)),
      limits_(limits),
      overlap_(overlap),
      topic_check_(context),
      watermark_(context.source.lateness, context.source.idle_after),
      writing_(overlap) {}

LiveLoop::~LiveLoop() {
  if (writer_ == nullptr) return;
  context_.all_metrics.AddRowMemory(-counted_bytes_, -static_cast<double>(context_.cache_bytes));
}

StatusOr<std::map<int32_t, LogBounds>> LiveLoop::AskBounds() {
  ASSIGN_OR_RETURN(const int32_t partitions, log_->Partitions());
  std::map<int32_t, LogBounds> bounds;
  for (int32_t p = 0; p < partitions; ++p) {
    ASSIGN_OR_RETURN(bounds[p], log_->Bounds(p));
  }
  return bounds;
}

StepResult LiveLoop::Begin() {
  if (StepResult finished = Finish(); !finished.ok()) return finished;
  Forget();
  caught_up_ = false;
  ends_said_.clear();
  const auto bounds = AskBounds();
  if (!bounds.ok()) return LogError(bounds.status());
  if (!context_.every_gap_is_loss) {
    auto allowed = topic_check_.Ask(*log_);
    if (!allowed.ok()) return LogError(allowed.status());
    if (!allowed->ok()) {
      stop_ = *std::move(allowed);
      return {};
    }
  }
  if (writer_ == nullptr) {
    if (Status planned = Plan(*bounds); !planned.ok()) return StoreError(std::move(planned));
  } else {
    if (StepResult gone = LookForGone(*bounds); !gone.ok() || !stop_.ok()) return gone;
    for (LoopView& view : writer_->mutable_views()) AddNewPartitions(incarnation_, *bounds, view);
  }
  if (!stop_.ok()) return {};
  if (Status verified = Verify(); !verified.ok()) return LogError(std::move(verified));
  if (!stop_.ok()) return {};
  // Where reading begins is written down first: a view that was given a beginning keeps it.
  writer_->PrepareProgress([](int32_t, Progress&) { return true; });
  if (Status applied = writer_->Apply(); !applied.ok()) return StoreError(std::move(applied));

  const Positions positions = read_to_ = PositionsOf(writer_->progress());
  const Timestamp now = context_.clock.Now();
  for (const auto& [partition, b] : *bounds) {
    log_ends_[partition] = b.end;
    if (positions.at(partition) >= b.end) read_to_end_.insert(partition);
    watermark_.Add(partition, writer_->progress().at(partition).newest_event, now);
  }
  if (Status assigned = log_->Assign(positions); !assigned.ok()) {
    return LogError(std::move(assigned));
  }
  next_refresh_.reset();
  Publish();
  MarkComplete();
  return {};
}

StepResult LiveLoop::LookForGone(const std::map<int32_t, LogBounds>& bounds) {
  LogVerdict gone = PartitionsGone(context_.source.topic, writer_->progress(), bounds);
  if (gone.ok()) {
    gone_since_.reset();
    return {};
  }
  const Timestamp now = context_.clock.Now();
  if (!gone_since_) gone_since_ = now;
  if (now - *gone_since_ < kGoneAfter) {
    return LogError(MakeStatus(absl::StatusCode::kAborted, "{}", gone.detail));
  }
  stop_ = std::move(gone);
  return {};
}

Status LiveLoop::Plan(const std::map<int32_t, LogBounds>& bounds) {
  ASSIGN_OR_RETURN(incarnation_, FindIncarnation(context_));
  context_.store.source_status(context_.source.name).SetLogId(context_.log_id);
  ASSIGN_OR_RETURN(SourcePlan plan, PlanSource(context_, incarnation_, bounds));
  if (!plan.stop.ok()) {
    stop_ = plan.stop;
    return OkStatus();
  }
  ProcessorOptions options;
  options.cache_bytes = context_.cache_bytes;
  options.future = context_.event_time_clock ? FutureRule::kNone : FutureRule::kDecide;
  options.derived = context_.derived;
  for (const ProcessorView& view : context_.views) options.all_views.push_back(view.layout);
  writer_ = std::make_unique<ViewWriter>(context_, std::move(plan.live), options);
  context_.all_metrics.AddRowMemory(0, static_cast<double>(context_.cache_bytes));
  for (std::vector<LoopView>& views : plan.behind) {
    const auto handover = std::make_shared<Handover>();
    handover->Progressed(PositionsOf(views.front().progress));
    passes_.push_back({std::move(views), handover, incarnation_, plan.behind.size()});
    handovers_.push_back(handover);
  }
  for (const auto& [partition, b] : bounds) ends_at_start_[partition] = b.end;
  return OkStatus();
}

Status LiveLoop::Verify() {
  ASSIGN_OR_RETURN(const auto wrong,
                   VerifyPartitions(*log_, context_.source.topic, writer_->progress()));
  if (!wrong.empty()) stop_ = wrong.begin()->second;
  return OkStatus();
}

bool LiveLoop::TakeHandovers() {
  bool held = false, taken = false;
  // Positions stand still only while nothing is being written; one that was put just now waits for the next batch.
  if (context_.inbox != nullptr && written_ == nullptr) {
    for (auto& handover : context_.inbox->Take()) {
      handover->Publish(PositionsOf(writer_->progress()));
      handovers_.push_back(std::move(handover));
    }
  }
  for (auto& handover : handovers_) {
    if (handover->abandoned()) {
      handover.reset();
    } else if (handover->offered()) {
      writer_->Add(handover->Take());
      handover.reset();
      taken = true;
    } else if (handover->Hold()) {
      held = true;
    }
  }
  std::erase(handovers_, nullptr);
  if (taken) {
    Publish();
    MarkComplete();
  }
  if (!held) {
    held_since_.reset();
    return false;
  }
  const auto now = std::chrono::steady_clock::now();
  if (!held_since_) held_since_ = now;
  if (now - *held_since_ < kHoldAtMost) return true;
  held_since_.reset();
  bool offered = false;
  for (const auto& handover : handovers_) offered |= !handover->LetGo();
  return offered;
}

StepResult LiveLoop::Step() {
  if (!stop_.ok()) return {StepKind::kStopped, {}};
  if (write_failed_) return Finish();
  if (writer_->pending()) return CommitProgress();
  if (decoded_ == nullptr) {
    if (!polled_waits_) {
      StepResult read = ReadBatch();
      if (!polled_waits_) return read;
    }
    if (StepResult decoded = Decode(); !decoded.ok()) return decoded;
  }
  if (StepResult finished = Finish(); !finished.ok() || !stop_.ok()) return finished;
  const bool alone = !overlap_ || !handovers_.empty() || MustStop();
  Write(alone || decoded_->records < kOverlapFromRecords);
  return alone ? Finish() : StepResult{StepKind::kRead, {}};
}

StepResult LiveLoop::ReadBatch() {
  const uint64_t letters = context_.store.dead_letter_bytes(context_.source.name);
  context_.metrics.SetOutbox(letters, context_.outbox_bytes);
  const bool outbox_full = letters > context_.outbox_bytes - context_.outbox_bytes / 4;
  // What follows touches more than the log.
  const bool passes_begin = context_.inbox != nullptr && !context_.inbox->empty();
  const bool refresh = RefreshIsDue();  // asked once: the clock goes on
  if (outbox_full || refresh || !handovers_.empty() || passes_begin) {
    if (StepResult finished = Finish(); finished.kind != StepKind::kIdle) return finished;
  }
  if (TakeHandovers()) return {StepKind::kHeld, {}};
  if (outbox_full) return {StepKind::kOutboxFull, {}};
  if (refresh) {
    if (StepResult refreshed = Refresh(); !refreshed.ok() || !stop_.ok()) return refreshed;
  }
  if (StepResult grown = CountPartitions(); !grown.ok()) return grown;
  if (writer_->pending()) return CommitProgress();
  StepResult polled = PollBatch();
  // What a poll took before it failed is read again: the loop begins anew from what is committed.
  if (polled_waits_ || !polled.ok()) return polled;
  // There is nothing to do beside what is being written.
  if (StepResult finished = Finish(); finished.kind != StepKind::kIdle) return finished;
  Publish();       // lag and watermark move with the clock
  MarkComplete();  // the gate may have opened
  if (!MustStop()) return {StepKind::kIdle, {}};
  stop_ = stop_after_;
  return {StepKind::kStopped, {}};
}

StepResult LiveLoop::PollBatch() {
  PollLimits limits = limits_;
  limits.records = std::min(limits.records, writer_->records_that_fit());
  if (written_ != nullptr) limits.wait = {};
  Status polled = log_->Poll(limits, polled_);
  if (!polled.ok()) return LogError(std::move(polled));
  const bool full = polled_.records.size() >= limits.records || polled_.bytes >= limits.bytes;
  if (full) {
    caught_up_ = false;
    ends_said_.clear();
  }
  auto gaps = CheckGaps(*log_, context_.source.topic, read_to_, context_.every_gap_is_loss,
                        /*cut_at_loss=*/true, polled_);
  if (!gaps.ok()) return {StepKind::kLogError, gaps.status()};
  if (gaps->gaps > 0) {
    if (LogVerdict compacted = topic_check_.AskAgain(*log_); !compacted.ok()) {
      polled_.Clear();
      gaps->lost = std::move(compacted);
    }
  }
  stop_after_ = gaps->lost;
  polled_waits_ = !polled_.records.empty() || !polled_.ends.empty();
  polled_taken_ = 0;
  return {};
}

StepResult LiveLoop::Decode() {
  Batch& batch = written_ == batches_.data() ? batches_[1] : batches_[0];
  const std::span<const SourceRecord> left =
      std::span<const SourceRecord>(polled_.records).subspan(polled_taken_);
  const auto taken = writer_->Decode(left, incarnation_, batch.writer);
  if (!taken.ok()) return StoreError(taken.status());
  polled_taken_ += *taken;
  polled_waits_ = polled_taken_ < polled_.records.size();
  batch.records = *taken;
  batch.bytes = std::exchange(polled_.bytes, 0);
  batch.record_times.clear();
  for (const SourceRecord& record : left.first(*taken)) {
    batch.record_times.push_back(record.raw.record_time);
  }
  batch.writer.ends.clear();
  if (!polled_waits_) batch.writer.ends = std::move(polled_.ends);
  for (const auto& [partition, delta] : batch.writer.outcome.partitions) {
    read_to_[partition] = delta.next;
  }
  for (const auto& [partition, end] : batch.writer.ends) {
    read_to_[partition] = std::max(read_to_[partition], end);
  }
  decoded_ = &batch;
  CountMemory();
  return {};
}

void LiveLoop::Write(bool here) {
  written_ = std::exchange(decoded_, nullptr);
  writing_.Start([this, batch = written_] { return writer_->Write(batch->writer); }, here);
}

StepResult LiveLoop::Finish() {
  if (written_ == nullptr) return {};
  if (write_failed_) {
    writing_.Start([this] { return writer_->Write(written_->writer); }, /*here=*/true);
  }
  const Status written = writing_.Wait();
  write_failed_ = !written.ok();
  if (write_failed_) return {StepKind::kStoreError, written};
  const Batch& batch = *std::exchange(written_, nullptr);
  AfterCommit(batch);
  if (decoded_ == nullptr && MustStop()) {
    stop_ = stop_after_;
    return {StepKind::kStopped, {}};
  }
  return {batch.records > 0 ? StepKind::kRead : StepKind::kIdle, {}};
}

void LiveLoop::Forget() {
  if (decoded_ != nullptr) writer_->ForgetDecoded();
  polled_waits_ = false;
  decoded_ = nullptr;
  stop_after_ = {};
}

StepResult LiveLoop::CommitProgress() {
  const Status applied = writer_->Apply();
  if (!applied.ok()) return {StepKind::kStoreError, applied};
  AfterAnyCommit();
  return {};
}

void LiveLoop::AfterCommit(const Batch& batch) {
  const Timestamp now = context_.clock.Now();
  const BatchOutcome& outcome = batch.writer.outcome;
  for (const auto& [partition, delta] : outcome.partitions) {
    watermark_.Passed(partition, delta.newest, now);
    if (delta.last) last_record_time_[partition] = {delta.last->record_time_us};
    if (!delta.repeated.empty()) {
      context_.store.source_status(context_.source.name).NoteRepeated(partition, delta.repeated);
    }
  }
  for (const auto& [partition, end] : batch.writer.ends) {
    read_to_end_.insert(partition);
    log_ends_[partition] = std::max(log_ends_[partition], end);
    ends_said_[partition] = end;
  }
  if (caught_up_) ObserveFreshness(batch);
  if (!batch.writer.ends.empty() && ends_said_.size() == read_to_.size()) caught_up_ = true;
  CountOutcome(context_, writer_->ids(), batch.records, batch.bytes, outcome, /*live=*/true);
  if (std::any_of(outcome.refused.begin(), outcome.refused.end(),
                  [](uint64_t n) { return n > 0; }) &&
      context_.dead_letters_waiting) {
    context_.dead_letters_waiting();
  }
  AfterAnyCommit();
}

void LiveLoop::AfterAnyCommit() {
  Publish();
  MarkComplete();
  const Timestamp now = context_.clock.Now();
  if (!next_advisory_ || now >= *next_advisory_) {
    next_advisory_ = now + kAdvisoryEvery;
    log_->CommitAdvisory(PositionsOf(writer_->progress()));
  }
}

bool LiveLoop::RefreshIsDue() const {
  return !next_refresh_ || context_.clock.Now() >= *next_refresh_;
}

StepResult LiveLoop::Refresh() {
  const Timestamp now = context_.clock.Now();
  const bool first = !next_refresh_;
  next_refresh_ = now + kRefreshEvery;
  const auto bounds = AskBounds();
  if (!bounds.ok()) return LogError(bounds.status());
  next_count_ = now + kCountEvery;
  if (StepResult grown = HasGrown(bounds->size()); !grown.ok()) return grown;
  if (StepResult checked = CheckLog(*bounds); !checked.ok() || !stop_.ok()) return checked;
  for (const auto& [partition, b] : *bounds) {
    log_ends_[partition] = std::max(log_ends_[partition], b.end);
    if (first || b.start > 0) {
      Status pruned =
          context_.store.PruneRefusals(context_.source.name, incarnation_, partition, b.start);
      if (!pruned.ok()) return StoreError(std::move(pruned));
    }
  }
  if (context_.event_time_clock) return {};
  bool any = false;
  writer_->PrepareProgress([&](int32_t partition, Progress& progress) {
    if (progress.next != bounds->at(partition).end) return false;
    if (progress.expiry_time && *progress.expiry_time >= now) return false;
    progress.expiry_time = now;  // read before the end was asked
    return any = true;
  });
  if (!any) writer_->Discard();
  return {};
}

StepResult LiveLoop::CheckLog(const std::map<int32_t, LogBounds>& bounds) {
  if (context_.every_gap_is_loss) return {};
  stop_ = topic_check_.AskAgain(*log_);
  if (!stop_.ok()) return {StepKind::kStopped, {}};
  auto same = anchors_.Check(*log_, context_.source.topic, bounds, writer_->progress(), read_to_,
                             topic_check_.compacted());
  if (!same.ok()) return LogError(same.status());
  if (same->ok()) return {};
  // The stored place is told by a record of the new log. With one of the old, a start finds what is wrong, and so does reset-source.
  writer_->PrepareProgress([&](int32_t partition, Progress& progress) {
    const auto lost = anchors_.lost().find(partition);
    if (lost == anchors_.lost().end()) return false;
    progress.last = lost->second;
    return true;
  });
  const Status applied = writer_->Apply();
  if (!applied.ok()) writer_->Discard();  // found again at the next refresh
  if (!applied.ok()) return StoreError(applied);
  stop_ = *std::move(same);
  return {StepKind::kStopped, {}};
}

StepResult LiveLoop::CountPartitions() {
  const Timestamp now = context_.clock.Now();
  if (next_count_ && now < *next_count_) return {};
  next_count_ = now + kCountEvery;
  const auto partitions = log_->Partitions();
  // That the topic is gone, reading says half a minute later. Whether nobody answers, it says better.
  if (absl::IsNotFound(partitions.status())) return LogError(partitions.status());
  return partitions.ok() ? HasGrown(static_cast<size_t>(*partitions)) : StepResult{};
}

StepResult LiveLoop::HasGrown(size_t partitions) const {
  const size_t before = read_to_.size();
  if (partitions == before) return {};
  return LogError(Unavailable("topic {} has {} partitions now, {} before: beginning anew",
                              context_.source.topic, partitions, before));
}

int64_t LiveLoop::LeastNext(int32_t partition, int64_t mine) const {
  for (const auto& handover : handovers_) mine = std::min(mine, handover->PassNext(partition));
  return mine;
}

void LiveLoop::CountMemory() {
  const size_t queued =
      (written_ != nullptr ? written_->records : 0) + (decoded_ != nullptr ? decoded_->records : 0);
  context_.metrics.SetQueue(queued, batches_.size() * limits_.records);
  const auto cached = static_cast<double>(writer_->cached_bytes());
  context_.all_metrics.AddRowMemory(cached - counted_bytes_, 0);
  counted_bytes_ = cached;
}

void LiveLoop::Publish() {
  CountMemory();
  const auto watermark = watermark_.At(context_.clock.Now());
  SourceStatus& status = context_.store.source_status(context_.source.name);
  const PartitionProgress& progress = writer_->progress();
  for (const auto& [partition, p] : progress) {
    int64_t& end = log_ends_[partition];
    if (const auto known = log_->KnownEnd(partition)) end = std::max(end, *known);
    end = std::max(end, p.next);
    status.SetPartition(partition, {incarnation_, p.next, end, LeastNext(partition, p.next)});
    const auto last = last_record_time_.find(partition);
    const double behind = end > p.next && last != last_record_time_.end()
                              ? (context_.clock.Now() - last->second).seconds()
                              : 0;
    context_.metrics.SetLag(partition, static_cast<double>(end - p.next), std::max(behind, 0.0));
  }
  if (watermark) context_.metrics.SetWatermark(static_cast<double>(watermark->us) / 1e6);
  for (const LoopView& view : writer_->views()) {
    PublishView(view, read_to_end_, watermark, context_.store);
    if (view.complete_at) PublishBuild(view, log_ends_, context_.clock.Now(), context_.store);
    if (const auto since = CompleteSince(view.progress)) {
      context_.metrics.SetCompleteSince(context_.MetricIndex(view.id),
                                        static_cast<double>(since->us) / 1e6);
    }
  }
  const Positions positions = PositionsOf(progress);
  for (const auto& handover : handovers_) handover->Publish(positions);
  if (!status.caught_up_once && Reached(progress, ends_at_start_)) status.caught_up_once = true;
}

void LiveLoop::MarkComplete() {
  std::vector<LoopView>& views = writer_->mutable_views();
  const auto reached = [](const LoopView& view) {
    return !view.complete_at || Reached(view.progress, *view.complete_at);
  };
  if (context_.gate != nullptr && !context_.gate->may_complete) {
    // Views of passes are not there yet.
    context_.gate->reached = handovers_.empty() && std::all_of(views.begin(), views.end(), reached);
    return;
  }
  for (LoopView& view : views) {
    if (!view.complete_at || !reached(view)) continue;
    const std::string& name = view.layout->view().name;
    const Status marked = context_.store.MarkComplete(view.id);
    if (!marked.ok()) {
      // Asked again with the next step that finds nothing or commits.
      if (const std::string why(MessageOf(marked)); std::exchange(not_marked_, why) != why) {
        context_.log.Warn("view_complete_failed", why, {{"view", name}});
      }
      continue;
    }
    view.complete_at.reset();
    context_.store.view_status(view.id).complete = true;
    context_.log.Info("view_complete", "the view has caught up with the log and answers",
                      {{"view", name}, {"source", context_.source.name}});
  }
}

void LiveLoop::ObserveFreshness(const Batch& batch) {
  const Timestamp now = context_.clock.Now();
  std::vector<double> seconds;
  seconds.reserve(batch.record_times.size());
  for (const Timestamp time : batch.record_times) {
    if (time == kNoRecordTime) continue;
    seconds.push_back(std::max((now - time).seconds(), 0.0));
  }
  context_.metrics.ObserveFreshness(seconds);
}

}  // namespace freshet
