// Sentences of semantics.md about one row, one by one; brute_force_test.cc has the streams.
#include "featurestore/state/row.h"

#include <catch2/catch.hpp>
#include <random>

#include "featurestore/base/coding.h"
#include "tests/unit/state/row_fixture.h"

namespace freshet {

TEST_CASE("an event at a pane's end belongs to the next pane") {
  Fixture f({Over("count", std::nullopt, kMinute)});
  f.Add(At(10) - Duration{1});
  f.Add(At(10));
  // floor_h(q − W) = 10 s: only the second.
  CHECK(f.Now(At(70)).value.as_int64() == 1);
  CHECK(f.Now(At(70) - Duration{1}).value.as_int64() == 2);
}

TEST_CASE("an entity with no new event still sees its window slide and its row expire") {
  Fixture f({Over("sum", 0, kMinute), Over("mean", 0, kMinute)});
  f.Add(At(5), Value::Double(7));
  CHECK(f.Now(At(5)).value.as_double() == 7);
  CHECK(f.Now(At(80)).status == CellStatus::kPresent);
  CHECK(f.Now(At(80)).value.as_double() == 0);
  CHECK(f.Now(At(80), 1).status == CellStatus::kNullValue);
  CHECK(f.time == At(5));
  CHECK(f.Now(At(5 + 7200)).status == CellStatus::kPresent);
  CHECK(f.Now(At(5 + 7200) + Duration{1}).status == CellStatus::kOutsideMaxAge);
  CHECK(f.Now(At(5 + 7200 + 3600)).status == CellStatus::kOutsideMaxAge);
  CHECK(f.time == At(5));
  CHECK(f.Now(At(5 + 7200 + 3600) + Duration{1}).status == CellStatus::kNotFound);
  CHECK(f.time == std::nullopt);
}

TEST_CASE(
    "a default fills empty windows, NOT_FOUND and OUTSIDE_MAX_AGE cells; OUTSIDE_HISTORY never") {
  Feature mean = Over("mean", 0, kMinute);
  mean.default_value = -1.0;
  Fixture f({mean});
  CHECK(f.Now(At(0)).status == CellStatus::kNotFound);
  CHECK(f.Now(At(0)).value.as_double() == -1);
  f.Add(At(0), Value());
  CHECK(f.Now(At(0)).status == CellStatus::kPresent);
  CHECK(f.Now(At(0)).value.as_double() == -1);
  CHECK(f.Now(At(9000)).status == CellStatus::kOutsideMaxAge);
  CHECK(f.Now(At(9000)).value.as_double() == -1);
  CHECK(f.AsOf(At(-1), At(0)).status == CellStatus::kOutsideHistory);
  CHECK(f.AsOf(At(-1), At(0)).value.is_null());
  uint32_t which = 0;
  Cell cell;
  FinishMissing(*f.layout, {At(0), At(-1)}, {&which, 1}, {&cell, 1});
  CHECK(cell.status == CellStatus::kOutsideHistory);
  CHECK(cell.value.is_null());
  FinishMissing(*f.layout, {At(0), At(0)}, {&which, 1}, {&cell, 1});
  CHECK(cell.status == CellStatus::kNotFound);
  CHECK(cell.value.as_double() == -1);
}

TEST_CASE("ERROR has no default") {
  Feature sum = Over("sum", 2, kLifetimeWindow);
  sum.default_value = int64_t{5};
  Fixture f({sum});
  f.Add(At(0), {}, {}, Value::Int64(INT64_MAX));
  f.Add(At(0), {}, {}, Value::Int64(INT64_MAX));
  CHECK(f.Now(At(0)).status == CellStatus::kError);
  CHECK(f.Now(At(0)).value.is_null());
}

TEST_CASE("an answer as of q never contains what came after q") {
  Fixture f({Over("count", std::nullopt, kMinute), Over("last", 1, kLifetimeWindow)},
            Duration::Hours(1));
  f.Add(At(3));
  f.Add(At(21), Value());
  f.Add(At(25));
  // The pane holding q is left out, also where q is after the pane's events.
  CHECK(f.AsOf(At(24), At(30)).value.as_int64() == 1);
  CHECK(f.time == At(3));
  CHECK(f.AsOf(At(9), At(30)).status == CellStatus::kNotFound);
  CHECK(f.time == std::nullopt);
  CHECK(f.AsOf(At(10), At(30)).value.as_int64() == 1);
  // Not before the newest event: everything counts.
  CHECK(f.AsOf(At(25), At(30)).value.as_int64() == 3);
  // Lifetime has no panes: any as_of before now is outside its history.
  CHECK(f.AsOf(At(29), At(30), 1).status == CellStatus::kOutsideHistory);
  CHECK(f.AsOf(At(30), At(30), 1).status == CellStatus::kPresent);
}

TEST_CASE("every event that touches the row makes its pane, also where no feature counts it") {
  Fixture f({Over("sum", 0, kMinute)}, Duration::Hours(1));
  f.Add(At(5), Value());
  f.Add(At(35));
  CHECK(f.AsOf(At(30), At(40)).status == CellStatus::kPresent);
  CHECK(f.time == At(5));
  CHECK(f.AsOf(At(30), At(40)).value.as_double() == 0);
}

TEST_CASE("late counts events that changed no feature of a view") {
  Fixture f({Over("count", std::nullopt, kMinute),
             Over("count", std::nullopt, Sliding(Duration::Seconds(300), Duration::Seconds(60)))});
  f.view = f.layout->view();
  CHECK(f.Add(At(1000)) == Applied::kChanged);
  // Too old for the minute, not for the five.
  CHECK(f.Add(At(800)) == Applied::kChanged);
  const std::string before = f.Bytes();
  // floor_60(1000 − 300) = 660.
  CHECK(f.Add(At(660)) == Applied::kChanged);
  const std::string after = f.Bytes();
  CHECK(f.Add(At(660) - Duration{1}) == Applied::kLate);
  CHECK(f.Bytes() == after);
  CHECK(before != after);
  // No event is late for a lifetime that never expires.
  Fixture forever({Over("count", std::nullopt, kLifetimeWindow)}, {}, std::nullopt);
  forever.Add(At(1000));
  CHECK(forever.Add(At(-100'000'000)) == Applied::kChanged);
  CHECK(forever.Now(At(1000)).value.as_int64() == 2);
}

TEST_CASE(
    "lifetime in a view with a ttl is the last run of events whose neighbours are at most ttl "
    "apart") {
  Fixture f({Over("count", std::nullopt, kLifetimeWindow)}, {}, Duration::Seconds(60));
  f.Add(At(0));
  f.Add(At(60));
  CHECK(f.Now(At(60)).value.as_int64() == 2);
  f.Add(At(180));
  CHECK(f.Now(At(180)).value.as_int64() == 1);
  // A late event joins the two runs.
  CHECK(f.Add(At(120)) == Applied::kChanged);
  CHECK(f.Now(At(180)).value.as_int64() == 4);
  // Older than newest − lateness changes nothing and is late.
  f.Add(At(1000));
  CHECK(f.Add(At(400) - Duration{1}) == Applied::kLate);
  CHECK(f.Add(At(400)) == Applied::kChanged);
  CHECK(f.Now(At(1000)).value.as_int64() == 1);
}

TEST_CASE("rings share what is equal: mean of x and sum of x store it once") {
  Fixture f({Over("sum", 0, kMinute), Over("mean", 0, kMinute),
             Over("count", 0, Sliding(Duration::Seconds(600), Duration::Seconds(60))),
             Over("max", 0, Sliding(Duration::Seconds(70), Duration::Seconds(7)))});
  const auto rings = f.layout->rings();
  REQUIRE(rings.size() == 3);
  CHECK(rings[0].hop == Duration::Seconds(7));
  CHECK(rings[0].accumulators == std::vector<std::string>{"max(amount)"});
  // 10 s divides 60 s: one chain; the coarser ring stores what it needs only.
  CHECK(rings[1].chain == rings[2].chain);
  CHECK(rings[1].chain != rings[0].chain);
  CHECK(rings[1].accumulators == std::vector<std::string>{"count(amount)", "sum(amount)"});
  CHECK(rings[2].accumulators == std::vector<std::string>{"count(amount)"});
}

TEST_CASE("stored bytes do not depend on the order in which features are declared") {
  std::vector<Feature> features = {
      Over("sum", 0, kMinute), Over("last", 1, kMinute), Over("max", 2, kMinute),
      Over("count", std::nullopt, Sliding(Duration::Seconds(70), Duration::Seconds(7))),
      Over("first", 0, kLifetimeWindow)};
  std::vector<std::string> bytes;
  for (int turn = 0; turn < 5; ++turn) {
    std::rotate(features.begin(), features.begin() + 1, features.end());
    Fixture f(features);
    for (int i = 0; i < 20; ++i) f.Add(At(i * 13), Value::Double(i), Value::Text("shop"));
    bytes.push_back(f.Bytes());
  }
  for (const std::string& other : bytes) CHECK(other == bytes[0]);
}

TEST_CASE("a row of another version, a newer format or cut short is DATA_LOSS, never misread") {
  Fixture f({Over("sum", 0, kMinute), Over("last", 1, kLifetimeWindow)});
  for (int i = 0; i < 10; ++i) f.Add(At(i * 9), Value::Double(i), Value::Text("shop"));
  const std::string good = f.Bytes();
  REQUIRE(Row::Decode(*f.layout, good).ok());
  CHECK(PeekNewest(good) == At(81));
  FeatureView other = f.view;
  other.version = "fedcba9876543210";
  const auto layout = *RowLayout::Compile(other, Fields());
  CHECK(Row::Decode(*layout, good).status().code() == absl::StatusCode::kDataLoss);
  std::string newer = good;
  newer[0] = static_cast<char>(kRowFormatDeleted + 1);
  CHECK(Row::Decode(*f.layout, newer).status().code() == absl::StatusCode::kDataLoss);
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK(Row::Decode(*f.layout, good.substr(0, size)).status().code() ==
          absl::StatusCode::kDataLoss);
  }
  CHECK_FALSE(Row::Decode(*f.layout, good + "x").ok());
}

