// Aggregations through whole rows: declared, applied, stored, read back, combined from panes and finished.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "tests/unit/state/row_fixture.h"

namespace freshet {
namespace {

// Of events with another field.
struct FlaggedFixture : Fixture {
  static constexpr uint32_t kFlag = 3;

  explicit FlaggedFixture(std::vector<Feature> features, Duration history = {},
                          std::optional<Duration> ttl = Duration::Hours(2))
      : Fixture(std::move(features), history, ttl, Flagged()) {}
  static Source Flagged() {
    Source source = Fields();
    source.fields.push_back({.name = "flag", .type = Type::kBool});
    return source;
  }
  void Add(Timestamp t, const std::array<Value, 4>& values) {
    row->Apply({t, {0, 0, ++offset}, values});
  }
  // Through the stored form.
  size_t Restore() {
    const std::string bytes = Bytes();
    row.emplace(*Row::Decode(*layout, bytes));
    CHECK(Bytes() == bytes);
    return bytes.size();
  }
};

FeatureArguments Sketch(double error) {
  FeatureArguments arguments;
  arguments.exact_to = 256;
  arguments.error = error;
  return arguments;
}
FeatureArguments Quantile(double q) {
  FeatureArguments arguments = Sketch(0.01);
  arguments.q = q;
  return arguments;
}
FeatureArguments HalfLife(Duration d) {
  FeatureArguments arguments;
  arguments.half_life = d;
  return arguments;
}

}  // namespace

TEST_CASE("sketches merged from 25 panes after a stored row stay within the error they state") {
  const Window window = Sliding(Duration::Seconds(250), Duration::Seconds(10));
  for (const int n : {100, 1'000, 20'000, 300'000}) {
    FlaggedFixture f({Over("count_distinct", 2, window, Sketch(0.02)),
                      Over("count_distinct", 1, window, Sketch(0.05)),
                      Over("quantile", 0, window, Quantile(0.5)),
                      Over("quantile", 0, window, Quantile(0.99))});
    std::mt19937_64 random(7);
    std::lognormal_distribution<double> amounts(3, 2);
    std::vector<double> values;
    for (int i = 0; i < n; ++i) {
      // Each user comes in one pane, and many once more in another.
      values.push_back(amounts(random));
      const std::string shop = "shop " + std::to_string(i);
      const Timestamp t = At(static_cast<int64_t>(random() % 250));
      f.Add(t, {Value::Double(values.back()), Value::Text(shop), Value::Int64(i), Value()});
      if (i % 3 == 0) {
        f.Add(At(static_cast<int64_t>(random() % 250)),
              {Value(), Value::Text(shop), Value::Int64(i), Value()});
      }
    }
    const size_t size = f.Restore();
    INFO(n << " values, a row of " << size << " bytes of at most " << f.layout->size().bytes_max);
    CHECK(size <= f.layout->size().bytes_max);
    const ReadTime now{At(249), std::nullopt};
    const auto off = [&](uint32_t feature) {
      const Cell cell = f.Read(now, feature);
      REQUIRE(cell.status == CellStatus::kPresent);
      return std::abs(static_cast<double>(cell.value.as_int64()) - n) / n;
    };
    CHECK(off(0) <= (n <= 256 ? 0 : 0.02));
    CHECK(off(1) <= (n <= 256 ? 0 : 0.05));
    std::sort(values.begin(), values.end());
    for (const auto& [feature, q] : {std::pair(2, 0.5), std::pair(3, 0.99)}) {
      const double exact = values[static_cast<size_t>(std::ceil(q * n)) - 1];
      const double got = f.Read(now, static_cast<uint32_t>(feature)).value.as_double();
      CHECK(std::abs(got - exact) <= (n <= 256 ? 0 : 0.01 * exact));
    }
  }
}

TEST_CASE("decayed features without windows are lifetime, and decay on to the read's time") {
  FlaggedFixture f(
      {Over("decayed_sum", 0, kLifetimeWindow, HalfLife(Duration::Seconds(10))),
       Over("decayed_count", std::nullopt, kLifetimeWindow, HalfLife(Duration::Seconds(10))),
       Over("decayed_mean", 0, kLifetimeWindow, HalfLife(Duration::Seconds(10)))},
      Duration{}, std::nullopt);
  f.Add(At(20), {Value::Double(4), Value(), Value(), Value()});
  f.Add(At(0), {Value::Double(8), Value(), Value(), Value()});  // late, and yet it counts
  f.Add(At(10), {Value(), Value(), Value(), Value()});
  f.Restore();
  const ReadTime now{At(30), std::nullopt};
  CHECK(f.Read(now, 0).value.as_double() == 4.0 / 2 + 8.0 / 8);
  CHECK(f.Read(now, 1).value.as_double() == 0.5 + 0.25 + 0.125);
  CHECK(f.Read(now, 2).value.as_double() == (2.0 + 1) / (0.5 + 0.125));
  CHECK(f.Read({At(30), At(29)}, 0).status == CellStatus::kOutsideHistory);
  // Before the newest event of all: decay runs to max(q, newest).
  CHECK(f.Read({At(15), std::nullopt}, 0).value.as_double() == 4 + 8.0 / 4);
}

TEST_CASE("a lifetime decays to the row's newest event also at an as_of between now and that") {
  FlaggedFixture f(
      {Over("decayed_sum", 0, kLifetimeWindow, HalfLife(Duration::Seconds(10))),
       Over("decayed_sum", 0, {.kind = WindowKind::kRows, .events = 9},
            HalfLife(Duration::Seconds(10))),
       Over("count", std::nullopt, Sliding(Duration::Seconds(60), Duration::Seconds(1)))});
  f.Add(At(0), {Value::Double(8), Value(), Value(), Value()});
  f.Add(At(20), {Value::Double(4), Value(), Value(), Value()});
  for (const uint32_t feature : {0U, 1U}) {
    CHECK(f.Read({At(5), std::nullopt}, feature).value.as_double() == 4 + 8.0 / 4);
    CHECK(f.Read({At(5), At(10)}, feature).value.as_double() == 4 + 8.0 / 4);
  }
}

TEST_CASE("windows that keep events keep both fields of min_by, and tell of a coarse sketch") {
  FeatureArguments by_amount;
  by_amount.order_by = 0;
  FeatureArguments coarse = Sketch(0.4);
  coarse.exact_to = 8;
  coarse.q = 0.5;
  const Window rows{.kind = WindowKind::kRows, .events = 500};
  const Window exact{.kind = WindowKind::kExact, .length = Duration::Hours(1), .events = 500};
  FlaggedFixture f({Over("min_by", 1, rows, by_amount), Over("max_by", 2, exact, by_amount),
                    Over("quantile", 0, rows, coarse), Over("quantile", 0, exact, coarse),
                    Over("quantile", 0, exact, Quantile(0.5)),
                    Over("count_distinct", 1, exact, Sketch(0.02))});
  for (int i = 0; i < 400; ++i) {
    const std::string shop = "shop " + std::to_string(i);
    f.Add(At(i), {Value::Double(std::ldexp(i % 2 == 0 ? 1 : 1.5, i - 200)), Value::Text(shop),
                  Value::Int64(i), Value()});
  }
  for (int i = 0; i < 2; ++i) {
    const ReadTime now{At(400), std::nullopt};
    CHECK(f.Read(now, 0).value.as_text() == "shop 0");
    CHECK(f.Read(now, 1).value.as_int64() == 399);
    CHECK(f.Read(now, 2).degraded);
    CHECK(f.Read(now, 3).degraded);
    CHECK_FALSE(f.Read(now, 5).degraded);
    CHECK(std::abs(f.Read(now, 5).value.as_int64() - 400) <= 8);
    f.Restore();
  }
}

TEST_CASE("decayed features over a window decay within it; as_of does not show what came later") {
  const Window minute = Sliding(Duration::Seconds(60), Duration::Seconds(10));
  FlaggedFixture f({Over("decayed_sum", 0, minute, HalfLife(Duration::Seconds(10))),
                    Over("time_since_last", std::nullopt, minute)},
                   Duration::Hours(1));
  f.Add(At(0), {Value::Double(8), Value(), Value(), Value()});
  const ReadTime then{At(100), At(20)};
  CHECK(f.Read({At(20), std::nullopt}, 0).value.as_double() == 2);
  f.Add(At(50), {Value::Double(100), Value(), Value(), Value()});
  f.Restore();
  CHECK(f.Read(then, 0).value.as_double() == 2);
  CHECK(f.Read(then, 1).value.as_double() == 20);
  CHECK(f.Read({At(70), std::nullopt}, 0).value.as_double() == 25);  // of the last 60 s
  CHECK(f.Read({At(70), std::nullopt}, 1).value.as_double() == 20);
  CHECK(f.Read({At(200), std::nullopt}, 1).status == CellStatus::kNullValue);
}

TEST_CASE("text that min_by and max_by return outlives the combination of panes") {
  FeatureArguments by_amount;
  by_amount.order_by = 0;
  FeatureArguments by_shop;
  by_shop.order_by = 1;
  const Window minute = Sliding(Duration::Seconds(60), Duration::Seconds(10));
  FlaggedFixture f({Over("max_by", 1, minute, by_amount),
                    Over("min_by", 1, kLifetimeWindow, by_amount),
                    Over("max_by", 0, minute, by_shop)});
  const std::string long_name(100, 'z');
  f.Add(At(1), {Value::Double(5), Value::Text("the dearest of all the shops"), Value(), Value()});
  f.Add(At(15), {Value::Double(1), Value::Text("the cheapest of all the shops"), Value(), Value()});
  f.Add(At(31), {Value::Double(3), Value::Text(long_name), Value(), Value()});
  f.Add(At(33), {Value(), Value::Text("zzzz"), Value(), Value()});  // null in one: skipped
  for (int i = 0; i < 2; ++i) {
    const ReadTime now{At(40), std::nullopt};
    CHECK(f.Read(now, 0).value.as_text() == "the dearest of all the shops");
    CHECK(f.Read(now, 1).value.as_text() == "the cheapest of all the shops");
    CHECK(f.Read(now, 2).value.as_double() == 3);
    f.Restore();
  }
}

TEST_CASE(
    "every scalar aggregation of a window survives the stored row, and cut or changed bytes") {
  std::vector<Feature> features;
  for (const Aggregation& aggregation : AllAggregations()) {
    if (const auto type = aggregation.ResultType(Type::kDouble); type && !IsScalar(*type)) continue;
    FeatureArguments arguments = Quantile(0.9);
    arguments.exact_to = 8;
    if ((aggregation.takes & kArgumentOrderBy) != 0) arguments.order_by = 1;
    arguments.half_life = Duration::Seconds(30);
    arguments.per = Duration::Seconds(1);
    const bool of_number = aggregation.ResultType(Type::kDouble).has_value();
    const std::optional<uint32_t> of =
        aggregation.of == OfRule::kNone || !of_number ? std::nullopt : std::optional(0U);
    features.push_back(Over(std::string(aggregation.name), of,
                            Sliding(Duration::Seconds(60), Duration::Seconds(10)), arguments));
    if (aggregation.of == OfRule::kNone || of_number) continue;
    features.back().of = FlaggedFixture::kFlag;
    features.back().type = Type::kBool;
  }
  FlaggedFixture f(features);
  std::mt19937_64 random(11);
  for (int i = 0; i < 200; ++i) {
    const std::string shop = "shop " + std::to_string(random() % 50);
    f.Add(At(static_cast<int64_t>(random() % 60)),
          {Value::Double(static_cast<double>(random() % 1000) / 8), Value::Text(shop),
           Value::Int64(i), Value::Bool(random() % 2 == 0)});
  }
  const ReadTime now{At(60), std::nullopt};
  std::vector<Cell> before;
  for (uint32_t i = 0; i < features.size(); ++i) {
    before.push_back(f.Read(now, i));
    INFO(features[i].name);
    CHECK(before.back().status == CellStatus::kPresent);
  }
  std::vector<double> numbers;
  for (const Cell& cell : before) numbers.push_back(cell.value.number());
  f.Restore();
  for (uint32_t i = 0; i < features.size(); ++i) {
    INFO(features[i].name);
    if (features[i].type == Type::kBool) continue;
    CHECK(f.Read(now, i).value.number() == numbers[i]);
  }
  const std::string sound = f.Bytes();
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = sound;
    if (i % 4 == 0) damaged.resize(random() % sound.size());
    for (uint64_t k = random() % 4; k-- > 0 && damaged.size() > 11;) {
      damaged[11 + random() % (damaged.size() - 11)] = static_cast<char>(random());
    }
    auto row = Row::Decode(*f.layout, damaged);
    if (!row.ok()) continue;
    for (uint32_t k = 0; k < features.size(); ++k) {
      Cell cell;
      row->Finish(now, {&k, 1}, {&cell, 1});
    }
    std::string again;
    row->Encode(again);
  }
}

// "None where m2 = 0", and no answer depends on where batches were cut.
TEST_CASE("skewness and kurtosis of one value or equal ones are none, however far from 0") {
  for (const char* shape : {"skewness", "kurtosis"}) {
    for (const double x : {1e75, 1e154, 1e200, -1.7e308}) {
      for (const int events : {1, 2, 5}) {
        FlaggedFixture whole({Over(shape, 0, kLifetimeWindow)});
        FlaggedFixture cut({Over(shape, 0, kLifetimeWindow)});
        for (int i = 0; i < events; ++i) {
          const std::array values = {Value::Double(x), Value::Text("a"), Value::Int64(1),
                                     Value::Bool(true)};
          whole.Add(At(i), values);
          cut.Add(At(i), values);
          cut.Restore();
        }
        INFO(shape << " of " << events << " times " << x);
        CHECK(whole.Read({At(9), {}}, 0).status == CellStatus::kNullValue);
        CHECK(cut.Read({At(9), {}}, 0).status == CellStatus::kNullValue);
        whole.Restore();
        CHECK(whole.Bytes() == cut.Bytes());
      }
    }
  }
}

TEST_CASE("a row of thousands of sketches takes memory as its bytes do") {
  FeatureArguments arguments = Sketch(0.01);
  arguments.exact_to = 1;
  FlaggedFixture f(
      {Over("count_distinct", 1, Sliding(Duration::Hours(2), Duration::Seconds(10)), arguments)});
  for (int i = 0; i < 720; ++i) {
    for (const char* shop : {"a", "b"}) {
      f.Add(At(i * 10), {Value::Double(1), Value::Text(shop), Value(), Value()});
    }
  }
  const size_t updated = f.row->memory_bytes();
  const size_t bytes = f.Restore();
  CHECK(updated < 40 * bytes);
  CHECK(f.row->memory_bytes() < 40 * bytes);
  CHECK(f.Read({At(7190), {}}, 0).value.as_int64() == 2);
}

}  // namespace freshet
