#include "featurestore/aggregate/catalog.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "featurestore/aggregate/accumulator_set.h"

namespace freshet {
namespace {

// The answer of an aggregation over the values of one field, one event a second.
Cell Over(std::string_view name, Type type, const std::vector<Value>& values) {
  Source source;
  source.fields = {{.name = "x", .type = type}};
  const Aggregation& aggregation = *FindAggregation(name);
  std::vector<AccumulatorSpec> specs;
  for (const AccumulatorKind kind : aggregation.needs(type)) specs.push_back({kind, 0});
  const AccumulatorSet set = *AccumulatorSet::Make(specs, source);
  std::vector<uint64_t> memory(set.bytes() / 8);
  auto* place = reinterpret_cast<std::byte*>(memory.data());
  int64_t n = 0;
  for (const Value& value : values) {
    set.Add(place, {.time = {n * 1'000'000}, .at = {0, 0, n}, .fields = {&value, 1}});
    ++n;
  }
  std::vector<const void*> parts;
  for (const AccumulatorSpec& spec : specs) parts.push_back(place + set.Find(spec)->offset);
  const Cell cell = aggregation.finish(parts, {.of = type});
  return cell;  // numbers only: texts would be the set's
}

std::vector<Value> Doubles(std::initializer_list<double> values) {
  std::vector<Value> made;
  for (const double v : values) made.push_back(Value::Double(v));
  return made;
}
std::vector<Value> Ints(std::initializer_list<int64_t> values) {
  std::vector<Value> made;
  for (const int64_t v : values) made.push_back(Value::Int64(v));
  return made;
}

double Real(const Cell& cell) {
  REQUIRE(cell.status == CellStatus::kPresent);
  return cell.value.as_double();
}

}  // namespace

TEST_CASE("the catalog's names are found, others are not") {
  for (const std::string& name : AggregationNames()) {
    REQUIRE(FindAggregation(name) != nullptr);
    CHECK(FindAggregation(name)->name == name);
  }
  CHECK(AggregationNames().size() == 11);
  CHECK(FindAggregation("avg") == nullptr);
  for (const std::string_view planned : PlannedAggregations()) {
    CHECK(FindAggregation(planned) == nullptr);
  }
}

TEST_CASE("each type that an aggregation takes has its accumulators, each other has no result") {
  for (const Aggregation& aggregation : AllAggregations()) {
    for (const Type type : {Type::kBool, Type::kInt64, Type::kDouble, Type::kFloat, Type::kString,
                            Type::kBytes, Type::kTimestamp}) {
      INFO(aggregation.name << " of " << TypeName(type));
      if (!aggregation.ResultType(type)) {
        CHECK_FALSE(IsNumeric(type));
        continue;
      }
      for (const AccumulatorKind kind : aggregation.needs(type)) {
        CHECK(FindAccumulator(kind, type) != nullptr);
      }
    }
  }
  CHECK_FALSE(FindAggregation("sum")->ResultType(Type::kString));
  CHECK_FALSE(FindAggregation("sum")->ResultType(std::nullopt));
  CHECK(FindAggregation("count")->ResultType(std::nullopt) == Type::kInt64);
  CHECK(FindAggregation("sum")->ResultType(Type::kInt64) == Type::kInt64);
  CHECK(FindAggregation("sum")->ResultType(Type::kFloat) == Type::kDouble);
  CHECK(FindAggregation("max")->ResultType(Type::kFloat) == Type::kFloat);
  CHECK(FindAggregation("last")->ResultType(Type::kString) == Type::kString);
}

TEST_CASE(
    "integer sums accumulate in 128 bits and are checked when finished: overflow is status ERROR") {
  const int64_t max = std::numeric_limits<int64_t>::max();
  CHECK(Over("sum", Type::kInt64, Ints({max, 1})).status == CellStatus::kError);
  CHECK(Over("sum", Type::kInt64, Ints({-max, -2})).status == CellStatus::kError);
  const Cell back = Over("sum", Type::kInt64, Ints({max, max, -max}));
  CHECK(back.status == CellStatus::kPresent);
  CHECK(back.value.as_int64() == max);
  // A mean of such values is in range however great their sum.
  CHECK(Real(Over("mean", Type::kInt64, Ints({max, max, max}))) ==
        Approx(static_cast<double>(max)).epsilon(1e-15));
}

TEST_CASE("double sums are compensated") {
  std::vector<Value> values = Doubles({1e16});
  for (int i = 0; i < 10'000; ++i) values.push_back(Value::Double(1));
  values.push_back(Value::Double(-1e16));
  CHECK(Real(Over("sum", Type::kDouble, values)) == 10'000);
  CHECK(Over("sum", Type::kDouble, Doubles({1e308, 1e308})).status == CellStatus::kError);
}

TEST_CASE(
    "variance, stddev: sample, as in SQL (null below two values); var_pop, stddev_pop: "
    "population") {
  const auto values = Doubles({2, 4, 4, 4, 5, 5, 7, 9});
  CHECK(Real(Over("var_pop", Type::kDouble, values)) == Approx(4));
  CHECK(Real(Over("stddev_pop", Type::kDouble, values)) == Approx(2));
  CHECK(Real(Over("variance", Type::kDouble, values)) == Approx(32.0 / 7));
  CHECK(Real(Over("stddev", Type::kDouble, values)) == Approx(std::sqrt(32.0 / 7)));
  CHECK(Over("variance", Type::kDouble, Doubles({3})).status == CellStatus::kNullValue);
  CHECK(Over("stddev", Type::kDouble, Doubles({3})).status == CellStatus::kNullValue);
  CHECK(Real(Over("var_pop", Type::kDouble, Doubles({3}))) == 0);
  CHECK(Over("var_pop", Type::kDouble, {}).status == CellStatus::kNullValue);
  // What leaves a double is an error, never a small number.
  for (const auto& far :
       {Doubles({1e308, -1e308}), Doubles({1e308, 1e308, -1e308}), Doubles({1e200, -1e200})}) {
    for (const char* name : {"var_pop", "variance", "stddev", "stddev_pop"}) {
      CHECK(Over(name, Type::kDouble, far).status == CellStatus::kError);
    }
  }
  // Far from zero, where a sum of squares loses all digits.
  CHECK(Real(Over("var_pop", Type::kInt64, Ints({1'000'000'001, 1'000'000'002, 1'000'000'003}))) ==
        Approx(2.0 / 3).epsilon(1e-9));
}

TEST_CASE("nulls are skipped; a window that holds only nulls is empty") {
  CHECK(Real(Over("mean", Type::kDouble, {Value::Double(4), Value(), Value::Double(2)})) == 3);
  CHECK(Over("count", Type::kDouble, {Value::Double(4), Value()}).value.as_int64() == 1);
  for (const Aggregation& aggregation : AllAggregations()) {
    INFO(aggregation.name);
    CHECK(Over(aggregation.name, Type::kDouble, {Value(), Value()}).status ==
          CellStatus::kNullValue);
  }
}

TEST_CASE("min, max, first and last give one of the values, of any type") {
  CHECK(Over("min", Type::kInt64, Ints({3, INT64_MIN, 5})).value.as_int64() == INT64_MIN);
  CHECK(Over("max", Type::kInt64, Ints({3, INT64_MAX, 5})).value.as_int64() == INT64_MAX);
  CHECK(Over("first", Type::kInt64, Ints({3, 9, 5})).value.as_int64() == 3);
  CHECK(Over("last", Type::kInt64, Ints({3, 9, 5})).value.as_int64() == 5);
  CHECK(Over("max", Type::kBool, {Value::Bool(false), Value::Bool(true)}).value.as_bool());
  CHECK_FALSE(Over("min", Type::kBool, {Value::Bool(false), Value::Bool(true)}).value.as_bool());
  CHECK(Over("max", Type::kTimestamp, {Value::Time({5}), Value::Time({7})}).value.as_time().us ==
        7);
  // Equal values are one, whichever came first.
  CHECK_FALSE(std::signbit(Over("min", Type::kDouble, Doubles({-0.0, 0.0})).value.as_double()));
}

}  // namespace freshet
