// Views of latest values against the oracle: random declarations, partial updates out of order, ties in time, deletes, restarts,
// expiry, read in the past and present.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <deque>
#include <numeric>
#include <random>

#include "featurestore/model/packed.h"
#include "featurestore/oracle/oracle.h"
#include "featurestore/state/row.h"
#include "tests/property/random.h"

namespace freshet::property {
namespace {

const std::vector<Type> kTypes = {
    Type::kBool,  Type::kInt64,     Type::kDouble,         Type::kFloat,         Type::kString,
    Type::kBytes, Type::kTimestamp, ListOf(Type::kString), ListOf(Type::kInt64), kFloatVector};

// Values that own their bytes.
class RandomValues {
 public:
  Value Of(Random& random, Type type, uint32_t vector_size) {
    if (type == kFloatVector) return List(random, type, vector_size);
    if (!IsScalar(type)) return List(random, type, static_cast<uint32_t>(random.Between(0, 3)));
    switch (type) {
      case Type::kBool:
        return Value::Bool(random.Chance(0.5));
      case Type::kInt64:
        return Value::Int64(random.Chance(0.1) ? INT64_MIN : random.Between(-5, 5));
      case Type::kDouble:
        return Value::Double(random.Real(-5, 5));
      case Type::kFloat:
        return Value::Double(static_cast<float>(random.Real(-5, 5)));
      case Type::kTimestamp:
        return Value::Time({random.Between(kMinEventTime.us, kMaxEventTime.us)});
      default:
        return Value::Text(bytes_.emplace_back(static_cast<size_t>(random.Between(0, 30)),
                                               static_cast<char>(random.Between('a', 'z'))));
    }
  }

 private:
  Value List(Random& random, Type type, uint32_t size) {
    std::vector<Value> values;
    for (uint32_t i = 0; i < size; ++i) {
      const bool null = type != kFloatVector && random.Chance(0.2);
      values.push_back(null ? Value() : Of(random, ElementOf(type), 0));
    }
    std::string& packed = bytes_.emplace_back();
    PackedWriter out(type, size, packed);
    for (const Value& value : values) out.Add(value);
    return Value::Packed(packed);
  }

