// Sentences of semantics.md about windows, one by one on one row, to the microsecond.
#include <catch2/catch.hpp>
#include <random>

#include "tests/unit/state/row_fixture.h"

namespace freshet {
namespace {

constexpr Duration kUs{1};

Window Exact(Duration length, uint32_t max_events) {
  return {.kind = WindowKind::kExact, .length = length, .events = max_events};
}
Window Session(Duration gap, bool ended = false) {
  return {.kind = WindowKind::kSession, .length = gap, .completed = ended};
}
Window Rows(uint32_t n) { return {.kind = WindowKind::kRows, .events = n}; }
Window Day(const char* zone, bool completed = false) {
  return {.kind = WindowKind::kTumbling,
          .length = Duration::Hours(27),
          .hop = Duration::Minutes(15),
          .completed = completed,
          .calendar = CalendarUnit::kDay,
          .time_zone = zone};
}

}  // namespace

TEST_CASE("sliding, exact covers (q − W, q]") {
  Fixture f({Over("count", std::nullopt, Exact(Duration::Seconds(60), 10))});
  f.Add(At(0));
  CHECK(f.Now(At(0)).value.as_int64() == 1);
  CHECK(f.Now(At(60) - kUs).value.as_int64() == 1);
  CHECK(f.Now(At(60)).value.as_int64() == 0);
  CHECK(f.Now(At(0) - kUs).value.as_int64() == 0);
}

TEST_CASE("exact misses nothing as of q, and never contains what came after q") {
  Fixture f({Over("last", 1, Exact(Duration::Seconds(60), 10)),
             Over("count", std::nullopt, Exact(Duration::Seconds(60), 10))},
            Duration::Hours(1));
  f.Add(At(0), {}, Value::Text("first"));
  f.Add(At(10), {}, Value::Text("second"));
  f.Add(At(2000), {}, Value::Text("third"));
  CHECK(f.AsOf(At(10), At(2000), 1).value.as_int64() == 2);
  CHECK(f.time == At(10));
  CHECK(f.AsOf(At(10) - kUs, At(2000)).value.as_text() == "first");
  CHECK(f.time == At(0));
  CHECK(f.AsOf(At(0) - kUs, At(2000)).status == CellStatus::kNotFound);
  CHECK(f.AsOf(At(60), At(2000), 1).value.as_int64() == 1);
  CHECK(f.AsOf(At(2000) - Duration::Hours(1) - kUs, At(2000)).status ==
        CellStatus::kOutsideHistory);
  // At the far end of history the window is whole.
  f.Add(At(3610));
  CHECK(f.AsOf(At(10), At(3610), 1).value.as_int64() == 2);
}

TEST_CASE("exact: of a row the max_events greatest; degraded if the greatest dropped is > q − W") {
  Fixture f({Over("count", std::nullopt, Exact(Duration::Seconds(60), 2)),
             Over("max", 0, Exact(Duration::Seconds(60), 2)),
             Over("count", std::nullopt, Exact(Duration::Seconds(60), 3))});
  f.Add(At(10));
  f.Add(At(20));
  CHECK_FALSE(f.Now(At(20)).degraded);
  f.Add(At(30));
  CHECK(f.Now(At(30)).value.as_int64() == 2);
  CHECK(f.Now(At(30)).degraded);
  CHECK(f.Now(At(30), 1).degraded);
  // Three are enough for this one, whatever the other drops.
  CHECK(f.Now(At(30), 2).value.as_int64() == 3);
  CHECK_FALSE(f.Now(At(30), 2).degraded);
  CHECK(f.Now(At(70) - kUs).degraded);
  CHECK_FALSE(f.Now(At(70)).degraded);
  // A late event that falls out at once was dropped too.
  f.Add(At(5));
  CHECK(f.Now(At(65) - kUs, 2).degraded);
  CHECK_FALSE(f.Now(At(65), 2).degraded);
}

TEST_CASE("an event is late for an exact window below newest − W − history") {
  Fixture f({Over("count", std::nullopt, Exact(Duration::Seconds(60), 2))}, Duration::Seconds(40));
  f.Add(At(100));
  CHECK(f.Add(At(0) - kUs) == Applied::kLate);
  CHECK(f.Add(At(0)) == Applied::kChanged);
}

TEST_CASE("rows: n covers the n greatest by (time, partition, offset)") {
  Fixture f({Over("sum", 2, Rows(2)), Over("first", 2, Rows(3))});
  for (const int64_t i : {3, 1, 2}) f.Add(At(i), {}, {}, Value::Int64(i));
  CHECK(f.Now(At(10)).value.as_int64() == 5);
  CHECK(f.Now(At(10), 1).value.as_int64() == 1);
  // Nulls are rows too.
  f.Add(At(5), {}, {}, {});
  CHECK(f.Now(At(10)).value.as_int64() == 3);
  CHECK(f.Now(At(10), 1).value.as_int64() == 2);
  // Equal times: by offset.
  f.Add(At(5), {}, {}, Value::Int64(50));
  CHECK(f.Now(At(10)).value.as_int64() == 50);
  f.Add(At(5), {}, {}, Value::Int64(51));
  CHECK(f.Now(At(10)).value.as_int64() == 101);
}

TEST_CASE("rows: none is older than newest − ttl, and such an event is late") {
  Fixture f({Over("count", std::nullopt, Rows(5))}, {}, Duration::Seconds(60));
  f.Add(At(0));
  f.Add(At(60));
  CHECK(f.Now(At(60)).value.as_int64() == 2);
  f.Add(At(60) + kUs);
  CHECK(f.Now(At(61)).value.as_int64() == 2);
  CHECK(f.Add(At(0)) == Applied::kLate);
  CHECK(f.Add(At(0) + kUs) == Applied::kChanged);
  CHECK(f.Now(At(61)).value.as_int64() == 3);
  // In a view that never expires rows are of any age.
  Fixture forever({Over("count", std::nullopt, Rows(5))}, {}, std::nullopt);
  forever.Add(At(100'000'000));
  CHECK(forever.Add(At(0)) == Applied::kChanged);
  CHECK(forever.Now(At(100'000'000)).value.as_int64() == 2);
}

TEST_CASE("a session is the last run of events whose neighbours are closer than gap") {
  Fixture f({Over("count", std::nullopt, Session(Duration::Seconds(30)))});
  f.Add(At(0));
  f.Add(At(30) - kUs);
  CHECK(f.Now(At(30)).value.as_int64() == 2);
  f.Add(At(60) - kUs);
  CHECK(f.Now(At(60)).value.as_int64() == 1);
  // A late event joins both.
  f.Add(At(45));
  CHECK(f.Now(At(60)).value.as_int64() == 4);
}

TEST_CASE("a session is empty once q − end ≥ gap; report: ended reports it from then on") {
  Fixture f({Over("sum", 2, Session(Duration::Seconds(30))),
             Over("sum", 2, Session(Duration::Seconds(30), true)),
             Over("last", 1, Session(Duration::Seconds(30))),
             Over("last", 1, Session(Duration::Seconds(30), true))});
  f.Add(At(0), {}, Value::Text("one"), Value::Int64(1));
  CHECK(f.Now(At(30) - kUs).value.as_int64() == 1);
  CHECK(f.Now(At(30) - kUs, 3).status == CellStatus::kNullValue);
  CHECK(f.Now(At(30)).value.as_int64() == 0);
  CHECK(f.Now(At(30), 1).value.as_int64() == 1);
  CHECK(f.Now(At(30), 2).status == CellStatus::kNullValue);
  CHECK(f.Now(At(30), 3).value.as_text() == "one");
  f.Add(At(4000), {}, Value::Text("two"), Value::Int64(2));
  CHECK(f.Now(At(4000)).value.as_int64() == 2);
  CHECK(f.Now(At(4030) - kUs, 3).value.as_text() == "one");
  CHECK(f.Now(At(4030), 3).value.as_text() == "two");
}

TEST_CASE("report: ended: a run that ended before newest − ttl went with its row") {
  Fixture f({Over("count", std::nullopt, Session(Duration::Seconds(30), true))}, {},
            Duration::Seconds(600));
  f.Add(At(0));
  f.Add(At(600));
  CHECK(f.Now(At(600)).value.as_int64() == 1);
  f.Add(At(600) + kUs);
  CHECK(f.Now(At(601)).value.as_int64() == 0);  // not known to be kept
  CHECK(f.Now(At(631)).value.as_int64() == 2);  // that of the two later events
}

TEST_CASE("for sessions an event older than newest − lateness changes nothing and is late") {
  Fixture f({Over("count", std::nullopt, Session(Duration::Seconds(30)))});
  f.Add(At(600));
  CHECK(f.Add(At(0) - kUs) == Applied::kLate);
  CHECK(f.Add(At(0)) == Applied::kChanged);
}

TEST_CASE("kinds without panes are OUTSIDE_HISTORY at any as_of before now, row or none") {
  Fixture f({Over("count", std::nullopt, Session(Duration::Seconds(30))),
             Over("count", std::nullopt, Rows(3)), Over("count", std::nullopt, kMinute)},
            Duration::Hours(1));
  const std::vector<uint32_t> features = {0, 1, 2};
  std::vector<Cell> cells(3);
  FinishMissing(*f.layout, {At(100), At(100) - kUs}, features, cells);
  for (int row = 0; row < 2; ++row) {
    CHECK(cells[0].status == CellStatus::kOutsideHistory);
    CHECK(cells[1].status == CellStatus::kOutsideHistory);
    CHECK(cells[2].status != CellStatus::kOutsideHistory);
    f.Add(At(0));
    f.row->Finish({At(100), At(100) - kUs}, features, cells);
  }
  CHECK(cells[2].status == CellStatus::kPresent);
  CHECK(f.AsOf(At(100), At(100), 1).value.as_int64() == 2);
}

TEST_CASE("hopping covers [floor_h(q) − W, floor_h(q))") {
  Fixture f({Over("count", std::nullopt,
                  {.kind = WindowKind::kHopping,
                   .length = Duration::Seconds(60),
                   .hop = Duration::Seconds(10)})});
  f.Add(At(0));
  CHECK(f.Now(At(10) - kUs).value.as_int64() == 0);
  CHECK(f.Now(At(10)).value.as_int64() == 1);
  CHECK(f.Now(At(70) - kUs).value.as_int64() == 1);
  CHECK(f.Now(At(70)).value.as_int64() == 0);
}

TEST_CASE("tumbling day in a time zone: from midnight to midnight there") {
  // kStart is a midnight in UTC: 05:45 in Kathmandu.
  Fixture f({Over("count", std::nullopt, Day("Asia/Kathmandu")),
             Over("count", std::nullopt, Day("Asia/Kathmandu", true)),
             Over("count", std::nullopt, Day("UTC"))},
            {}, Duration::Days(7));
  const Timestamp midnight = kStart - Duration::Minutes(345);
  f.Add(midnight - kUs);
  f.Add(midnight);
  f.Add(kStart);
  CHECK(f.Now(kStart).value.as_int64() == 2);
  CHECK(f.Now(kStart, 1).value.as_int64() == 1);
  CHECK(f.Now(kStart, 2).value.as_int64() == 1);
  const Timestamp next = midnight + Duration::Days(1);
  CHECK(f.Now(next - kUs).value.as_int64() == 2);
  CHECK(f.Now(next).value.as_int64() == 0);
  CHECK(f.Now(next, 1).value.as_int64() == 2);
  CHECK(f.Now(next + Duration::Days(1), 1).value.as_int64() == 0);
}

TEST_CASE("every aggregation works over every window") {
  const std::vector<Window> windows = {Exact(Duration::Seconds(60), 50),
                                       Rows(50),
                                       Session(Duration::Seconds(60)),
                                       Session(Duration::Seconds(60), true),
                                       {.kind = WindowKind::kHopping,
                                        .length = Duration::Seconds(100),
                                        .hop = Duration::Seconds(10)},
                                       Day("Europe/Berlin"),
                                       kLifetimeWindow};
  for (const std::string& name : AggregationNames()) {
    const Aggregation& aggregation = *FindAggregation(name);
    // Lists and maps: collections_test.cc.
    if (const auto type = aggregation.ResultType(Type::kDouble); !type || !IsScalar(*type))
      continue;
    FeatureArguments arguments{.q = 0.5, .exact_to = 256, .error = 0.02};
    if ((aggregation.takes & kArgumentOrderBy) != 0) arguments.order_by = 0;
    arguments.half_life = Duration::Seconds(30);
    std::vector<Feature> features = {
        Over(name, 0, Sliding(Duration::Hours(10), Duration::Hours(1)))};
    for (const Window& window : windows) features.push_back(Over(name, 0, window));
    for (Feature& feature : features) feature.arguments = arguments;
    Fixture f(features);
    for (int64_t i = 0; i < 30; ++i) {
      f.Add(At(i), i % 5 == 0 ? Value() : Value::Double(static_cast<double>(i * i % 17)));
    }
    // 59 s after the newest but one, where all cover all; ended only 60 s after.
    std::string bytes = f.Bytes();
    f.row.emplace(*Row::Decode(*f.layout, bytes));
    for (uint32_t i = 0; i < features.size(); ++i) {
      INFO(name << " over window " << i);
      // It has decayed on until the session is over.
      if (features[i].window.completed && (aggregation.takes & kArgumentHalfLife) != 0) {
        continue;
      }
      const Cell want = f.Now(At(30), 0);
      const Cell got = f.Now(features[i].window.completed ? At(89) : At(30), i);
      REQUIRE(got.status == CellStatus::kPresent);
      REQUIRE_FALSE(got.degraded);
      CHECK(got.value.number() == Approx(want.value.number()).epsilon(1e-12));
    }
  }
}

TEST_CASE("hostile bytes of rows, sessions and exact windows are an error or a usable row") {
  Fixture f({Over("sum", 0, Exact(Duration::Seconds(60), 20)), Over("last", 1, Rows(10)),
             Over("first", 1, Session(Duration::Seconds(5), true)),
             Over("max", 1, Session(Duration::Seconds(30)))},
            Duration::Hours(1));
  for (int i = 0; i < 40; ++i) f.Add(At(i * 9), Value::Double(i), Value::Text("shop"));
  const std::string good = f.Bytes();
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(Row::Decode(*f.layout, good.substr(0, size)).ok());
  }
  const uint64_t seed = 20260229;
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  size_t read = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (uint64_t n = random() % 4 + 1; n > 0; --n) {
      bytes[3 + random() % (bytes.size() - 3)] = static_cast<char>(random());
    }
    auto row = Row::Decode(*f.layout, bytes);
    if (!row.ok()) continue;
    ++read;
    const Timestamp t = row->newest();
    const std::vector<uint32_t> all = {0, 1, 2, 3};
    std::vector<Cell> cells(all.size());
    row->Finish({t, std::nullopt}, all, cells);
    row->Finish({t, t - Duration::Minutes(3)}, all, cells);
    const std::array values = {Value::Double(1), Value::Text("y"), Value::Int64(1)};
    row->Apply({t + Duration::Minutes(5), {0, 0, 1}, values});
    std::string again;
    row->Encode(again);
  }
  CHECK(read > 0);
  CHECK(read < 20'000);
}

TEST_CASE("bytes a row of events and sessions are bounded by what validate prints") {
  Fixture f({Over("sum", 0, Exact(Duration::Seconds(600), 50)), Over("last", 1, Rows(70)),
             Over("max", 0, Session(Duration::Seconds(5), true))});
  f.Add(At(0), Value::Double(12.34), Value::Text("sixteen letters."));
  CHECK(f.Bytes().size() <= f.layout->size().bytes_one_event);
  CHECK(f.layout->size().events_max == 70);
  for (int64_t i = 0; i < 10'000; ++i) {
    f.Add(At(0) + Duration{i * 12'345'678 % 3'600'000'000},
          Value::Double(static_cast<double>(i) / 7), Value::Text("sixteen letters."));
    if (i % 100 == 0) REQUIRE(f.Bytes().size() <= f.layout->size().bytes_max);
  }
}

}  // namespace freshet