TEST_CASE("hostile bytes of a row are an error or a row that can be used, never a crash") {
  for (const bool history : {false, true}) {
    Fixture f({Over("sum", 0, kMinute),
               Over("sum", 2, Sliding(Duration::Hours(24), Duration::Minutes(10))),
               Over("last", 1, kMinute), Over("max", 1, kLifetimeWindow),
               Over("mean", 0, Sliding(Duration::Seconds(70), Duration::Seconds(7)))},
              history ? Duration::Hours(1) : Duration{});
    for (int i = 0; i < 10; ++i) f.Add(At(i * 9), Value::Double(i), Value::Text("shop"));
    const std::string good = f.Bytes();
    const uint64_t seed = 20240229 + (history ? 1 : 0);
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    size_t read = 0;
    for (int i = 0; i < 20'000; ++i) {
      std::string bytes = good;
      for (uint64_t n = random() % 4 + 1; n > 0; --n) {
        bytes[3 + random() % (bytes.size() - 3)] = static_cast<char>(random());
      }
      if (random() % 8 == 0) bytes.resize(11 + random() % (bytes.size() - 10));
      auto row = Row::Decode(*f.layout, bytes);
      if (!row.ok()) continue;
      ++read;
      const Timestamp t = row->newest();
      std::vector<uint32_t> all = {0, 1, 2, 3, 4};
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
}

TEST_CASE("a count of panes that the bytes cannot hold takes no memory") {
  Fixture f({Over("sum", 0, Sliding(Duration::Days(300), Duration::Seconds(1)))});
  f.Add(At(0));
  std::string bytes = f.Bytes().substr(0, 11);
  ByteWriter out(bytes);
  out.Varint(25'000'000);
  CHECK_FALSE(Row::Decode(*f.layout, bytes).ok());
}

TEST_CASE("reads far beyond every event time are answered") {
  Fixture f({Over("count", std::nullopt, kMinute)}, Duration::Hours(1), std::nullopt);
  f.Add(At(0));
  CHECK(f.Now(Timestamp::Max()).value.as_int64() == 0);
  CHECK(f.AsOf(Timestamp::Max(), Timestamp::Max()).status == CellStatus::kPresent);
  CHECK(f.AsOf(Timestamp::Min(), At(0)).status == CellStatus::kOutsideHistory);
  CHECK(f.AsOf(Timestamp::Min(), Timestamp::Min()).status == CellStatus::kNotFound);
}

TEST_CASE(
    "a layout that declare should have refused is an Internal error that names view and feature") {
  FeatureView view;
  view.name = "v";
  Feature bad = Over("sum", 1, kMinute);
  view.features = {bad};
  const auto refused = RowLayout::Compile(view, Fields());
  CHECK(refused.status().code() == absl::StatusCode::kInternal);
  CHECK(std::string(MessageOf(refused.status())).find("view v: feature sum") == 0);
  view.features = {Over("count", std::nullopt, Sliding(Duration::Seconds(60), Duration{}))};
  CHECK_FALSE(RowLayout::Compile(view, Fields()).ok());
}

TEST_CASE("bytes a row are bounded by what validate prints") {
  Fixture f({Over("sum", 0, kMinute),
             Over("max", 0, Sliding(Duration::Seconds(600), Duration::Seconds(60))),
             Over("last", 1, kLifetimeWindow)},
            Duration::Minutes(5));
  f.Add(At(0), Value::Double(12.34), Value::Text("sixteen letters."));
  CHECK(f.Bytes().size() <= f.layout->size().bytes_one_event);
  for (int64_t i = 0; i < 100'000; ++i) {
    f.Add(At(0) + Duration{i * 12'345'678 % 3'600'000'000},
          Value::Double(static_cast<double>(i) / 7));
  }
  CHECK(f.Bytes().size() <= f.layout->size().bytes_max);
  CHECK(f.layout->size().panes_max < 120);
}

}  // namespace freshet
