// Each block begins with the sentence of docs/semantics.md that it is.
//
// Why nothing that was offered is ever dropped here, though a real row evicts: a read at q is answered only if
// q ≥ now − history, and no row is newer than now + max_future_skew (later events were refused; with
// `clock: event_time` skew is 0 and now is never less than the newest event). So N, the row's newest, is
// ≤ q + history + skew, and the eviction bound floor_h(N − W − history − skew) is ≤ floor_h(q − W), the lowest pane
// that a window of reach W covers at q. That is so for every h alike, since floor is monotonic, and at every earlier
// time too, since N only grows: whatever a row dropped or refused as late lies below every window that may
// still be asked for. (It rests on clocks: a broker whose LogAppendTime runs ahead of the server's wall clock can
// make N > now + skew; then a row may lack at the window's tail what the oracle still counts.) The exceptions
// are the places below that name newest: runs of events, rows, and which pane tells the row's age.
#include "featurestore/oracle/cover.h"

#include <algorithm>

#include "featurestore/oracle/calendar.h"

namespace freshet::oracle {
namespace {

// "floor_h(t) = the greatest multiple of h (plus `offset`) ≤ t"
Wide Floor(Wide t, Duration h, Duration offset) {
  const Wide from_offset = t - offset.us;
  Wide remainder = from_offset % h.us;
  if (remainder < 0) remainder += h.us;
  return t - remainder;
}

struct Span {
  Wide start;
  Wide end;
};

// "the running bucket", or with `report: completed` the one before it.
Span BucketAt(const Window& window, Wide q) {
  if (window.calendar != CalendarUnit::kNone) {
    // "`offset` moves every edge by that length of time."
    const Wide on_calendar = q - window.offset.us;
    Bucket bucket =
        BucketOf(window.calendar, window.time_zone, Timestamp{static_cast<int64_t>(on_calendar)});
    if (window.completed) {
      const Timestamp just_before = bucket.start - Duration{1};
      bucket = BucketOf(window.calendar, window.time_zone, just_before);
    }
    return {Wide{bucket.start.us} + window.offset.us, Wide{bucket.end.us} + window.offset.us};
  }
  Wide start = Floor(q, window.length, window.offset);
  if (window.completed) start -= window.length.us;
  return {start, start + window.length.us};
}

// Whether the event at `t` counts for a window with panes.
bool Covers(const Window& window, Wide t, const Reading& read, const Span& bucket) {
  const Wide own_pane =
      Floor(read.q, window.hop, window.offset);           // where the pane holding q starts
  const Wide pane = Floor(t, window.hop, window.offset);  // where the pane holding t starts
  // "At `now`, all applied events count up to the pane holding now".
  if (pane > own_pane) return false;
  // "With `as_of` q before the row's newest event, the pane holding q is left out".
  if (pane == own_pane && read.leave_out_own) return false;
  switch (window.kind) {
    case WindowKind::kSliding:  // "all panes from floor_h(q − W) to the one holding q"
      return pane >= Floor(read.q - window.length.us, window.hop, window.offset);
    case WindowKind::kHopping:  // "[floor_h(q) − W, floor_h(q))"
      return t >= own_pane - window.length.us && t < own_pane;
    default:
      // "[floor_W(q), q], the running bucket; with `report: completed` [floor_W(q) − W, floor_W(q))"
      return t >= bucket.start && t < bucket.end;
  }
}

void CoverPanes(const Window& window, const std::vector<RowEvent>& events, const Reading& read,
                Covered& covered) {
  Span bucket{};
  covered.length = window.length.us;
  if (window.kind == WindowKind::kTumbling) {
    bucket = BucketAt(window, read.q);
    covered.length = bucket.end - bucket.start;
  }
  for (const RowEvent& kept : events) {
    if (Covers(window, kept.event->time.us, read, bucket)) covered.events.push_back(kept.event);
  }
}

// "`sliding, exact: true`: (q − W, q]; of a row the `max_events` greatest by (time, partition, offset); degraded if
// the greatest that was dropped is > q − W".
void CoverExact(const Window& window, const std::vector<RowEvent>& events, const Reading& read,
                Covered& covered) {
  covered.length = window.length.us;
  const Wide after = read.q - window.length.us;
  const size_t dropped = events.size() > window.events ? events.size() - window.events : 0;
  if (dropped > 0) covered.degraded = events[dropped - 1].event->time.us > after;
  for (size_t i = dropped; i < events.size(); ++i) {
    const Wide t = events[i].event->time.us;
    if (t > after && t <= read.q) covered.events.push_back(events[i].event);
  }
}

// "`rows: n`: the n greatest by (time, partition, offset) of which none is older than newest − ttl".
void CoverRows(const FeatureView& view, const Window& window, const std::vector<RowEvent>& events,
               const Reading& read, Covered& covered) {
  size_t from = events.size() > window.events ? events.size() - window.events : 0;
  while (view.ttl && from < events.size() &&
         Wide{events[from].event->time.us} < Wide{read.newest.us} - view.ttl->us) {
    ++from;
  }
  for (; from < events.size(); ++from) covered.events.push_back(events[from].event);
}

using Run = std::vector<const Kept*>;

// Runs of events in the order of time. Neighbours further apart than `most` are of two runs.
std::vector<Run> RunsOf(const std::vector<RowEvent>& events, Wide most) {
  std::vector<Run> runs;
  const Kept* before = nullptr;
  for (const RowEvent& kept : events) {
    // "for them an event older than newest − lateness changes nothing and is late."
    if (kept.too_late_for_runs) continue;
    if (before == nullptr || Wide{kept.event->time.us} - before->time.us > most) {
      runs.emplace_back();
    }
    runs.back().push_back(kept.event);
    before = kept.event;
  }
  return runs;
}

// "`session`: the last run of events whose neighbours are closer than `gap`; empty once q − end ≥ gap (end = its last
// event). `report: ended` reports the newest run with q − end ≥ gap, if its end is not older than newest − ttl".
void CoverSession(const FeatureView& view, const Window& window,
                  const std::vector<RowEvent>& events, const Reading& read, Covered& covered) {
  const Wide gap = window.length.us;
  const auto has_ended = [&](const Run& run) { return read.q - run.back()->time.us >= gap; };
  std::vector<Run> runs = RunsOf(events, gap - 1);
  if (window.completed) {
    while (!runs.empty() && !has_ended(runs.back())) runs.pop_back();
    const auto expired = [&](const Run& run) {
      return view.ttl && Wide{run.back()->time.us} < Wide{read.newest.us} - view.ttl->us;
    };
    if (!runs.empty() && !expired(runs.back())) covered.events = runs.back();
  } else if (!runs.empty() && !has_ended(runs.back())) {
    covered.events = runs.back();
  }
}

// "`lifetime`: every event; in a view with a ttl, the last run of events whose neighbours are at most ttl apart".
void CoverLifetime(const FeatureView& view, const std::vector<RowEvent>& events, Covered& covered) {
  if (!view.ttl) {
    for (const RowEvent& kept : events) covered.events.push_back(kept.event);
    return;
  }
  const std::vector<Run> runs = RunsOf(events, view.ttl->us);
  if (!runs.empty()) covered.events = runs.back();
}

// "A row's event time as of q is, in a view with exact windows, that of its newest event at or before q (they hold it),
// also where that event is the greatest that `max_events` dropped; NOT_FOUND where nothing that is known is so old."
// Known are the events that exact windows can use, as far back as the longest and as many as the most asks for, those of
// `rows` windows, and of what would be of the former the greatest that is of neither.
std::optional<Timestamp> NewestKeptAsItIs(const FeatureView& view,
                                          const std::vector<RowEvent>& events,
                                          const Reading& read) {
  size_t of_exact = 0;
  size_t of_rows = 0;
  Wide reach = 0;
  for (const Feature& feature : view.features) {
    const Window& window = feature.window;
    if (window.kind == WindowKind::kRows) of_rows = std::max<size_t>(of_rows, window.events);
    if (window.kind != WindowKind::kExact) continue;
    of_exact = std::max<size_t>(of_exact, window.events);
    reach = std::max<Wide>(reach, window.length.us);
  }
  if (of_exact == 0) return std::nullopt;
  for (size_t greater = 0; greater < events.size(); ++greater) {
    const Timestamp t = events[events.size() - 1 - greater].event->time;
    const Wide age = Wide{read.newest.us} - t.us;
    const bool in_reach = age <= reach + view.history.us + view.max_future_skew.us;
    const bool of_rows_too = greater < of_rows && (!view.ttl || age <= view.ttl->us);
    const bool kept = (in_reach && greater < of_exact) || of_rows_too;
    if ((kept || in_reach) && t.us <= read.q) return t;
    if (!kept) break;
  }
  return std::nullopt;
}

}  // namespace

Reading ReadingOf(const AskedAt& asked, Timestamp newest) {
  // "One request has one now. `as_of` replaces it".
  if (asked.as_of) return {asked.as_of->us, *asked.as_of < newest, newest};
  return {asked.now.us, false, newest};
}

Covered Cover(const FeatureView& view, const Window& window, const std::vector<RowEvent>& events,
              const Reading& read) {
  Covered covered;
  switch (window.kind) {
    case WindowKind::kSliding:
    case WindowKind::kTumbling:
    case WindowKind::kHopping:
      CoverPanes(window, events, read, covered);
      break;
    case WindowKind::kExact:
      CoverExact(window, events, read, covered);
      break;
    case WindowKind::kRows:
      CoverRows(view, window, events, read, covered);
      break;
    case WindowKind::kSession:
      CoverSession(view, window, events, read, covered);
      break;
    case WindowKind::kLifetime:
      CoverLifetime(view, events, covered);
      break;
  }
  return covered;
}

std::optional<Timestamp> TimeOfRow(const FeatureView& view, const std::vector<RowEvent>& events,
                                   const Reading& read) {
  // "greatest event that touched its row"
  if (!read.leave_out_own) return read.newest;
  std::optional<Timestamp> seen;
  const auto see = [&seen](Timestamp t) { seen = std::max(seen.value_or(t), t); };
  if (const auto kept = NewestKeptAsItIs(view, events, read)) see(*kept);
  for (const Feature& feature : view.features) {
    const Window& window = feature.window;
    if (!window.has_panes()) continue;
    // "Row age and event times are then of the newest pane that ends at or before q; with none, NOT_FOUND. In a view
    // with history every pane keeps its greatest event time, and every event that touches the row makes its pane, also
    // where no feature counts it." And: "A row evicts panes that start before
    // floor_h(newest − W − history − max_future_skew)", W the longest window that shares the panes.
    const Duration hop = window.hop;
    const Duration offset = window.offset;
    Wide longest = 0;
    for (const Feature& other : view.features) {
      if (!other.window.has_panes() || other.window.hop != hop) continue;
      if ((other.window.offset.us - offset.us) % hop.us != 0) continue;
      longest = std::max<Wide>(longest, other.window.reach().us);
    }
    const Wide bound = Floor(
        Wide{read.newest.us} - longest - view.history.us - view.max_future_skew.us, hop, offset);
    for (const RowEvent& kept : events) {
      const Wide pane = Floor(kept.event->time.us, hop, offset);
      if (pane >= bound && pane + hop.us <= read.q) see(kept.event->time);
    }
  }
  return seen;
}

}  // namespace freshet::oracle
