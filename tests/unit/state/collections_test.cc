// Lists and maps through whole rows: declared, applied, stored, read back, combined from panes and finished.
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <map>
#include <random>

#include "featurestore/aggregate/top_k.h"
#include "featurestore/base/hash.h"
#include "featurestore/model/packed.h"
#include "row_fixture.h"

namespace freshet {
namespace {

Feature Collected(std::string aggregate, std::optional<uint32_t> of, Window window,
                  FeatureArguments arguments) {
  Feature f;
  f.name = aggregate;
  f.aggregate = std::move(aggregate);
  f.of = of;
  f.window = window;
  f.arguments = std::move(arguments);
  const auto type = [](std::optional<uint32_t> field) {
    return field ? std::optional(Fields().fields[*field].type) : std::nullopt;
  };
  f.type =
      FindAggregation(f.aggregate)->ResultType(type(of), f.arguments, type(f.arguments.by)).value();
  return f;
}

FeatureArguments N(uint32_t n, std::vector<uint32_t> of = {}) {
  FeatureArguments arguments;
  arguments.n = n;
  arguments.of = std::move(of);
  return arguments;
}
FeatureArguments Top(uint32_t k, uint32_t exact_to, bool counts = false) {
  FeatureArguments arguments;
  arguments.n = k;
  arguments.exact_to = exact_to;
  arguments.counts = counts;
  return arguments;
}
FeatureArguments By(std::optional<uint32_t> by, uint32_t max_keys) {
  FeatureArguments arguments;
  arguments.by = by;
  arguments.max_keys = max_keys;
  return arguments;
}
FeatureArguments Bounds(std::vector<double> bounds) {
  FeatureArguments arguments;
  arguments.bounds = std::move(bounds);
  return arguments;
}

constexpr uint32_t kAmount = 0;
constexpr uint32_t kShop = 1;
constexpr uint32_t kPoints = 2;

std::string Text(const Cell& cell) {
  return cell.status == CellStatus::kPresent ? PackedToDebugString(cell.value.as_packed())
                                             : std::string(CellStatusName(cell.status));
}

void Restore(Fixture& f) {
  const std::string bytes = f.Bytes();
  f.row.emplace(*Row::Decode(*f.layout, bytes));
  CHECK(f.Bytes() == bytes);
  CHECK(bytes.size() <= f.layout->size().bytes_max);
}

const std::vector<Window>& EveryWindow() {
  static const auto& windows = *new std::vector<Window>{
      kMinute,
      {.kind = WindowKind::kTumbling, .length = Duration::Minutes(1), .hop = Duration::Seconds(10)},
      {.kind = WindowKind::kExact, .length = Duration::Seconds(60), .events = 50},
      {.kind = WindowKind::kSession, .length = Duration::Seconds(60)},
      {.kind = WindowKind::kRows, .events = 50},
      kLifetimeWindow};
  return windows;
}

}  // namespace

TEST_CASE("lists of several fields are aligned; nulls are kept; the last are newest first") {
  for (const Window& window : EveryWindow()) {
    Fixture f({Collected("last_n", kAmount, window, N(3, {kAmount, kPoints, kShop})),
               Collected("last_n", kPoints, window, N(3, {kAmount, kPoints, kShop})),
               Collected("last_n", kShop, window, N(3, {kAmount, kPoints, kShop})),
               Collected("first_n", kShop, window, N(2)),
               Collected("last_distinct_n", kShop, window, N(2))});
    CHECK(Text(f.Now(At(0), 0)) == "NOT_FOUND");
    f.Add(At(1), Value::Double(1), Value::Text("a"), Value::Int64(1));
    f.Add(At(31), Value::Double(3), Value::Text("b"), Value());
    f.Add(At(12), Value(), Value::Text("a"), Value::Int64(2));  // late
    f.Add(At(41), Value(), Value(), Value());
    for (int i = 0; i < 2; ++i) {
      CHECK(Text(f.Now(At(45), 0)) == "[null, 3, null]");
      CHECK(Text(f.Now(At(45), 1)) == "[null, null, 2]");
      CHECK(Text(f.Now(At(45), 2)) == "[null, \"b\", \"a\"]");
      CHECK(Text(f.Now(At(45), 3)) == "[\"a\", \"a\"]");
      CHECK(Text(f.Now(At(45), 4)) == "[\"b\", \"a\"]");
      Restore(f);
    }
  }
}

TEST_CASE("one list of events serves all of its fields") {
  Fixture f({Collected("last_n", kAmount, kMinute, N(3, {kAmount, kShop})),
             Collected("last_n", kShop, kMinute, N(3, {kAmount, kShop}))});
  CHECK(f.layout->rings()[0].accumulators == std::vector<std::string>{"last_n(amount, shop) n 3"});
}

TEST_CASE("a value that came again is at the place of its latest event") {
  Fixture f({Collected("last_distinct_n", kPoints, kMinute, N(3))});
  const std::array<std::pair<int, int>, 6> events = {
      {{0, 1}, {5, 2}, {12, 3}, {20, 1}, {33, 4}, {7, 4}}};
  for (const auto& [t, v] : events) f.Add(At(t), Value(), Value(), Value::Int64(v));
  CHECK(Text(f.Now(At(40))) == "[4, 1, 3]");
  f.Add(At(41), Value(), Value(), Value());
  CHECK(Text(f.Now(At(42))) == "[4, 1, 3]");
  CHECK(Text(f.Now(At(120))) == "NULL_VALUE");
}

TEST_CASE("top_k gives values by falling count, ties by value; counts: true a map to the counts") {
  for (const Window& window : EveryWindow()) {
    Fixture f({Collected("top_k", kShop, window, Top(2, 16)),
               Collected("top_k", kShop, window, Top(2, 16, true))});
    int t = 0;
    for (const char* shop : {"c", "b", "b", "a", "c", "d"}) {
      f.Add(At(t += 7), Value(), Value::Text(shop), Value());
    }
    f.Add(At(t), Value(), Value(), Value());
    for (int i = 0; i < 2; ++i) {
      CHECK(Text(f.Now(At(45), 0)) == "[\"b\", \"c\"]");
      CHECK(Text(f.Now(At(45), 1)) == "{\"b\": 2, \"c\": 2}");
      Restore(f);
    }
  }
}

TEST_CASE(
    "top_k past exact_to, merged from 25 panes after a stored row, is within its stated error") {
  const Window window = Sliding(Duration::Seconds(250), Duration::Seconds(10));
  const uint32_t exact_to = 100;
  Fixture f({Collected("top_k", kPoints, window, Top(10, exact_to)),
             Collected("top_k", kPoints, window, Top(10, exact_to, true)),
             Collected("top_k", kShop, window, Top(10, exact_to, true))});
  std::mt19937_64 random(5);
  std::map<int64_t, int64_t> counts;
  const int n = 200'000;
  for (int i = 0; i < n; ++i) {
    // Some frequent ones, and a long tail behind them.
    const double u = std::generate_canonical<double, 53>(random);
    const auto v = static_cast<int64_t>(std::min(1e9, std::pow(1 - u, -2.0)));
    ++counts[v];
    const std::string shop = "shop " + std::to_string(v);
    f.Add(At(static_cast<int64_t>(random() % 250)), Value(), Value::Text(shop), Value::Int64(v));
  }
  REQUIRE(counts.size() > 5'000);
  Restore(f);
  const double error = TopK::ErrorOf(exact_to);
  CHECK(error == 3.5 / 256);
  const Cell list = f.Now(At(249), 0);
  PackedReader in(list.value.as_packed());
  REQUIRE(in.size() == 10);
  for (int64_t v = 1; v <= 3; ++v) CHECK(in.Next().as_int64() == v);
  const Cell cell = f.Now(At(249), 1);
  PackedReader map(cell.value.as_packed());
  for (uint32_t i = 0; i < map.size(); ++i) {
    const int64_t v = map.Next().as_int64();
    const int64_t told = map.Next().as_int64();
    CHECK(told >= counts[v]);
    CHECK(static_cast<double>(told - counts[v]) <= error * n);
  }
  CHECK(PackedReader(f.Now(At(249), 2).value.as_packed()).size() == 10);
}

TEST_CASE(
    "keys that were made to fill one stretch of a sketch's slots cost it its memory, not more") {
  // DataSketches gives up after a thousand neighbours; with 2048 slots they are found by trying.
  Fixture f({Collected("top_k", kPoints, kLifetimeWindow, Top(5, 1024, true))});
  const auto mix = [](uint64_t k) {
    k ^= k >> 33;
    k *= 0xff51afd7ed558ccd;
    k ^= k >> 33;
    k *= 0xc4ceb9fe1a85ec53;
    return k ^ k >> 33;
  };
  int added = 0;
  for (int64_t v = 0; added < 1600; ++v) {
    char bytes[8];
    std::memcpy(bytes, &v, 8);
    if ((mix(Hash64({bytes, 8})) & 2047) > 3) continue;
    f.Add(At(added++), Value(), Value(), Value::Int64(v));
  }
  const Cell cell = f.Now(At(added));
  CHECK(cell.status == CellStatus::kPresent);
  CHECK(cell.degraded);
  Restore(f);
  CHECK(f.Now(At(added)).degraded);
}

TEST_CASE("histogram counts below b1, [b1, b2), b2 and above; without bounds by value") {
  for (const Window& window : EveryWindow()) {
    Fixture f({Collected("histogram", kPoints, window, Bounds({0, 10.5, 0x1p63})),
               Collected("histogram", kAmount, window, Bounds({1, 2})),
               Collected("histogram", kShop, window, By(std::nullopt, 2))});
    CHECK(Text(f.Now(At(1), 0)) == "NOT_FOUND");
    f.Add(At(1), Value(), Value(), Value());
    CHECK(Text(f.Now(At(1), 0)) == "NULL_VALUE");
    CHECK(Text(f.Now(At(1), 2)) == "NULL_VALUE");
    int t = 1;
    for (const int64_t v : {int64_t{0}, int64_t{-1}, int64_t{10}, int64_t{11}, INT64_MAX}) {
      t += 9;
      f.Add(At(t), Value::Double(static_cast<double>(t % 4)), Value::Text(t % 2 == 0 ? "y" : "x"),
            Value::Int64(v));
    }
    for (int i = 0; i < 2; ++i) {
      CHECK(Text(f.Now(At(50), 0)) == "[1, 2, 2, 0]");
      CHECK(Text(f.Now(At(50), 1)) == "[1, 1, 3]");
      CHECK(Text(f.Now(At(50), 2)) == "{\"x\": 2, \"y\": 3}");
      Restore(f);
    }
  }
}

TEST_CASE("count and sum by a field are maps; an empty window is an empty map") {
  for (const Window& window : EveryWindow()) {
    Fixture f({Collected("count", std::nullopt, window, By(kShop, 5)),
               Collected("count", kAmount, window, By(kShop, 5)),
               Collected("sum", kPoints, window, By(kShop, 5)),
               Collected("sum", kAmount, window, By(kPoints, 5))});
    Cell missing;
    const uint32_t first = 0;
    FinishMissing(*f.layout, {At(0), std::nullopt}, {&first, 1}, {&missing, 1});
    CHECK(missing.status == CellStatus::kNotFound);
    CHECK(PackedToDebugString(missing.value.as_packed()) == "{}");
    f.Add(At(1), Value::Double(1.5), Value(), Value());
    CHECK(Text(f.Now(At(1), 0)) == "{}");
    f.Add(At(11), Value::Double(1.5), Value::Text("b"), Value::Int64(7));
    f.Add(At(21), Value(), Value::Text("a"), Value::Int64(7));
    f.Add(At(31), Value::Double(2), Value::Text("b"), Value::Int64(-7));
    for (int i = 0; i < 2; ++i) {
      CHECK(Text(f.Now(At(50), 0)) == "{\"a\": 1, \"b\": 2}");
      CHECK(Text(f.Now(At(50), 1)) == "{\"b\": 2}");
      CHECK(Text(f.Now(At(50), 2)) == "{\"a\": 7, \"b\": 0}");
      CHECK(Text(f.Now(At(50), 3)) == "{-7: 2, 7: 1.5}");
      CHECK_FALSE(f.Now(At(50), 0).degraded);
      Restore(f);
    }
    f.Add(At(35), Value(), Value::Text("a"), Value::Int64(INT64_MAX));
    CHECK(f.Now(At(50), 2).status == CellStatus::kError);  // of one key: of the answer
  }
}

TEST_CASE("kept are the max_keys keys of least xxh64, exactly; a dropped key makes it DEGRADED") {
  const std::array<const char*, 6> shops = {"a", "b", "c", "d", "e", "f"};
  std::map<uint64_t, std::string> by_hash;
  for (const char* shop : shops) by_hash[Hash64(shop)] = shop;
  const std::string x = by_hash.begin()->second;
  const std::string y = std::next(by_hash.begin())->second;
  for (const Window& window : EveryWindow()) {
    Fixture f({Collected("count", std::nullopt, window, By(kShop, 2)),
               Collected("count", std::nullopt, window, By(kShop, 6))});
    for (int i = 0; i < 30; ++i) f.Add(At(i), Value(), Value::Text(shops[i * 7 % 6]), Value());
    for (int i = 0; i < 2; ++i) {
      const Cell cell = f.Now(At(45), 0);
      CHECK(cell.degraded);
      CHECK(Text(cell) == (x < y ? "{\"" + x + "\": 5, \"" + y + "\": 5}"
                                 : "{\"" + y + "\": 5, \"" + x + "\": 5}"));
      CHECK_FALSE(f.Now(At(45), 1).degraded);
      Restore(f);
    }
  }
}

TEST_CASE("a text of more than 1024 bytes is null to lists and maps") {
  Fixture f({Collected("last_n", kShop, kMinute, N(3)),
             Collected("last_distinct_n", kShop, kMinute, N(3)),
             Collected("top_k", kShop, kMinute, Top(3, 16)),
             Collected("count", std::nullopt, kMinute, By(kShop, 5)),
             Collected("count", kShop, kMinute, By(kPoints, 5))});
  const std::string longest(1024, 'x');
  const std::string too_long(1025, 'x');
  f.Add(At(1), Value(), Value::Text(longest), Value::Int64(1));
  f.Add(At(2), Value(), Value::Text(too_long), Value::Int64(1));
  const std::string shown = "\"" + longest + "\"";
  CHECK(Text(f.Now(At(3), 0)) == "[null, " + shown + "]");
  CHECK(Text(f.Now(At(3), 1)) == "[" + shown + "]");
  CHECK(Text(f.Now(At(3), 2)) == "[" + shown + "]");
  CHECK(Text(f.Now(At(3), 3)) == "{" + shown + ": 1}");
  CHECK(Text(f.Now(At(3), 4)) == "{1: 2}");  // there it is counted, not kept
}

TEST_CASE("a row of long texts stays within its bytes, texts counted with 1024") {
  const Window rows{.kind = WindowKind::kRows, .events = 100};
  const Window minutes = Sliding(Duration::Hours(1), Duration::Minutes(1));
  std::vector<Feature> features;
  for (const char* aggregate : {"min", "max", "first", "last"}) {
    for (const Window& window : {rows, minutes, kLifetimeWindow}) {
      features.push_back(Over(aggregate, kShop, window));
    }
  }
  Feature by = Over("max_by", kPoints, minutes);
  by.arguments.order_by = kShop;
  features.push_back(by);
  Fixture f(features, {}, std::nullopt);
  const std::string text(900'000, 'x');
  for (int i = 0; i < 100; ++i) f.Add(At(i * 30), Value(), Value::Text(text));
  CHECK(f.Bytes().size() < f.layout->size().bytes_max);
  CHECK(f.Now(At(3000)).status == CellStatus::kNullValue);
  for (int i = 0; i < 100; ++i) f.Add(At(i * 30), Value(), Value::Text(text.substr(0, 1024)));
  CHECK(f.Bytes().size() < 64 * f.layout->size().bytes_max);
  CHECK(f.Now(At(3000)).value.as_text().size() == 1024);
}

TEST_CASE("a feature's where leaves events out of lists and maps") {
  Source source = Fields();
  source.fields.push_back({.name = "big", .type = Type::kBool});
  FeatureView view;
  view.version = "0123456789abcdef";
  view.ttl = Duration::Hours(2);
  view.features = {Collected("last_n", kPoints, kMinute, N(5)),
                   Collected("last_n", kPoints, {.kind = WindowKind::kRows, .events = 9}, N(5)),
                   Collected("count", std::nullopt, kMinute, By(kPoints, 5))};
  for (Feature& feature : view.features) feature.where = 3;
  const auto layout = *RowLayout::Compile(view, source);
  Row row(*layout);
  for (int64_t i = 0; i < 6; ++i) {
    const std::array values = {Value(), Value(), Value::Int64(i),
                               i == 5 ? Value() : Value::Bool(i % 2 == 0)};
    row.Apply({At(i), {0, 0, i}, values});
  }
  std::array<Cell, 3> cells;
  const std::array<uint32_t, 3> all = {0, 1, 2};
  row.Finish({At(9), std::nullopt}, all, cells);
  CHECK(Text(cells[0]) == "[4, 2, 0]");
  CHECK(Text(cells[1]) == "[4, 2, 0]");
  CHECK(Text(cells[2]) == "{0: 1, 2: 1, 4: 1}");
}

TEST_CASE("stored lists and maps, cut or changed, are an error or a usable row") {
  std::vector<Feature> features;
  for (const Window& window : {kMinute, kLifetimeWindow, EveryWindow()[3]}) {
    features.push_back(Collected("last_n", kShop, window, N(4, {kAmount, kShop})));
    features.push_back(Collected("first_n", kPoints, window, N(4)));
    features.push_back(Collected("last_distinct_n", kShop, window, N(4)));
    features.push_back(Collected("top_k", kShop, window, Top(3, 8)));
    features.push_back(Collected("top_k", kPoints, window, Top(3, 30, true)));
    features.push_back(Collected("histogram", kAmount, window, Bounds({1, 5, 9})));
    features.push_back(Collected("histogram", kPoints, window, By(std::nullopt, 4)));
    features.push_back(Collected("sum", kAmount, window, By(kShop, 4)));
    features.push_back(Collected("sum", kPoints, window, By(kPoints, 40)));
  }
  Fixture f(features);
  std::mt19937_64 random(3);
  for (int i = 0; i < 120; ++i) {
    const std::string shop = "shop " + std::to_string(random() % 20);
    f.Add(At(static_cast<int64_t>(random() % 60)), Value::Double(static_cast<double>(i % 11)),
          Value::Text(shop), Value::Int64(static_cast<int64_t>(random() % 25)));
  }
  const ReadTime now{At(60), std::nullopt};
  std::vector<std::string> before;
  for (uint32_t i = 0; i < features.size(); ++i) before.push_back(Text(f.Read(now, i)));
  Restore(f);
  for (uint32_t i = 0; i < features.size(); ++i) CHECK(Text(f.Read(now, i)) == before[i]);
  const std::string sound = f.Bytes();
  int usable = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = sound;
    if (i % 4 == 0) damaged.resize(random() % sound.size());
    for (uint64_t k = random() % 4; k-- > 0 && damaged.size() > 11;) {
      damaged[11 + random() % (damaged.size() - 11)] = static_cast<char>(random());
    }
    auto row = Row::Decode(*f.layout, damaged);
    if (!row.ok()) continue;
    ++usable;
    for (uint32_t k = 0; k < features.size(); ++k) {
      Cell cell;
      row->Finish(now, {&k, 1}, {&cell, 1});
    }
    std::string again;
    row->Encode(again);
  }
  CHECK(usable > 100);
}

}  // namespace freshet
