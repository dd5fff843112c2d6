#include "featurestore/ingest/view_progress.h"

#include <algorithm>

namespace freshet {
namespace {

int64_t OrNoTime(const std::optional<Timestamp>& time) { return time ? time->us : kNoTime; }

void Raise(std::optional<Timestamp>& time, const std::optional<Timestamp>& to) {
  if (to && (!time || *time < *to)) time = to;
}

}  // namespace

Positions PositionsOf(const PartitionProgress& progress) {
  Positions positions;
  for (const auto& [partition, p] : progress) positions[partition] = p.next;
  return positions;
}

Progress BeginProgress(uint32_t incarnation, int64_t log_start, const Progress* before) {
  Progress progress;
  if (before != nullptr) progress = *before;
  progress.incarnation = incarnation;
  progress.next = log_start;
  progress.last.reset();
  // What came before is gone: earlier records of this log, or for a view that is new all of the log's earlier incarnations.
  if (log_start > 0 || (before == nullptr && incarnation > 0))
    progress.awaits_complete_since = true;
  return progress;
}

void Pass(const PartitionDelta& delta, Progress& progress) {
  progress.next = std::max(progress.next, delta.next);
  if (delta.last) progress.last = delta.last;
  Raise(progress.newest_event, delta.newest);
  Raise(progress.expiry_time, delta.newest);
  if (progress.awaits_complete_since && delta.first_accepted) {
    progress.awaits_complete_since = false;
    Raise(progress.complete_since, delta.first_accepted);
  }
}

void PassEnd(int64_t end, Progress& progress) { progress.next = std::max(progress.next, end); }

void NoteLoss(Progress& progress) { progress.awaits_complete_since = true; }

std::optional<Timestamp> ExpiryBound(const PartitionProgress& progress,
                                     const std::set<int32_t>& read_to_end) {
  std::optional<Timestamp> bound;
  for (const auto& [partition, p] : progress) {
    if (!p.expiry_time) {
      if (read_to_end.contains(partition)) continue;
      return std::nullopt;
    }
    if (!bound || *p.expiry_time < *bound) bound = p.expiry_time;
  }
  return bound;
}

std::optional<Timestamp> NewestEvent(const PartitionProgress& progress) {
  std::optional<Timestamp> newest;
  for (const auto& [partition, p] : progress) Raise(newest, p.newest_event);
  return newest;
}

std::optional<Timestamp> CompleteSince(const PartitionProgress& progress) {
  std::optional<Timestamp> since;
  for (const auto& [partition, p] : progress) Raise(since, p.complete_since);
  return since;
}

bool Reached(const PartitionProgress& progress, const Positions& ends) {
  return std::all_of(ends.begin(), ends.end(), [&](const auto& end) {
    const auto p = progress.find(end.first);
    return p != progress.end() && p->second.next >= end.second;
  });
}

void Watermark::Add(int32_t partition, std::optional<Timestamp> newest, Timestamp now) {
  partitions_[partition] = {newest, now};
}

void Watermark::Passed(int32_t partition, std::optional<Timestamp> newest, Timestamp now) {
  Partition& p = partitions_[partition];
  Raise(p.newest, newest);
  p.last_record = now;
}

std::optional<Timestamp> Watermark::At(Timestamp now) {
  std::optional<Timestamp> least;
  for (const auto& [number, p] : partitions_) {
    if (now - p.last_record >= idle_after_) continue;
    if (!p.newest) return watermark_;  // not idle, and nothing known of it
    if (!least || *p.newest < *least) least = p.newest;
  }
  if (!least && !watermark_) {
    // All idle since the start: what was stored.
    for (const auto& [number, p] : partitions_) {
      if (p.newest && (!least || *p.newest < *least)) least = p.newest;
    }
  }
  if (least) Raise(watermark_, *least - lateness_);
  return watermark_;
}

void PublishBuild(const LoopView& view, const Positions& ends, Timestamp now, Store& store) {
  uint64_t passed = 0;
  uint64_t total = 0;
  for (const auto& [partition, end] : ends) {
    const auto start = view.log_start.find(partition);
    const int64_t from = start == view.log_start.end() ? 0 : start->second;
    const auto progress = view.progress.find(partition);
    const int64_t next = progress == view.progress.end() ? from : progress->second.next;
    total += static_cast<uint64_t>(std::max<int64_t>(end - from, 0));
    passed += static_cast<uint64_t>(
        std::clamp<int64_t>(next - from, 0, std::max<int64_t>(end - from, 0)));
  }
  store.view_status(view.id).build.Set(passed, total, now);
}

void PublishView(const LoopView& view, const std::set<int32_t>& read_to_end,
                 std::optional<Timestamp> watermark, Store& store) {
  ViewStatus& status = store.view_status(view.id);
  status.complete_since_us = OrNoTime(CompleteSince(view.progress));
  status.watermark_us = OrNoTime(watermark);
  status.newest_event_us = OrNoTime(NewestEvent(view.progress));
  if (Reached(view.progress, view.ends_at_start)) status.caught_up = true;
  if (const auto bound = ExpiryBound(view.progress, read_to_end)) {
    store.SetExpiryBound(view.id, *bound);
  }
}

}  // namespace freshet
