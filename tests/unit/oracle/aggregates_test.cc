// Figures worked out by hand from docs/semantics.md.
#include <algorithm>
#include <cmath>

#include "tests/unit/oracle/card.h"

namespace freshet::oracle {
namespace {

Cell Present(Value value) { return {.status = CellStatus::kPresent, .value = value}; }

}  // namespace

TEST_CASE("skewness = m3 / m2^1.5, kurtosis = m4 / m2^2 - 3, null where m2 = 0") {
  // 0, 0, 3: mean 1, m2 = 2, m3 = 2, m4 = 6.
  for (const auto& [name, figure] :
       {std::pair<std::string, double>{"skewness", 2 / std::pow(2, 1.5)}, {"kurtosis", -1.5}}) {
    Card card(name);
    card.Spend(At(0), 0);
    CHECK(card.Cell(At(1)).status == CellStatus::kNullValue);
    card.Spend(At(0), 0);
    CHECK(card.Cell(At(1)).status == CellStatus::kNullValue);
    card.Spend(At(0), 3);
    CHECK(card.Real(At(1)) == Approx(figure).epsilon(1e-12));
    CHECK(*card.Cell(At(1)).within == Approx(1e-9 * std::max(1.0, std::abs(figure))).epsilon(1e-6));
  }
}

TEST_CASE(
    "skewness is compared where values do not lie too close together for the digits of their "
    "mean") {
  Card card("skewness");
  card.Spend(At(0), 4'000'000'000'000'000);
  card.Spend(At(0), 4'000'000'000'000'001);
  const Expected cell = card.Cell(At(0));
  CHECK(cell.undetermined);
  CHECK(Agrees(cell, Present(Value::Double(7))));
  CHECK(Agrees(cell, {.status = CellStatus::kNullValue}));
  CHECK_FALSE(Agrees(cell, {.status = CellStatus::kError}));
}

TEST_CASE("min_by and max_by ties go to the later, and nulls are skipped") {
  Card least("min_by", {.order_by = 2});
  Card greatest("max_by", {.order_by = 2});
  for (Card* card : {&least, &greatest}) {
    card->Spend(At(0), 1, 5);
    card->Spend(At(2), 2, 5);
    card->Spend(At(1), 3, 5);
    card->Spend(At(3), std::nullopt, 9);
    card->Spend(At(3), std::nullopt, 1);
    card->Spend(At(4), 4);
    CHECK(card->Number(At(9)) == 2);
    card->Spend(At(0), 5, 6);
    card->Spend(At(0), 6, 4);
  }
  CHECK(least.Number(At(9)) == 6);
  CHECK(greatest.Number(At(9)) == 5);
}

TEST_CASE("any is true of one true, every of none false, both null of nothing") {
  Card any("any");
  Card every("every");
  for (Card* card : {&any, &every}) {
    card->feature().of = 3;
    card->feature().type = Type::kBool;
    card->Spend(At(0), 1);
    CHECK(card->Cell(At(0)).status == CellStatus::kNullValue);
    card->Spend(At(0), 1, {}, true);
    CHECK(card->Cell(At(0)).value == Value::Bool(true));
    card->Spend(At(0), 1, {}, false);
  }
  CHECK(any.Cell(At(0)).value == Value::Bool(true));
  CHECK(every.Cell(At(0)).value == Value::Bool(false));
}

TEST_CASE("quantile is the least value with rank >= max(1, ceil(q*n)), not interpolated") {
  const auto of = [](int64_t n, double q) {
    Card card("quantile", {.q = q, .exact_to = 100, .error = 0.01});
    for (int64_t i = n; i >= 1; --i) card.Spend(At(0), 10 * i);
    CHECK_FALSE(card.Cell(At(0)).sketch_error);
    return card.Real(At(0));
  };
  CHECK(of(20, 0) == 10);
  CHECK(of(20, 0.05) == 10);
  CHECK(of(20, 0.0501) == 20);
  CHECK(of(20, 0.5) == 100);
  CHECK(of(20, 0.55) == 110);
  CHECK(of(100, 0.07) == 80);  // in doubles, as PostgreSQL's percentile_disc: 7.000000000000001
  CHECK(of(20, 1) == 200);
}

TEST_CASE("quantile past exact_to is within error relative of that value") {
  Card card("quantile", {.q = 0.5, .exact_to = 2, .error = 0.01});
  for (const int64_t amount : {1, 100, 1000}) card.Spend(At(0), amount);
  const Expected cell = card.Cell(At(0));
  CHECK(Agrees(cell, Present(Value::Double(101))));
  CHECK(Agrees(cell, Present(Value::Double(99))));
  CHECK_FALSE(Agrees(cell, Present(Value::Double(101.1))));
}

TEST_CASE("count_distinct is exact to exact_to, and past it within its error") {
  Card card("count_distinct", {.exact_to = 3, .error = 0.24});
  for (const int64_t amount : {1, 2, 2, 3, 3, 3}) card.Spend(At(0), amount);
  card.Spend(At(0), std::nullopt);
  CHECK(card.Number(At(0)) == 3);
  CHECK_FALSE(Agrees(card.Cell(At(0)), Present(Value::Int64(4))));
  for (int64_t amount = 4; amount <= 10; ++amount) card.Spend(At(0), amount);
  CHECK(card.Number(At(0)) == 10);
  CHECK(Agrees(card.Cell(At(0)), Present(Value::Int64(12))));
  CHECK_FALSE(Agrees(card.Cell(At(0)), Present(Value::Int64(17))));
  CHECK_FALSE(Agrees(card.Cell(At(0)), Present(Value::Double(10))));
}

TEST_CASE("rate divides by W however much has passed, and is 0 of an empty window") {
  Card card("rate", {.per = kMinute},
            {.kind = WindowKind::kSliding, .length = kHour, .hop = kMinute});
  card.feature().of.reset();
  card.Spend(At(0), 1);
  card.Spend(At(1), std::nullopt);
  card.Spend(At(2), 1);
  CHECK(card.Real(At(2)) == Approx(3.0 / 60));
  CHECK(card.Real(At(900)) == 0);
}

TEST_CASE("decay runs to max(q, newest)") {
  Card count("decayed_count", {.half_life = kHour});
  Card sum("decayed_sum", {.half_life = kHour});
  Card mean("decayed_mean", {.half_life = kHour});
  for (Card* card : {&count, &sum, &mean}) {
    card->view().max_future_skew = kHour;
    card->Spend(At(0), 8);
    card->Spend(At(60), 2);
  }
  CHECK(count.Real(At(0)) == Approx(1.5));
  CHECK(count.Real(At(60)) == Approx(1.5));
  CHECK(count.Real(At(120)) == Approx(0.75));
  CHECK(sum.Real(At(60)) == Approx(6));
  CHECK(sum.Real(At(180)) == Approx(1.5));
  CHECK(mean.Real(At(60)) == Approx(4));
  CHECK(mean.Real(At(60) + Duration::Days(3650)) == Approx(4));
}

TEST_CASE(
    "decay at an as_of before the newest event runs to q: an answer never contains what came "
    "after") {
  Card count("decayed_count", {.half_life = kHour},
             {.kind = WindowKind::kSliding, .length = Duration::Hours(9), .hop = kMinute});
  count.view().history = Duration::Hours(9);
  count.Spend(At(0), 8);
  count.Spend(At(300), 2);
  CHECK(count.Real(At(300), At(60)) == Approx(0.5));
}

TEST_CASE("time_since_first and time_since_last are seconds to the read's time") {
  Card first("time_since_first");
  Card last("time_since_last");
  for (Card* card : {&first, &last}) {
    card->feature().of.reset();
    card->view().history = kHour;
    CHECK(card->Cell(At(0)).status == CellStatus::kNotFound);
    card->Spend(At(1), 1);
    card->Spend(At(3), std::nullopt);
  }
  CHECK(first.Real(At(4)) == 180);
  CHECK(last.Real(At(4)) == 60);
  CHECK(last.Real(At(2)) == 0);  // the event is ahead of the reader's clock
}

}  // namespace freshet::oracle
