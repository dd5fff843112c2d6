// Figures worked out by hand from docs/semantics.md.
#include <catch2/catch.hpp>
#include <cmath>

#include "tests/unit/oracle/card.h"

namespace freshet::oracle {
namespace {

Window Sliding(Duration length, Duration hop, Duration offset = {}) {
  return {.kind = WindowKind::kSliding, .length = length, .hop = hop, .offset = offset};
}
Window Tumbling(Duration length, bool completed = false, Duration offset = {}) {
  return {.kind = WindowKind::kTumbling,
          .length = length,
          .hop = length,
          .offset = offset,
          .completed = completed};
}

}  // namespace

TEST_CASE("a sliding window covers all panes from floor_h(q - W) to the one holding q") {
  Card card({{"sum", Sliding(kHour, Duration::Minutes(10))}});
  card.Spend(At(0), 1);
  card.Spend(At(9), 2);
  card.Spend(At(10), 4);
  card.Spend(At(65), 8);
  CHECK(card.Number(At(65)) == 15);  // floor(5 min) = 0
  CHECK(card.Number(At(69)) == 15);
  CHECK(card.Number(At(70)) == 12);  // floor(10 min) = 10
  CHECK(card.Number(At(79)) == 12);
  CHECK(card.Number(At(80)) == 8);
}

TEST_CASE("panes are half-open and aligned to the epoch plus offset") {
  Card card({{"sum", Sliding(kHour, Duration::Minutes(10), Duration::Minutes(3))}});
  card.Spend(At(2), 1);
  card.Spend(At(3), 2);
  CHECK(card.Number(At(72)) == 2);  // floor(12) = 3, which leaves out the pane [-7, 3)
  CHECK(card.Number(At(62)) == 3);  // floor(2) = -7
}

TEST_CASE(
    "a running tumbling window is [floor_W(q), q], a completed one [floor_W(q) - W, floor_W(q))") {
  Card card({{"sum", Tumbling(kHour)}, {"sum", Tumbling(kHour, true)}});
  card.Spend(At(59), 1);
  card.Spend(At(60), 2);
  card.Spend(At(119), 4);
  const auto row = card.Answer(At(119));
  CHECK(row.cells[0].value.as_int64() == 6);
  CHECK(row.cells[1].value.as_int64() == 1);
  const auto later = card.Answer(At(120));
  CHECK(later.cells[0].value.as_int64() == 0);
  CHECK(later.cells[1].value.as_int64() == 6);
}

TEST_CASE("with as_of before the row's newest event the pane holding q is left out") {
  Card card({{"sum", Sliding(kHour, Duration::Minutes(10))}});
  card.view().history = kHour;
  card.Spend(At(5), 1);
  card.Spend(At(15), 2);
  card.Spend(At(25), 4);
  CHECK(card.Number(At(25)) == 7);
  CHECK(card.Number(At(25), At(25)) == 7);  // not before the newest event
  CHECK(card.Number(At(25), At(24)) == 3);
  CHECK(card.Number(At(25), At(20)) == 3);
  CHECK(card.Number(At(25), At(19)) == 1);
  CHECK(card.Answer(At(25), At(24)).event_time == At(15));
  CHECK(card.Cell(At(25), At(9)).status == CellStatus::kNotFound);
  CHECK(!card.Answer(At(25), At(9)).event_time);
}

TEST_CASE("cells asked for as_of < now - history are OUTSIDE_HISTORY, row or none") {
  Card card({{"sum", Sliding(kHour, Duration::Minutes(10))}, {"sum", Window{}}});
  card.view().history = kHour;
  card.Spend(At(0), 1);
  card.Spend(At(65), 1);
  CHECK(card.Cell(At(70), At(10)).status == CellStatus::kPresent);
  CHECK(card.Cell(At(70), At(9)).status == CellStatus::kOutsideHistory);
  CHECK(card.Answer(At(70), At(69)).cells[1].status == CellStatus::kOutsideHistory);
  CHECK(card.Answer(At(70), At(70)).cells[1].status == CellStatus::kPresent);
  CHECK(card.Answer(At(70), At(69), "b").cells[0].status == CellStatus::kNotFound);
  CHECK(card.Answer(At(70), At(69), "b").cells[1].status == CellStatus::kOutsideHistory);
}

TEST_CASE(
    "lifetime in a view with a ttl is the last run of events whose neighbours are at most ttl "
    "apart") {
  Card card({{"sum", Window{}}});
  card.view().ttl = kHour;
  card.Spend(At(0), 1);
  card.Spend(At(100), 2);
  card.Spend(At(160), 4);
  CHECK(card.Number(At(160)) == 6);
  card.Spend(At(151), 8);  // within lateness
  CHECK(card.Number(At(160)) == 14);
  card.Spend(At(50), 16);  // would join both runs, but is late
  CHECK(card.Number(At(160)) == 14);
}

TEST_CASE("lifetime in a view without a ttl is every event") {
  Card card({{"sum", Window{}}});
  card.Spend(At(100'000), 1);
  card.Spend(At(0), 2);
  CHECK(card.Number(At(100'000)) == 3);
}

TEST_CASE("between ttl and ttl + grace a row is OUTSIDE_MAX_AGE, beyond NOT_FOUND") {
  Card card({{"sum", Sliding(kHour, kMinute)}, {"last", Sliding(kHour, kMinute)}});
  card.view().ttl = Duration::Hours(2);
  card.Spend(At(0), 1);
  CHECK(card.Number(At(120)) == 0);
  const auto old = card.Answer(At(120) + Duration::Micros(1));
  CHECK(old.cells[0].status == CellStatus::kOutsideMaxAge);
  CHECK(old.cells[0].value.as_int64() == 0);  // its default
  CHECK(old.cells[1].value.is_null());
  CHECK(card.Cell(At(180)).status == CellStatus::kOutsideMaxAge);
  CHECK(card.Cell(At(180) + Duration::Micros(1)).status == CellStatus::kNotFound);
}

TEST_CASE("nulls are skipped, and a window that holds only nulls is empty") {
  Card card({{"min", Window{}}, {"count", Window{}}, {"sum", Window{}}});
  card.Spend(At(0), std::nullopt);
  const auto row = card.Answer(At(0));
  CHECK(row.cells[0].status == CellStatus::kNullValue);
  CHECK(row.cells[1].value.as_int64() == 1);  // count without of counts rows
  CHECK(row.cells[2].status == CellStatus::kPresent);
  CHECK(row.cells[2].value.as_int64() == 0);
}

TEST_CASE("an integer sum that overflows is ERROR") {
  Card card({{"sum", Window{}}});
  card.Spend(At(0), INT64_MAX);
  card.Spend(At(0), 1);
  CHECK(card.Cell(At(0)).status == CellStatus::kError);
  card.Spend(At(0), -1);
  CHECK(card.Number(At(0)) == INT64_MAX);
}

TEST_CASE("variance is of the sample and null below two values") {
  Card card({{"variance", Window{}}});
  card.Spend(At(0), 2);
  CHECK(card.Cell(At(0)).status == CellStatus::kNullValue);
  card.Spend(At(0), 6);
  CHECK(card.Cell(At(0)).value.as_double() == 8.0);
  CHECK(*card.Cell(At(0)).within < 1e-10);
}

TEST_CASE("ties in time are broken by offset") {
  Card card({{"first", Window{}}, {"last", Window{}}});
  card.Spend(At(1), 1);
  card.Spend(At(1), 2);
  const auto row = card.Answer(At(1));
  CHECK(row.cells[0].value.as_int64() == 1);
  CHECK(row.cells[1].value.as_int64() == 2);
}

TEST_CASE("doubles agree within what is said of them") {
  Expected sum{CellStatus::kPresent, Value::Double(1.0), 1e-7, {}};
  CHECK(Agrees(sum, CellStatus::kPresent, Value::Double(1.0 + 0.9e-7)));
  CHECK_FALSE(Agrees(sum, CellStatus::kPresent, Value::Double(1.0 + 1.1e-7)));
  CHECK_FALSE(Agrees(sum, CellStatus::kNullValue, Value::Double(1.0)));
  CHECK_FALSE(Agrees(sum, CellStatus::kPresent, Value::Int64(1)));
  CHECK_FALSE(Agrees(sum, CellStatus::kPresent, Value::Double(NAN)));
  Expected deviation{CellStatus::kPresent, Value::Double(0.0), 1e-7, 0.0};
  CHECK(Agrees(deviation, CellStatus::kPresent, Value::Double(3e-4)));
  CHECK_FALSE(Agrees(deviation, CellStatus::kPresent, Value::Double(4e-4)));
}

}  // namespace freshet::oracle
