// An event and a delete of one entity come to one partition, however each spells the key.
#include "featurestore/ingest/key_text.h"

#include <catch2/catch.hpp>

namespace freshet {
namespace {

Source KeyedBy(Type type, std::optional<TimeUnit> unit = std::nullopt,
               std::vector<std::string> path = {}) {
  Source source;
  source.name = "s";
  Field field;
  field.name = "k";
  field.type = type;
  field.unit = unit;
  field.path = std::move(path);
  source.fields.push_back(field);
  source.key = 0;
  return source;
}

std::string EventOf(const std::string& json) { return fmt::format(R"({{"k": {}, "x": 1}})", json); }

}  // namespace

TEST_CASE("the key of an event is the plain text of its field, in one spelling") {
  struct Spelled {
    Source source;
    std::vector<std::string> in_events;
    std::vector<std::string> in_deletes;
    std::string key;
  };
  const std::vector<Spelled> all = {
      {KeyedBy(Type::kString), {R"("a b")", R"("a\u0020b")"}, {"a b"}, "a b"},
      {KeyedBy(Type::kString), {R"("")"}, {""}, ""},
      {KeyedBy(Type::kInt64), {"17"}, {"17"}, "17"},
      {KeyedBy(Type::kInt64), {"-0", "0"}, {"-0", "0"}, "0"},
      {KeyedBy(Type::kBool), {"true"}, {"true"}, "true"},
      {KeyedBy(Type::kBytes), {R"("aGk=")"}, {"hi"}, "hi"},
      {KeyedBy(Type::kBytes), {R"("AP8=")"}, {std::string("\0\xff", 2)}, std::string("\0\xff", 2)},
      {KeyedBy(Type::kTimestamp),
       {R"("2026-01-01T00:00:00Z")", R"("2026-01-01T01:00:00+01:00")",
        R"("2026-01-01T00:00:00.000Z")"},
       {"2026-01-01T00:00:00Z", "2026-01-01T02:30:00+02:30"},
       FormatTimestamp(*ParseTimestamp("2026-01-01T00:00:00Z"))},
      {KeyedBy(Type::kTimestamp, TimeUnit::kSeconds), {"1.5", "1.50"}, {"1.5", "15e-1"}, "1.5"},
      {KeyedBy(Type::kTimestamp, TimeUnit::kSeconds), {"2", "2.0"}, {"2"}, "2"},
      {KeyedBy(Type::kTimestamp, TimeUnit::kSeconds), {"-0.25"}, {"-0.25"}, "-0.25"},
      {KeyedBy(Type::kTimestamp, TimeUnit::kMillis),
       {"1700000000001"},
       {"1700000000001"},
       "1700000000001"},
      {KeyedBy(Type::kTimestamp, TimeUnit::kMillis), {"0.125"}, {"0.125"}, "0.125"},
      {KeyedBy(Type::kTimestamp, TimeUnit::kMicros), {"7"}, {"7"}, "7"},
      {KeyedBy(Type::kTimestamp, TimeUnit::kNanos), {"7001", "7000"}, {"7999"}, "7000"},
      {KeyedBy(Type::kTimestamp, TimeUnit::kNanos), {"0"}, {"0"}, "0"},
  };
  for (const Spelled& spelled : all) {
    KeyText keys(spelled.source);
    INFO(spelled.key);
    for (const std::string& json : spelled.in_events) CHECK(keys.Of(EventOf(json)) == spelled.key);
    for (const std::string& text : spelled.in_deletes) CHECK(keys.OfPlain(text) == spelled.key);
    // What stands in the log as a tombstone's key is the same entity when it is read.
    CHECK(keys.OfPlain(spelled.key) == spelled.key);
  }
}

TEST_CASE("there is no key where none is found, or what is found is none of the type") {
  KeyText ints(KeyedBy(Type::kInt64));
  CHECK_FALSE(ints.Of(EventOf("null")));
  CHECK_FALSE(ints.Of(EventOf("1.5")));
  CHECK_FALSE(ints.Of(R"({"x": 1})"));
  CHECK_FALSE(ints.Of("not JSON"));
  CHECK_FALSE(ints.OfPlain("seven"));
  KeyText bytes(KeyedBy(Type::kBytes));
  CHECK_FALSE(bytes.Of(EventOf(R"("!")")));
  KeyText in_key(KeyedBy(Type::kString, std::nullopt, {"$key"}));
  CHECK_FALSE(in_key.Of(EventOf(R"("a")")));
  CHECK_FALSE(in_key.OfPlain("a"));
  Source keyless = KeyedBy(Type::kString);
  keyless.key.reset();
  CHECK_FALSE(KeyText(keyless).Of(EventOf(R"("a")")));
}

}  // namespace freshet
