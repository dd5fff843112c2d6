// Figures worked out by hand from docs/semantics.md.
#include "tests/unit/oracle/card.h"

namespace freshet::oracle {
namespace {

Window Exact(Duration length, uint32_t max_events) {
  return {.kind = WindowKind::kExact, .length = length, .events = max_events};
}
Window Hopping(Duration length, Duration hop) {
  return {.kind = WindowKind::kHopping, .length = length, .hop = hop};
}
Window Session(Duration gap, bool ended = false) {
  return {.kind = WindowKind::kSession, .length = gap, .completed = ended};
}
Window Rows(uint32_t n) { return {.kind = WindowKind::kRows, .events = n}; }

const Duration kJust = Duration::Micros(1);

}  // namespace

TEST_CASE("exact covers (q - W, q]") {
  Card card({{"sum", Exact(kHour, 100)}});
  card.Spend(At(0), 1);
  card.Spend(At(0) + kJust, 2);
  card.Spend(At(60), 4);
  card.Spend(At(60) + kJust, 8);
  CHECK(card.Number(At(60) - kJust) == 3);
  CHECK(card.Number(At(60)) == 6);
  CHECK(card.Number(At(60) + kJust) == 12);
}

TEST_CASE("exact misses nothing at an as_of before the row's newest event") {
  Card card({{"sum", Exact(kHour, 100)}});
  card.view().history = kHour;
  card.Spend(At(5), 1);
  card.Spend(At(7), 2);
  card.Spend(At(25), 4);
  CHECK(card.Number(At(25), At(7)) == 3);
  CHECK(card.Number(At(25), At(7) - kJust) == 1);
  CHECK(card.Answer(At(25), At(7) - kJust).event_time == At(5));
  CHECK(card.Cell(At(25), At(4)).status == CellStatus::kNotFound);
}

TEST_CASE("exact is degraded if the greatest event that was dropped is > q - W") {
  Card card({{"sum", Exact(kHour, 2)}});
  card.Spend(At(0), 1);
  card.Spend(At(10), 2);
  card.Spend(At(20), 4);
  CHECK(card.Number(At(59)) == 6);
  CHECK(card.Cell(At(60) - kJust).degraded);
  CHECK_FALSE(card.Cell(At(60)).degraded);
  CHECK(card.Number(At(60)) == 6);
  CHECK_FALSE(
      Agrees(card.Cell(At(59)), {.status = CellStatus::kPresent, .value = Value::Int64(6)}));
  CHECK(Agrees(card.Cell(At(59)),
               {.status = CellStatus::kPresent, .degraded = true, .value = Value::Int64(6)}));
}

TEST_CASE("hopping covers [floor_h(q) - W, floor_h(q))") {
  Card card({{"sum", Hopping(kHour, Duration::Minutes(20))}});
  card.Spend(At(0), 1);
  card.Spend(At(20), 2);
  card.Spend(At(59), 4);
  card.Spend(At(60), 8);
  CHECK(card.Number(At(59)) == 3);  // [-20, 40)
  CHECK(card.Number(At(60)) == 7);  // [0, 60)
  CHECK(card.Number(At(79)) == 7);
  CHECK(card.Number(At(80)) == 14);  // [20, 80)
}

TEST_CASE("a session is the last run of events whose neighbours are closer than gap") {
  Card card({{"sum", Session(Duration::Minutes(30))}});
  card.view().lateness = kHour;
  card.Spend(At(0), 1);
  card.Spend(At(30), 2);
  card.Spend(At(60) - kJust, 4);
  CHECK(card.Number(At(60)) == 6);
  card.Spend(At(15), 8);  // joins both
  CHECK(card.Number(At(60)) == 15);
}

TEST_CASE("a session is empty once q - end >= gap, and then it has ended") {
  Card card(
      {{"sum", Session(Duration::Minutes(30))}, {"sum", Session(Duration::Minutes(30), true)}});
  card.Spend(At(0), 1);
  card.Spend(At(40), 2);
  const auto running = card.Answer(At(70) - kJust);
  CHECK(running.cells[0].value.as_int64() == 2);
  CHECK(running.cells[1].value.as_int64() == 1);
  const auto ended = card.Answer(At(70));
  CHECK(ended.cells[0].value.as_int64() == 0);
  CHECK(ended.cells[1].value.as_int64() == 2);
}

TEST_CASE("an event older than newest - lateness changes nothing in a session") {
  Card card({{"sum", Session(Duration::Minutes(30))}});
  card.Spend(At(60), 1);
  card.Spend(At(50) - kJust, 2);
  CHECK(card.Number(At(60)) == 1);
  card.Spend(At(50), 4);
  CHECK(card.Number(At(60)) == 5);
}

TEST_CASE("rows is the n greatest of which none is older than newest - ttl") {
  Card card({{"sum", Rows(3)}});
  card.view().ttl = kHour;
  card.Spend(At(60), 1);
  card.Spend(At(0) - kJust, 2);
  CHECK(card.Number(At(60)) == 1);
  card.Spend(At(0), 4);
  CHECK(card.Number(At(60)) == 5);
  card.Spend(At(30), 8);
  card.Spend(At(30), 16);  // later by its offset
  CHECK(card.Number(At(60)) == 25);
  card.Spend(At(40), std::nullopt);  // a row too
  CHECK(card.Number(At(60)) == 17);
}

TEST_CASE("session, rows and lifetime are OUTSIDE_HISTORY at any as_of < now") {
  Card card(
      {{"sum", Session(kHour)}, {"sum", Rows(3)}, {"sum", Window{}}, {"sum", Exact(kHour, 9)}});
  card.view().history = kHour;
  card.Spend(At(0), 1);
  const auto past = card.Answer(At(10), At(10) - kJust);
  for (const size_t f : {0, 1, 2}) CHECK(past.cells[f].status == CellStatus::kOutsideHistory);
  CHECK(past.cells[3].status == CellStatus::kPresent);
  for (const Expected& cell : card.Answer(At(10), At(10)).cells) {
    CHECK(cell.status == CellStatus::kPresent);
  }
}

}  // namespace freshet::oracle
