#include "featurestore/window/window_kind.h"

#include <catch2/catch.hpp>

namespace freshet {
namespace {

constexpr Timestamp At(int64_t seconds) { return {seconds * 1'000'000}; }

Window Sliding(Duration length, Duration hop) {
  return {.kind = WindowKind::kSliding, .length = length, .hop = hop};
}
Window Tumbling(Duration length, Duration hop, bool completed = false) {
  return {.kind = WindowKind::kTumbling, .length = length, .hop = hop, .completed = completed};
}

}  // namespace

TEST_CASE("sliding covers all panes from floor_h(q − W) to the one holding q") {
  const Window w = Sliding(Duration::Seconds(60), Duration::Seconds(10));
  CHECK(CoveredPanes(w, At(125), false).begin == At(60));
  CHECK(CoveredPanes(w, At(125), false).end == At(130));
  CHECK(CoveredPanes(w, At(120), false).begin == At(60));
  CHECK(CoveredPanes(w, At(120), false).end == At(130));
  CHECK(CoveredPanes(w, At(-5), false).begin == At(-70));
  CHECK(CoveredPanes(w, At(-5), false).end == At(0));
}

TEST_CASE("with as_of q before the row's newest event, the pane holding q is left out") {
  const Window w = Sliding(Duration::Seconds(60), Duration::Seconds(10));
  CHECK(CoveredPanes(w, At(125), true).begin == At(60));
  CHECK(CoveredPanes(w, At(125), true).end == At(120));
  const Window t = Tumbling(Duration::Seconds(60), Duration::Seconds(10));
  CHECK(CoveredPanes(t, At(125), true).begin == At(120));
  CHECK(CoveredPanes(t, At(125), true).end == At(120));
}

TEST_CASE("tumbling covers the running bucket, or with report: completed the one before it") {
  const Window running = Tumbling(Duration::Seconds(60), Duration::Seconds(60));
  CHECK(CoveredPanes(running, At(125), false).begin == At(120));
  CHECK(CoveredPanes(running, At(125), false).end == At(180));
  const Window completed = Tumbling(Duration::Seconds(60), Duration::Seconds(10), true);
  for (const bool ended_only : {false, true}) {
    CHECK(CoveredPanes(completed, At(125), ended_only).begin == At(60));
    CHECK(CoveredPanes(completed, At(125), ended_only).end == At(120));
  }
}

TEST_CASE("hopping covers [floor_h(q) − W, floor_h(q))") {
  Window w{
      .kind = WindowKind::kHopping, .length = Duration::Seconds(60), .hop = Duration::Seconds(20)};
  for (const bool ended_only : {false, true}) {
    CHECK(CoveredPanes(w, At(119), ended_only).begin == At(40));
    CHECK(CoveredPanes(w, At(119), ended_only).end == At(100));
    CHECK(CoveredPanes(w, At(120) - Duration{1}, ended_only).end == At(100));
    CHECK(CoveredPanes(w, At(120), ended_only).begin == At(60));
    CHECK(CoveredPanes(w, At(120), ended_only).end == At(120));
  }
  w.offset = Duration::Seconds(5);
  CHECK(CoveredPanes(w, At(125) - Duration{1}, false).end == At(105));
  CHECK(CoveredPanes(w, At(125), false).end == At(125));
}

TEST_CASE("calendar buckets are found at read, 23 and 25 hours included") {
  const TimeZone berlin = TimeZone::Find("Europe/Berlin").value();
  const auto time = [](const char* text) { return ParseTimestamp(text).value(); };
  Window w{.kind = WindowKind::kTumbling,
           .length = LongestBucket(CalendarUnit::kDay),
           .hop = kCalendarHop,
           .calendar = CalendarUnit::kDay,
           .time_zone = "Europe/Berlin"};
  // The day on which clocks go forward.
  const Timestamp noon = time("2024-03-31T10:05:00Z");
  CHECK(CoveredCalendarPanes(w, berlin, noon, false).begin == time("2024-03-30T23:00:00Z"));
  CHECK(CoveredCalendarPanes(w, berlin, noon, false).end == time("2024-03-31T10:15:00Z"));
  CHECK(CoveredCalendarPanes(w, berlin, noon, true).end == time("2024-03-31T10:00:00Z"));
  // Midnight is of the day that begins.
  const Timestamp midnight = time("2024-03-31T22:00:00Z");
  CHECK(CoveredCalendarPanes(w, berlin, midnight, false).begin == midnight);
  CHECK(CoveredCalendarPanes(w, berlin, midnight, true).end == midnight);
  CHECK(CoveredCalendarPanes(w, berlin, midnight - Duration{1}, false).begin ==
        time("2024-03-30T23:00:00Z"));
  w.completed = true;
  for (const bool ended_only : {false, true}) {
    const PaneRange forward = CoveredCalendarPanes(w, berlin, midnight, ended_only);
    CHECK(forward.end - forward.begin == Duration::Hours(23));
    CHECK(forward.end == midnight);
    const PaneRange back =
        CoveredCalendarPanes(w, berlin, time("2024-10-28T12:00:00Z"), ended_only);
    CHECK(back.end - back.begin == Duration::Hours(25));
  }
  w.calendar = CalendarUnit::kMonth;
  const PaneRange february = CoveredCalendarPanes(w, berlin, time("2024-03-01T00:00:00Z"), false);
  CHECK(february.begin == time("2024-01-31T23:00:00Z"));
  CHECK(february.end == time("2024-02-29T23:00:00Z"));
  w.calendar = CalendarUnit::kWeek;
  const PaneRange week = CoveredCalendarPanes(w, berlin, time("2024-04-01T00:00:00Z"), false);
  CHECK(week.begin == time("2024-03-24T23:00:00Z"));  // a Monday
  CHECK(week.end == time("2024-03-31T22:00:00Z"));
}

TEST_CASE("offset shifts where calendar buckets and their panes begin") {
  const TimeZone berlin = TimeZone::Find("Europe/Berlin").value();
  const auto time = [](const char* text) { return ParseTimestamp(text).value(); };
  Window w{.kind = WindowKind::kTumbling,
           .length = LongestBucket(CalendarUnit::kDay),
           .hop = kCalendarHop,
           .offset = Duration::Minutes(5 * 60 + 7),
           .calendar = CalendarUnit::kDay,
           .time_zone = "Europe/Berlin"};
  const Timestamp edge = time("2024-01-10T04:07:00Z");
  CHECK(CoveredCalendarPanes(w, berlin, edge, false).begin == edge);
  CHECK(CoveredCalendarPanes(w, berlin, edge, false).end == edge + kCalendarHop);
  CHECK(CoveredCalendarPanes(w, berlin, edge - Duration{1}, false).begin ==
        time("2024-01-09T04:07:00Z"));
  CHECK(CoveredCalendarPanes(w, berlin, edge - Duration{1}, false).end == edge);
}

TEST_CASE("no calendar bucket is longer than its longest") {
  for (const char* name : {"Europe/Berlin", "Antarctica/Troll", "Antarctica/Casey", "Pacific/Apia",
                           "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Pyongyang"}) {
    const TimeZone zone = TimeZone::Find(name).value();
    Timestamp t = ParseTimestamp("2005-01-01T00:00:00Z").value();
    while (t < ParseTimestamp("2024-01-01T00:00:00Z").value()) {
      const Timestamp next = zone.End(CivilUnit::kDay, t);
      REQUIRE(next - zone.Begin(CivilUnit::kDay, t) <= LongestBucket(CalendarUnit::kDay));
      t = next;
    }
  }
}

TEST_CASE("panes are half-open, aligned to the epoch plus offset") {
  Window w = Tumbling(Duration::Hours(24), Duration::Hours(1));
  w.offset = Duration::Minutes(5 * 60 + 30);
  const PaneGrid grid = GridOf(w);
  CHECK(grid.offset == Duration::Minutes(30));
  CHECK(grid.Floor(At(1799)) == At(1800 - 3600));
  CHECK(grid.Floor(At(1800)) == At(1800));
  CHECK(grid.Index(At(1800)) == 0);
  CHECK(grid.Index(At(1799)) == -1);
  CHECK(grid.Start(-1) == At(-1800));
  CHECK(CoveredPanes(w, At(0), false).begin == At(19800 - 86400));
}

TEST_CASE("default hop: the greatest of the list that is ≤ W/24, at least 1s") {
  const auto hop = [](Duration length) { return DefaultHop(Sliding(length, {}), {}); };
  CHECK(hop(Duration::Millis(500)) == Duration::Seconds(1));
  CHECK(hop(Duration::Seconds(30)) == Duration::Seconds(1));
  CHECK(hop(Duration::Minutes(2)) == Duration::Seconds(5));
  CHECK(hop(Duration::Minutes(10)) == Duration::Seconds(10));
  CHECK(hop(Duration::Hours(1)) == Duration::Minutes(1));
  CHECK(hop(Duration::Hours(24)) == Duration::Hours(1));
  CHECK(hop(Duration::Days(7)) == Duration::Hours(6));
  CHECK(hop(Duration::Days(24)) == Duration::Days(1));
  CHECK(hop(Duration::Days(365)) == Duration::Days(1));
}

TEST_CASE("default hop of a hopping window divides it") {
  const auto hop = [](Duration length) {
    return DefaultHop({.kind = WindowKind::kHopping, .length = length}, {});
  };
  CHECK(hop(Duration::Hours(1)) == Duration::Minutes(1));
  CHECK(hop(Duration::Minutes(25)) == Duration::Minutes(1));
  CHECK(hop(Duration::Days(7)) == Duration::Hours(6));
}

TEST_CASE("default hop of a tumbling window with history also divides W; without, it is W") {
  const auto hop = [](Duration length) {
    return DefaultHop(Tumbling(length, {}), Duration::Hours(1));
  };
  CHECK(DefaultHop(Tumbling(Duration::Days(1), {}), {}) == Duration::Days(1));
  CHECK(hop(Duration::Days(1)) == Duration::Hours(1));
  CHECK(hop(Duration::Days(7)) == Duration::Hours(6));
  CHECK(hop(Duration::Hours(36)) == Duration::Hours(1));
  CHECK(hop(Duration::Minutes(25)) == Duration::Minutes(1));
  CHECK(hop(Duration::Seconds(7)) == Duration::Seconds(1));
  for (const int64_t millis : {1, 7, 500, 1009, 1500, 2500}) {
    const Duration length = Duration::Millis(millis);
    CHECK(hop(length) > Duration{});
    CHECK(length.us % hop(length).us == 0);
  }
}

}  // namespace freshet
