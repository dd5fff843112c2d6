#include "featurestore/aggregate/catalog.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "featurestore/aggregate/accumulator_set.h"

namespace freshet {
namespace {

constexpr Timestamp kLater{1'000'000'000};

// What every aggregation finds its arguments in.
FeatureArguments Arguments() {
  FeatureArguments arguments;
  arguments.order_by = 1;
  arguments.q = 0.5;
  arguments.exact_to = 256;
  arguments.error = 0.02;
  arguments.half_life = Duration::Seconds(1);
  arguments.per = Duration::Seconds(1);
  arguments.n = 3;
  arguments.bounds = {0};
  return arguments;
}

// The answer of an aggregation over the values of one field, one event a second from 0 s on; `order_by` is the number
// of the event, or as given.
Cell Over(std::string_view name, Type type, const std::vector<Value>& values,
          FeatureArguments arguments = Arguments(), const std::vector<Value>& order_by = {},
          Timestamp read = kLater) {
  Source source;
  source.fields = {{.name = "x", .type = type}, {.name = "y", .type = Type::kInt64}};
  const Aggregation& aggregation = *FindAggregation(name);
  Feature feature;
  if (aggregation.of != OfRule::kNone) feature.of = 0;
  feature.arguments = arguments;
  std::vector<AccumulatorSpec> specs;
  for (const AccumulatorKind kind : aggregation.needs(type)) specs.push_back(SpecOf(kind, feature));
  const AccumulatorSet set = *AccumulatorSet::Make(specs, source);
  std::vector<uint64_t> memory(set.bytes() / 8);
  auto* place = reinterpret_cast<std::byte*>(memory.data());
  int64_t n = 0;
  for (const Value& value : values) {
    const std::array<Value, 2> fields = {
        value, order_by.empty() ? Value::Int64(n) : order_by[static_cast<size_t>(n)]};
    set.Add(place, {.time = {n * 1'000'000}, .at = {0, 0, n}, .fields = fields});
    ++n;
  }
  static auto& packed = *new PackedArena();
  std::vector<const void*> parts;
  for (const AccumulatorSpec& spec : specs) parts.push_back(place + set.Find(spec)->offset);
  const Cell cell = aggregation.finish(parts,
                                       {.of = type,
                                        .order_by = Type::kInt64,
                                        .arguments = &arguments,
                                        .length = Duration::Seconds(10)},
                                       {read, {n * 1'000'000}, &packed});
  set.Destroy(place);
  return cell;  // no texts: they would be the set's
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
  CHECK(AggregationNames().size() == 30);
  CHECK(FindAggregation("avg") == nullptr);
}

TEST_CASE("each type that an aggregation takes has its accumulators, each other has no result") {
  for (const Aggregation& aggregation : AllAggregations()) {
    for (const Type type : {Type::kBool, Type::kInt64, Type::kDouble, Type::kFloat, Type::kString,
                            Type::kBytes, Type::kTimestamp}) {
      INFO(aggregation.name << " of " << TypeName(type));
      if (aggregation.of == OfRule::kNone) {
        CHECK_FALSE(aggregation.ResultType(type));
        for (const AccumulatorKind kind : aggregation.needs(std::nullopt)) {
          CHECK(FindAccumulator(kind, std::nullopt) != nullptr);
        }
        continue;
      }
      if (!aggregation.ResultType(type, Arguments())) {
        CHECK((!IsNumeric(type) || aggregation.ResultType(Type::kBool)));
        continue;
      }
      const bool ranked = (aggregation.takes & kArgumentOrderBy) != 0;
      for (const AccumulatorKind kind : aggregation.needs(type)) {
        CHECK(FindAccumulator(kind, KeepsEvents(kind) ? std::nullopt : std::optional(type),
                              ranked ? std::optional(Type::kInt64) : std::nullopt) != nullptr);
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
    if (aggregation.of == OfRule::kNone) continue;  // of rows, whatever is in them
    if (aggregation.of_list) continue;              // nulls are kept
    INFO(aggregation.name);
    const Type type = aggregation.ResultType(Type::kDouble) ? Type::kDouble : Type::kBool;
    CHECK(Over(aggregation.name, type, {Value(), Value()}).status == CellStatus::kNullValue);
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

TEST_CASE(
    "skewness = m3 / m2^1.5, kurtosis = m4 / m2² − 3, population moments, null where m2 = 0") {
  // Of 1, 2, 9: mean 4; m2 = 38/3, m3 = 30, m4 = 722/3.
  const auto values = Doubles({1, 2, 9});
  CHECK(Real(Over("skewness", Type::kDouble, values)) ==
        Approx(30 / std::pow(38.0 / 3, 1.5)).epsilon(1e-12));
  CHECK(Real(Over("kurtosis", Type::kDouble, values)) ==
        Approx(722.0 / 3 / (38.0 / 3 * 38 / 3) - 3).epsilon(1e-12));
  CHECK(Over("skewness", Type::kDouble, Doubles({0.1, 0.1, 0.1})).status == CellStatus::kNullValue);
  CHECK(Over("kurtosis", Type::kInt64, Ints({7})).status == CellStatus::kNullValue);
  CHECK(Real(Over("skewness", Type::kInt64, Ints({-5, 5}))) == 0);
}

TEST_CASE("min_by/max_by ties go to the later (time, partition, offset)") {
  const auto values = Ints({10, 20, 30, 40});
  const auto with = [&](std::string_view name, const std::vector<Value>& order_by) {
    return Over(name, Type::kInt64, values, Arguments(), order_by);
  };
  CHECK(with("min_by", Ints({3, 1, 1, 2})).value.as_int64() == 30);
  CHECK(with("max_by", Ints({3, 1, 3, 2})).value.as_int64() == 30);
  // An event in which either is null is skipped.
  CHECK(with("max_by", {Value::Int64(1), Value(), Value(), Value::Int64(0)}).value.as_int64() ==
        10);
  CHECK(with("max_by", {Value(), Value(), Value(), Value()}).status == CellStatus::kNullValue);
}

TEST_CASE("any is true where one value is, every where all are") {
  const Value yes = Value::Bool(true), no = Value::Bool(false);
  CHECK(Over("any", Type::kBool, {no, yes, no}).value.as_bool());
  CHECK_FALSE(Over("any", Type::kBool, {no, Value()}).value.as_bool());
  CHECK(Over("every", Type::kBool, {yes, Value(), yes}).value.as_bool());
  CHECK_FALSE(Over("every", Type::kBool, {yes, no}).value.as_bool());
  CHECK_FALSE(FindAggregation("any")->ResultType(Type::kInt64));
}

TEST_CASE("rate divides by W however much has passed") {
  FeatureArguments arguments = Arguments();
  const std::vector<Value> values(5, Value());
  CHECK(Real(Over("rate", Type::kInt64, values, arguments)) == 0.5);  // of a window of 10 s
  arguments.per = Duration::Minutes(1);
  CHECK(Real(Over("rate", Type::kInt64, values, arguments)) == 30);
}

TEST_CASE("decayed: each weighs half after every half-life, and decay runs to max(q, newest)") {
  // Events at 0, 1 and 2 s; the newest event of the row stands at 3 s.
  const auto values = Doubles({8, 4, 100});
  const auto at = [&](std::string_view name, int64_t us) {
    return Real(Over(name, Type::kDouble, values, Arguments(), {}, {us}));
  };
  CHECK(at("decayed_sum", 4'000'000) == 8.0 / 16 + 4.0 / 8 + 100.0 / 4);
  CHECK(at("decayed_sum", 4'500'000) == Approx((8.0 / 16 + 4.0 / 8 + 100.0 / 4) / std::sqrt(2)));
  CHECK(at("decayed_sum", 0) == at("decayed_sum", 3'000'000));
  CHECK(at("decayed_count", 3'000'000) == 1.0 / 8 + 1.0 / 4 + 1.0 / 2);
  CHECK(at("decayed_mean", 3'000'000) == Approx((1 + 1 + 50) / 0.875).epsilon(1e-15));
  // However far away, and however short the half-life.
  FeatureArguments brief = Arguments();
  brief.half_life = Duration{1};
  const Timestamp far = kMaxEventTime;
  CHECK(Real(Over("decayed_sum", Type::kDouble, Doubles({1e308, -1e308, 5}), brief, {}, far)) == 0);
  CHECK(Real(Over("decayed_mean", Type::kDouble, Doubles({1e308, 1e308, 5}), brief, {}, far)) == 5);
  CHECK(Real(Over("decayed_sum", Type::kDouble, Doubles({1e308, 1e308}), Arguments(), {},
                  {2'000'000})) == Approx(0.75e308));
}

TEST_CASE("time_since: seconds from the event to the read's time, never below 0") {
  const std::vector<Value> values(3, Value());
  CHECK(Real(Over("time_since_first", Type::kInt64, values, Arguments(), {}, {5'500'000})) == 5.5);
  CHECK(Real(Over("time_since_last", Type::kInt64, values, Arguments(), {}, {5'500'000})) == 3.5);
  CHECK(Real(Over("time_since_last", Type::kInt64, values, Arguments(), {}, {1'500'000})) == 0);
}

TEST_CASE("quantile(q), exact: the least value with rank ≥ max(1, ceil(q·n)), not interpolated") {
  const auto values = Doubles({5, 1, 4, 2, 3, 3, 8, 7, 6, 9});
  const auto at = [&](double q) {
    FeatureArguments arguments = Arguments();
    arguments.q = q;
    return Real(Over("quantile", Type::kDouble, values, arguments));
  };
  CHECK(at(0) == 1);
  CHECK(at(0.1) == 1);
  CHECK(at(0.11) == 2);
  CHECK(at(0.5) == 4);
  CHECK(at(0.95) == 9);
  CHECK(at(1) == 9);
}

TEST_CASE("past exact_to values a quantile is within error of the exact one") {
  for (const double error : {0.001, 0.01, 0.05, 0.3}) {
    FeatureArguments arguments = Arguments();
    arguments.exact_to = 10;
    arguments.error = error;
    std::vector<double> sorted;
    std::vector<Value> values;
    uint64_t seed = 1;
    for (int i = 0; i < 2'000; ++i) {
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      const double size = std::exp(static_cast<double>(seed >> 40) / (1 << 24) * 12 - 6);
      sorted.push_back((seed >> 20 & 7) == 0 ? 0 : ((seed >> 20 & 1) != 0 ? -size : size));
      values.push_back(Value::Double(sorted.back()));
    }
    std::sort(sorted.begin(), sorted.end());
    for (const double q : {0.0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0}) {
      arguments.q = q;
      const Cell cell = Over("quantile", Type::kDouble, values, arguments);
      const auto rank = static_cast<size_t>(std::max(1.0, std::ceil(q * 2'000)));
      const double exact = sorted[rank - 1];
      INFO(error << " " << q << " " << exact << " " << Real(cell));
      CHECK(std::abs(Real(cell) - exact) <= error * std::abs(exact));
      CHECK_FALSE(cell.degraded);
    }
  }
}

TEST_CASE("a quantile's histogram of values of all magnitudes grows coarser and says so") {
  FeatureArguments arguments = Arguments();
  arguments.exact_to = 10;
  arguments.error = 0.01;
  std::vector<Value> values;
  for (int e = -1000; e < 1000; ++e) {
    for (const double m : {1.0, 1.3, 1.6}) values.push_back(Value::Double(std::ldexp(m, e)));
  }
  const Cell cell = Over("quantile", Type::kDouble, values, arguments);
  CHECK(cell.degraded);
  CHECK(Real(cell) > 0.05);
  CHECK(Real(cell) < 20);
}

TEST_CASE("count_distinct: exact up to exact_to, past it within error of the truth") {
  std::vector<Value> values;
  for (int64_t i = 0; i < 256; ++i) {
    values.push_back(Value::Int64(i * i));
    values.push_back(Value::Int64(i * i));
  }
  CHECK(Over("count_distinct", Type::kInt64, values).value.as_int64() == 256);
  CHECK(Over("count_distinct", Type::kDouble, Doubles({0.0, -0.0, 1})).value.as_int64() == 2);
  for (const int64_t n : {257, 1'000, 10'000, 100'000}) {
    values.clear();
    for (int64_t i = 0; i < n; ++i) values.push_back(Value::Int64(i));
    const auto got =
        static_cast<double>(Over("count_distinct", Type::kInt64, values).value.as_int64());
    INFO(n << " " << got);
    CHECK(std::abs(got - static_cast<double>(n)) <= 0.02 * static_cast<double>(n));
  }
}

}  // namespace freshet
