#include "featurestore/window/window_kind.h"

#include <array>

namespace freshet {
namespace {

constexpr std::array kRoundHops = {
    Duration::Days(1),    Duration::Hours(12),   Duration::Hours(6),    Duration::Hours(3),
    Duration::Hours(1),   Duration::Minutes(30), Duration::Minutes(10), Duration::Minutes(5),
    Duration::Minutes(1), Duration::Seconds(30), Duration::Seconds(10), Duration::Seconds(5),
    Duration::Seconds(1),
};
constexpr int64_t kPanesAimedAt = 24;

}  // namespace

PaneGrid GridOf(const Window& window) {
  return {window.hop, Duration{window.offset.us % window.hop.us}};
}

PaneRange CoveredPanes(const Window& window, Timestamp q, bool ended_only) {
  const PaneGrid grid = GridOf(window);
  const Timestamp current = grid.Floor(q);
  const Timestamp end = ended_only ? current : current + window.hop;
  switch (window.kind) {
    case WindowKind::kSliding:
      return {grid.Floor(q - window.length), end};
    case WindowKind::kTumbling: {
      const Timestamp bucket = FloorTo(q, window.length, window.offset);
      if (window.completed) return {bucket - window.length, bucket};
      return {bucket, end};
    }
    case WindowKind::kHopping:
      return {current - window.length, current};
    case WindowKind::kSession:
    case WindowKind::kRows:
    case WindowKind::kExact:
    case WindowKind::kLifetime:
      break;  // no panes
  }
  return {};
}

namespace {

CivilUnit UnitOf(CalendarUnit unit) {
  return unit == CalendarUnit::kDay    ? CivilUnit::kDay
         : unit == CalendarUnit::kWeek ? CivilUnit::kWeek
                                       : CivilUnit::kMonth;
}

}  // namespace

PaneRange CoveredCalendarPanes(const Window& window, const TimeZone& zone, Timestamp q,
                               bool ended_only) {
  const PaneGrid grid = GridOf(window);
  const CivilUnit unit = UnitOf(window.calendar);
  // `offset` after the calendar's own edges.
  const Timestamp bucket = zone.Begin(unit, q - window.offset);
  const Timestamp begin = grid.Floor(bucket + window.offset);
  if (window.completed) {
    return {grid.Floor(zone.Begin(unit, bucket - Duration{1}) + window.offset), begin};
  }
  const Timestamp current = grid.Floor(q);
  return {begin, ended_only ? current : current + window.hop};
}

Duration LongestBucket(CalendarUnit unit) {
  constexpr Duration kClocksBack = Duration::Hours(3);
  switch (unit) {
    case CalendarUnit::kNone:
      return {};
    case CalendarUnit::kDay:
      return Duration::Days(1) + kClocksBack;
    case CalendarUnit::kWeek:
      return Duration::Days(7) + kClocksBack;
    case CalendarUnit::kMonth:
      break;
  }
  return Duration::Days(31) + kClocksBack;
}

Duration DefaultHop(const Window& window, Duration history) {
  if (window.calendar != CalendarUnit::kNone) return kCalendarHop;
  const bool tumbling = window.kind == WindowKind::kTumbling;
  if (tumbling && history == Duration{}) return window.length;
  const bool must_divide = tumbling || window.kind == WindowKind::kHopping;
  const auto divides = [&](Duration hop) { return window.length.us % hop.us == 0; };
  for (const Duration hop : kRoundHops) {
    if (hop.us > window.length.us / kPanesAimedAt && hop != kRoundHops.back()) continue;
    if (!must_divide || divides(hop)) return hop;
  }
  // A bucket that no round hop divides: as few more panes than usual as divide it. Ends at once for whole
  // milliseconds, and at one pane a microsecond at the latest.
  int64_t panes = kPanesAimedAt;
  while (panes < window.length.us && window.length.us % panes != 0) ++panes;
  return {window.length.us / std::min(panes, window.length.us)};
}

}  // namespace freshet