  std::deque<std::string> bytes_;
};

struct Declared {
  Source source;
  Entity entity;
  FeatureView view;
};

Declared RandomView(Random& random) {
  Declared d;
  d.entity = {.name = "card", .keys = {{"card", Type::kString}}, .about = {}};
  d.source.name = "profiles";
  d.source.fields.push_back({.name = "card", .path = {"card"}});
  d.view.name = "profile";
  d.view.key_fields = {0};
  d.view.latest_values = true;
  d.view.version = "0123456789abcdef";
  d.view.lateness = Duration::Minutes(random.Between(0, 120));
  if (random.Chance(0.8)) d.view.ttl = Duration::Minutes(random.Between(1, 300));
  if (random.Chance(0.2)) d.view.history = Duration::Hours(1);
  d.view.max_future_skew = Duration::Minutes(random.Chance(0.5) ? 0 : random.Between(1, 30));
  const int64_t count = random.Between(1, 6);
  for (int64_t i = 0; i < count; ++i) {
    const Type type = random.OneOf(kTypes);
    const uint32_t size = type == kFloatVector ? static_cast<uint32_t>(random.Between(1, 200)) : 0;
    // Names in falling order: the layout sorts them.
    Field field{.name = fmt::format("f{}", count - i), .type = type, .vector_size = size};
    Feature feature{.name = field.name,
                    .declared = field.name,
                    .aggregate = "latest",
                    .of = static_cast<uint32_t>(i + 1),
                    .type = type,
                    .vector_size = size};
    if (type == Type::kInt64 && random.Chance(0.5)) feature.default_value = int64_t{7};
    if (type == ListOf(Type::kString) && random.Chance(0.5)) {
      std::string empty;
      PackedWriter(type, 0, empty);
      feature.default_value = std::move(empty);
    }
    d.source.fields.push_back(std::move(field));
    d.view.features.push_back(std::move(feature));
  }
  d.source.fields.push_back({.name = "id", .type = Type::kInt64, .path = {"id"}});
  if (random.Chance(0.4)) {
    d.source.dedup = Dedup{.by = {static_cast<uint32_t>(count + 1)},
                           .within = Duration::Minutes(random.Between(1, 200)),
                           .max_ids = static_cast<uint32_t>(random.Between(1, 20))};
    d.view.dedup_within = d.source.dedup->within;
  }
  return d;
}

// Empty where engine and oracle agree all along.
std::string Run(uint64_t seed, uint64_t& compared) {
  Random random(seed);
  const Declared d = RandomView(random);
  auto layout = RowLayout::Compile(d.view, d.source);
  if (!layout.ok()) return std::string(MessageOf(layout.status()));
  oracle::Oracle oracle(d.source, {d.entity}, {d.view});
  const oracle::KeyValues key = {Value::Text("a")};
  std::vector<uint32_t> features(d.view.features.size());
  std::iota(features.begin(), features.end(), 0);
  RandomValues values;
  Row row(**layout);
  Row never_stored(**layout);  // the same, in one batch
  std::string bytes;
  Timestamp clock = *ParseTimestamp("2026-01-10T12:00:00Z");
  int64_t offset = 0;
  // Where there are deletes, an entity is in one partition.
  const bool deletes = random.Chance(0.4);
  for (int step = 0; step < 60; ++step) {
    if (deletes && random.Chance(0.08)) {
      const Timestamp time = clock + Duration::Minutes(random.Between(-60, 5));
      row.Delete(time);
      never_stored.Delete(time);
      oracle.Delete(0, key, time);
    } else if (random.Chance(0.5)) {
      clock = clock + Duration::Minutes(random.Chance(0.6) ? 0 : random.Between(0, 60));
      const Timestamp time = clock + (random.Chance(0.2) ? d.view.max_future_skew : Duration{}) -
                             Duration::Minutes(random.Chance(0.5) ? 0 : random.Between(0, 200));
      std::vector<Value> fields = {key[0]};
      for (const Feature& feature : d.view.features) {
        fields.push_back(random.Chance(0.5) ? Value::Absent()
                         : random.Chance(0.2)
                             ? Value()
                             : values.Of(random, feature.type, feature.vector_size));
      }
      fields.push_back(random.Chance(0.1) ? Value() : Value::Int64(random.Between(0, 9)));
      const Coordinates at{deletes ? 0 : static_cast<uint32_t>(random.Between(0, 1)),
                           deletes ? 0 : static_cast<int32_t>(random.Between(0, 2)), ++offset};
      row.Apply({time, at, fields});
      never_stored.Apply({time, at, fields});
      oracle.OfferDecoded({time, at, fields});
    } else if (random.Chance(0.3)) {
      if (row.empty() && !row.deleted()) continue;
      std::string encoded;
      row.Encode(encoded);
      if (encoded.size() > (*layout)->size().bytes_max + 30 * 8 * features.size()) {
        return "a row is larger than what its view says";
      }
      auto decoded = Row::Decode(**layout, encoded);
      if (!decoded.ok()) return std::string(MessageOf(decoded.status()));
      row = *std::move(decoded);
      std::string again;
      row.Encode(again);
      if (again != encoded) return "encoding a decoded row gives other bytes";
      bytes = std::move(encoded);
    } else {
      const Timestamp now = clock +
                            Duration::Minutes(random.Between(0, random.Chance(0.5) ? 5 : 400)) +
                            Duration{random.Between(-1, 1)};
      std::optional<Timestamp> as_of;
      if (random.Chance(0.4)) as_of = now + Duration::Minutes(random.Between(-90, 90));
      std::vector<Cell> cells(features.size());
      std::optional<Timestamp> event_time;
      if (row.empty() && !row.deleted()) {
        FinishMissing(**layout, {now, as_of}, features, cells);
      } else {
        event_time = row.Finish({now, as_of}, features, cells);
      }
      const oracle::ExpectedRow expected = oracle.Answer(0, key, {now, as_of});
      for (size_t f = 0; f < cells.size(); ++f) {
        ++compared;
        if (oracle::Agrees(expected.cells[f], cells[f])) continue;
        return fmt::format("step {}, {} ({}): expected {} {}, got {} {}", step,
                           d.view.features[f].name, TypeName(d.view.features[f].type),
                           CellStatusName(expected.cells[f].status),
                           ToDebugString(expected.cells[f].value), CellStatusName(cells[f].status),
                           ToDebugString(cells[f].value));
      }
      if (event_time != expected.event_time) return fmt::format("step {}: event time", step);
    }
  }
  if (row.empty() && !row.deleted()) return "";
  std::string in_batches;
  std::string at_once;
  row.Encode(in_batches);
  never_stored.Encode(at_once);
  if (in_batches != at_once) return "the row's bytes hang on when it was stored";
  return "";
}

}  // namespace

TEST_CASE("latest values agree with the oracle over partial updates out of order") {
  const char* scale = std::getenv("FRESHET_PROPERTY_SCALE");
  const auto cases = static_cast<uint64_t>(20'000 * (scale != nullptr ? std::atof(scale) : 1));
  const char* fixed = std::getenv("FRESHET_PROPERTY_SEED");
  const uint64_t seed =
      fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device{}();
  fmt::print("FRESHET_PROPERTY_SEED={}\n", seed);
  uint64_t compared = 0;
  for (uint64_t i = 0; i < cases; ++i) {
    const std::string wrong = Run(seed + i, compared);
    INFO("FRESHET_PROPERTY_SEED=" << seed + i << "\n" << wrong);
    REQUIRE(wrong.empty());
  }
  fmt::print("{} cells of latest values compared\n", compared);
}

TEST_CASE("a damaged row of latest values is DATA_LOSS or a row, never a crash") {
  const uint64_t seed = std::random_device{}();
  fmt::print("seed {}\n", seed);
  Random random(seed);
  for (int i = 0; i < 2'000; ++i) {
    const Declared d = RandomView(random);
    auto layout = RowLayout::Compile(d.view, d.source);
    REQUIRE(layout.ok());
    RandomValues values;
    Row row(**layout);
    std::vector<Value> fields = {Value::Text("a")};
    for (const Feature& feature : d.view.features) {
      fields.push_back(values.Of(random, feature.type, feature.vector_size));
    }
    fields.push_back(Value::Int64(1));
    row.Apply({*ParseTimestamp("2026-01-10T12:00:00Z"), {0, 1, 2}, fields});
    std::string bytes;
    row.Encode(bytes);
    const auto at = static_cast<size_t>(random.Between(11, static_cast<int64_t>(bytes.size()) - 1));
    if (random.Chance(0.5)) {
      bytes.resize(at);
      CHECK_FALSE(Row::Decode(**layout, bytes).ok());
    } else {
      bytes[at] = static_cast<char>(random.Between(0, 255));
      (void)Row::Decode(**layout, bytes).ok();
    }
  }
}

}  // namespace freshet::property
