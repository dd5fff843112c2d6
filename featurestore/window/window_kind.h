// What each kind of window covers, and how long its panes are kept. A kind with panes is these functions; sessions
// and lifetime with a ttl are run lists (run_list.h), rows and exact read an event log (event_log.h).
#pragma once

#include "featurestore/base/time.h"
#include "featurestore/base/time_zone.h"
#include "featurestore/model/feature_view.h"

namespace freshet {

// Where panes begin and end: half-open [start, start + hop), start a multiple of hop plus offset.
struct PaneGrid {
  Duration hop;
  Duration offset;  // in [0, hop)

  Timestamp Floor(Timestamp t) const { return FloorTo(t, hop, offset); }
  // Of the pane that holds t; consecutive panes have consecutive numbers.
  int64_t Index(Timestamp t) const { return (Floor(t).us - offset.us) / hop.us; }
  Timestamp Start(int64_t index) const { return {index * hop.us + offset.us}; }
  friend bool operator==(const PaneGrid&, const PaneGrid&) = default;
};

// `window` has panes.
PaneGrid GridOf(const Window& window);

// Panes that start in [begin, end). Both are starts of panes of the window's grid, so that a finer grid of the
// same chain is cut cleanly too.
struct PaneRange {
  Timestamp begin;
  Timestamp end;
};

// The panes that `window` covers when read at q. `ended_only`: the read is an as_of before the row's newest event, so that
// the pane holding q is left out (no leakage). `window` has panes and is of no calendar; q within ±2^62.
PaneRange CoveredPanes(const Window& window, Timestamp q, bool ended_only);
// The same of a calendar's buckets: their edges are found here, at the read, so that what is stored does not depend on
// the rules of time zones. An edge inside a pane (zones of a century ago) counts from that pane's start.
PaneRange CoveredCalendarPanes(const Window& window, const TimeZone& zone, Timestamp q,
                               bool ended_only);

// The panes of calendar buckets: zones of our time differ from UTC by multiples of it.
inline constexpr Duration kCalendarHop = Duration::Minutes(15);
// The longest bucket: clocks go back by up to 3 hours (Antarctica/Casey).
Duration LongestBucket(CalendarUnit unit);

// The oldest pane start that a ring keeps: floor(newest − keep), keep = longest reach + history + skew.
inline Timestamp EvictionEdge(const PaneGrid& grid, Timestamp newest, Duration keep) {
  return grid.Floor(newest - keep);
}

// The hop of a window that declares none: about a twenty-fourth of its length, from a list of round durations; of tumbling
// and hopping windows one that divides the length. A tumbling window without history needs one pane a bucket.
Duration DefaultHop(const Window& window, Duration history);

}  // namespace freshet
