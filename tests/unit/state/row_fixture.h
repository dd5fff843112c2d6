// A view of given features, its layout and one row of it.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/aggregate/catalog.h"
#include "featurestore/state/row.h"

namespace freshet {

inline constexpr Timestamp kStart{1'700'000'000'000'000 / 86'400'000'000 *
                                  86'400'000'000};  // a midnight
inline constexpr Timestamp At(int64_t seconds) { return {kStart.us + seconds * 1'000'000}; }

inline Source Fields() {
  Source source;
  source.name = "s";
  source.fields = {{.name = "amount", .type = Type::kDouble},
                   {.name = "shop", .type = Type::kString},
                   {.name = "points", .type = Type::kInt64}};
  return source;
}

inline Feature Over(std::string aggregate, std::optional<uint32_t> of, Window window,
                    FeatureArguments arguments = {}) {
  Feature f;
  f.name = aggregate;
  f.aggregate = std::move(aggregate);
  f.of = of;
  f.window = window;
  f.arguments = std::move(arguments);
  const auto of_type = of ? std::optional(Fields().fields[*of].type) : std::nullopt;
  // `sum` of text has none: one test wants that refused.
  f.type = FindAggregation(f.aggregate)->ResultType(of_type).value_or(Type::kDouble);
  return f;
}
inline Window Sliding(Duration length, Duration hop) {
  return {.kind = WindowKind::kSliding, .length = length, .hop = hop};
}
inline const Window kLifetimeWindow{};
inline const Window kMinute = Sliding(Duration::Seconds(60), Duration::Seconds(10));

struct Fixture {
  explicit Fixture(std::vector<Feature> features, Duration history = {},
                   std::optional<Duration> ttl = Duration::Hours(2),
                   const Source& source = Fields()) {
    view.name = "v";
    view.version = "0123456789abcdef";
    view.features = std::move(features);
    view.history = history;
    view.ttl = ttl;
    view.lateness = Duration::Minutes(10);
    layout = *RowLayout::Compile(view, source);
    row.emplace(*layout);
  }
  Applied Add(Timestamp t, Value amount = Value::Double(1), Value shop = Value::Text("x"),
              Value points = Value::Int64(1)) {
    const std::array values = {amount, shop, points};
    return row->Apply({t, {0, 0, ++offset}, values});
  }
  Cell Read(const ReadTime& read, uint32_t feature = 0) {
    Cell cell;
    time = row->Finish(read, {&feature, 1}, {&cell, 1});
    return cell;
  }
  Cell Now(Timestamp now, uint32_t feature = 0) { return Read({now, std::nullopt}, feature); }
  Cell AsOf(Timestamp as_of, Timestamp now, uint32_t feature = 0) {
    return Read({now, as_of}, feature);
  }
  std::string Bytes() {
    std::string bytes;
    row->Encode(bytes);
    return bytes;
  }

  FeatureView view;
  std::shared_ptr<const RowLayout> layout;
  std::optional<Row> row;
  std::optional<Timestamp> time;
  int64_t offset = 0;
};

}  // namespace freshet
