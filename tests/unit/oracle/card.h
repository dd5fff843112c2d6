// One entity's features and events, small enough to work out by hand.
#pragma once

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "featurestore/oracle/oracle.h"

namespace freshet::oracle {

constexpr Duration kMinute = Duration::Minutes(1);
constexpr Duration kHour = Duration::Hours(1);

inline Timestamp At(int64_t minutes) { return Timestamp{} + Duration::Minutes(minutes); }

// One card's row. Fields: 0 the card, 1 `amount` (int64), 2 `rank` (int64), 3 `ok` (bool).
class Card {
 public:
  // Of the amount.
  explicit Card(const std::vector<std::pair<std::string, Window>>& features) {
    for (const auto& [aggregate, window] : features) Add(aggregate, window);
  }
  explicit Card(const std::string& aggregate, FeatureArguments arguments = {}, Window window = {}) {
    Add(aggregate, std::move(window)).arguments = std::move(arguments);
  }
  FeatureView& view() { return view_; }
  Feature& feature() { return view_.features[0]; }

  void Spend(Timestamp time, std::optional<int64_t> amount, std::optional<int64_t> rank = {},
             std::optional<bool> ok = {}) {
    const auto number = [](std::optional<int64_t> v) { return v ? Value::Int64(*v) : Value(); };
    spent_.push_back({time, {number(amount), number(rank), ok ? Value::Bool(*ok) : Value()}});
  }
  ExpectedRow Answer(Timestamp now, std::optional<Timestamp> as_of = {},
                     std::string_view card = "a") {
    Source source;
    source.fields = {{"card", Type::kString, {}, {}},
                     {"amount", Type::kInt64, {}, {}},
                     {"rank", Type::kInt64, {}, {}},
                     {"ok", Type::kBool, {}, {}}};
    oracle_.emplace(source, std::vector<Entity>{Entity{}}, std::vector<FeatureView>{view_});
    int64_t offset = 0;
    for (const Spent& spent : spent_) {
      std::vector<Value> fields = {Value::Text("a")};
      fields.insert(fields.end(), spent.fields.begin(), spent.fields.end());
      oracle_->OfferDecoded({spent.time, {0, 0, offset++}, fields});
    }
    return oracle_->Answer(0, {Value::Text(card)}, {now, as_of});
  }
  Expected Cell(Timestamp now, std::optional<Timestamp> as_of = {}) {
    return Answer(now, as_of).cells[0];
  }
  int64_t Number(Timestamp now, std::optional<Timestamp> as_of = {}) {
    const Expected cell = Cell(now, as_of);
    REQUIRE(cell.status == CellStatus::kPresent);
    return cell.value.as_int64();
  }
  double Real(Timestamp now, std::optional<Timestamp> as_of = {}) {
    const Expected cell = Cell(now, as_of);
    REQUIRE(cell.status == CellStatus::kPresent);
    return cell.value.as_double();
  }

 private:
  struct Spent {
    Timestamp time;
    std::vector<Value> fields;
  };

  Feature& Add(const std::string& aggregate, Window window) {
    view_.key_fields = {0};
    view_.lateness = Duration::Minutes(10);
    Feature feature;
    feature.name = feature.aggregate = aggregate;
    if (aggregate != "count") feature.of = 1;
    feature.window = std::move(window);
    feature.type = aggregate == "count" || aggregate == "sum" ? Type::kInt64 : Type::kDouble;
    if (aggregate == "count" || aggregate == "sum") feature.default_value = int64_t{0};
    view_.features.push_back(feature);
    return view_.features.back();
  }

  FeatureView view_;
  std::vector<Spent> spent_;
  std::optional<Oracle> oracle_;
};

}  // namespace freshet::oracle
