// semantics.md, "What is an event": which records a source accepts, and what it makes of them.
#include <catch2/catch.hpp>

#include "featurestore/decode/decoder.h"

namespace freshet {
namespace {

Field MakeField(std::string name, Type type, std::vector<std::string> path = {}) {
  Field field;
  field.name = name;
  field.type = type;
  field.path = path.empty() ? std::vector<std::string>{name} : std::move(path);
  return field;
}

Source Payments() {
  Source source;
  source.name = "payments";
  source.topic = "payments";
  source.fields = {MakeField("at", Type::kTimestamp), MakeField("card", Type::kString),
                   MakeField("cents", Type::kInt64), MakeField("amount", Type::kDouble),
                   MakeField("ok", Type::kBool)};
  source.time_field = 0;
  return source;
}

struct Decoded {
  DecodeOutcome outcome;
  std::vector<Value> values;
  Timestamp time;
  TextArena arena;
  std::string refusal() const {
    return outcome.refusal ? std::string(RefusalName(*outcome.refusal)) : "";
  }
};

Decoded DecodeRecord(const Source& source, const RawRecord& record) {
  Decoded decoded;
  decoded.values.resize(source.fields.size());
  decoded.outcome =
      MakeJsonDecoder(source)->Decode(record, decoded.arena, decoded.values, decoded.time);
  return decoded;
}

Decoded Decode(const Source& source, std::string_view value) {
  RawRecord record;
  record.value = value;
  return DecodeRecord(source, record);
}

// An event of Payments with `rest` beside its time.
std::string With(std::string rest) { return R"({"at":"2013-01-01T10:15:00Z")" + rest + "}"; }

// The text of a refusal's reason, for a source with one field f.
Decoded One(Type type, const std::string& json, std::optional<TimeUnit> unit = {}) {
  Source source = Payments();
  source.fields.push_back(MakeField("f", type));
  source.fields.back().unit = unit;
  Decoded decoded = Decode(source, With(",\"f\":" + json));
  decoded.values.erase(decoded.values.begin(), decoded.values.begin() + 5);
  return decoded;
}

}  // namespace

TEST_CASE("an event's declared fields are decoded and others passed over") {
  const Decoded d = Decode(
      Payments(),
      R"( {"card" : "c1", "x":[1,{"card":"no"},[]], "cents":-12 ,"amount":1.5e2,"ok":true,"at":"2013-01-01T10:15:00.25Z"} )");
  REQUIRE(d.refusal() == "");
  CHECK(d.values[0] == Value::Time(*ParseTimestamp("2013-01-01T10:15:00.25Z")));
  CHECK(d.values[1] == Value::Text("c1"));
  CHECK(d.values[2] == Value::Int64(-12));
  CHECK(d.values[3] == Value::Double(150));
  CHECK(d.values[4] == Value::Bool(true));
  CHECK(d.time == *ParseTimestamp("2013-01-01T10:15:00.25Z"));
}

TEST_CASE("a field that is absent or null is null") {
  const Decoded d = Decode(Payments(), With(R"(,"card":null)"));
  REQUIRE(d.refusal() == "");
  CHECK(d.values[1].is_null());
  CHECK(d.values[2].is_null());
}

TEST_CASE("an absent timestamp is incomplete, and so is one that is null") {
  CHECK(Decode(Payments(), R"({"card":"c"})").refusal() == "incomplete");
  const Decoded d = Decode(Payments(), R"({"at":null})");
  CHECK(d.refusal() == "incomplete");
  CHECK(d.outcome.detail.find("field at") != std::string::npos);
}

TEST_CASE("a declared name that occurs twice is malformed") {
  CHECK(Decode(Payments(), With(R"(,"card":"a","card":"a")")).refusal() == "malformed");
  CHECK(Decode(Payments(), With(R"(,"card":"a","c\u0061rd":"b")")).refusal() == "malformed");
  SECTION("at its own level only, and an undeclared one may") {
    CHECK(Decode(Payments(), With(R"(,"card":"a","x":{"card":1},"y":1,"y":2)")).refusal() == "");
  }
  SECTION("a nested path's outer name too") {
    Source source = Payments();
    source.fields[1].path = {"merchant", "id"};
    CHECK(Decode(source, With(R"(,"merchant":{"id":"a"},"merchant":{})")).refusal() == "malformed");
    CHECK(Decode(source, With(R"(,"merchant":{"id":"a","id":"a"})")).refusal() == "malformed");
  }
}

TEST_CASE("the text is valid to its end, also where no field is declared") {
  for (const char* bad : {"",
                          " ",
                          "{",
                          "}",
                          "null",
                          "[]",
                          "7",
                          R"("x")",
                          R"({"at")",
                          R"({"at":})",
                          R"({"at":1,})",
                          "{,}",
                          R"({"a":1}x)",
                          R"({"a":1}{})",
                          R"({"a":1 "b":2})",
                          R"({"a" 1})",
                          R"({1:2})",
                          R"({"a":tru})",
                          R"({"a":truee})",
                          R"({"a":nul})",
                          R"({"a":01})",
                          R"({"a":1.})",
                          R"({"a":.5})",
                          R"({"a":+1})",
                          R"({"a":1e})",
                          R"({"a":--1})",
                          R"({"a":1x})",
                          R"({"a":1"b"})",
                          R"({"a":NaN})",
                          R"({"a":Infinity})",
                          R"({"a":"\q"})",
                          R"({"a":"\u12"})",
                          R"({"a":"\ud800"})",
                          R"({"a":"\udc00"})",
                          R"({"a":"\ud800\u0041"})",
                          R"({"\q":1})",
                          "{\"a\":\"\n\"}",
                          "{\"a\":\"\xff\"}",
                          "{\"a\":\"\xed\xa0\x80\"}",
                          R"({"a":"x)",
                          R"({"a":[1,]})",
                          R"({"a":[1 2]})",
                          R"({"a":[})",
                          R"({"a":{]})",
                          R"({"a":"b"c})",
                          R"({'a':1})",
                          R"({"a":1/*x*/})",
                          "{\"a\":1}\x01",
                          "\xef\xbb\xbf{}"}) {
    INFO(bad);
    const Decoded d = Decode(Payments(), bad);
    CHECK(d.refusal() == "malformed");
    CHECK_FALSE(d.outcome.detail.empty());
  }
  CHECK(Decode(Payments(), std::string_view("{\"a\":1}\0", 8)).refusal() == "malformed");
}

TEST_CASE("an absent required field is incomplete") {
  Source source = Payments();
  source.fields[2].required = true;
  CHECK(Decode(source, With(R"(,"card":"a")")).refusal() == "incomplete");
  CHECK(Decode(source, With(R"(,"cents":null)")).refusal() == "incomplete");
  CHECK(Decode(source, With(R"(,"cents":null)")).outcome.detail.find("cents") != std::string::npos);
  CHECK(Decode(source, With(R"(,"cents":7)")).refusal().empty());
  // A wrong type goes before what is missing.
  CHECK(Decode(source, With(R"(,"amount":"x")")).refusal() == "mistyped");
}

TEST_CASE("with on_bad: \"null\" a wrong type is a counted null, wherever it stands") {
  Source source = Payments();
  source.fields[2].bad_is_null = true;
  source.fields.push_back(MakeField("shop", Type::kString, {"merchant", "id"}));
  source.fields.back().bad_is_null = true;
  const Decoded bad = Decode(source, With(R"(,"cents":1.5,"merchant":"x","amount":2)"));
  CHECK(bad.refusal().empty());
  CHECK(bad.outcome.bad_as_null == 2);
  CHECK(bad.values[2].is_null());
  CHECK(bad.values[5].is_null());
  CHECK(bad.values[3] == Value::Double(2));
  CHECK(Decode(source, With(R"(,"merchant":{"id":5})")).outcome.bad_as_null == 1);
  // What is right counts nothing, and the count is of one event.
  const Decoded good = Decode(source, With(R"(,"cents":5,"merchant":{"id":"x"})"));
  CHECK(good.outcome.bad_as_null == 0);
  CHECK(good.values[5] == Value::Text("x"));
  // Another field below the same object that does not say so is mistyped as ever.
  source.fields.push_back(MakeField("name", Type::kString, {"merchant", "name"}));
  CHECK(Decode(source, With(R"(,"merchant":"x")")).refusal() == "mistyped");
  // Malformed is malformed.
  CHECK(Decode(source, With(R"(,"cents":1.5.2)")).refusal() == "malformed");
  // And a field that is required beside is then missing.
  source.fields[2].required = true;
  CHECK(Decode(source, With(R"(,"cents":"x")")).refusal() == "incomplete");
}

TEST_CASE("malformed goes before mistyped") {
  CHECK(Decode(Payments(), With(R"(,"cents":"x","y":tru)")).refusal() == "malformed");
}

TEST_CASE("nesting is bounded") {
  const auto nested = [](int levels) {
    return With(",\"x\":" + std::string(levels, '[') + std::string(levels, ']'));
  };
  CHECK(Decode(Payments(), nested(63)).refusal() == "");
  CHECK(Decode(Payments(), nested(64)).refusal() == "malformed");
  CHECK(Decode(Payments(), With(",\"x\":" + std::string(1'000'000, '['))).refusal() == "malformed");
}

TEST_CASE("an int64 takes only numbers without fraction or exponent") {
  CHECK(One(Type::kInt64, "9223372036854775807").values[0] == Value::Int64(INT64_MAX));
  CHECK(One(Type::kInt64, "-9223372036854775808").values[0] == Value::Int64(INT64_MIN));
  CHECK(One(Type::kInt64, "-0").values[0] == Value::Int64(0));
  for (const char* bad : {"9223372036854775808", "1.0", "1e3", "\"1\"", "true", "{}", "[1]"}) {
    INFO(bad);
    CHECK(One(Type::kInt64, bad).refusal() == "mistyped");
  }
}

TEST_CASE("a double takes any JSON number that it can hold") {
  CHECK(One(Type::kDouble, "7").values[0] == Value::Double(7));
  CHECK(One(Type::kDouble, "123456789012345678901234567890").values[0] ==
        Value::Double(123456789012345678901234567890.0));
  CHECK(One(Type::kDouble, "0.1").values[0] == Value::Double(0.1));
  CHECK(One(Type::kDouble, "1e-400").values[0] == Value::Double(0));
  CHECK(One(Type::kDouble, "1e400").refusal() == "mistyped");
  CHECK(One(Type::kDouble, "-1e400").refusal() == "mistyped");
  CHECK(One(Type::kDouble, "\"7\"").refusal() == "mistyped");
}

TEST_CASE("a float is rounded when it is decoded") {
  CHECK(One(Type::kFloat, "0.1").values[0] == Value::Double(static_cast<double>(0.1f)));
  CHECK(One(Type::kFloat, "1e39").refusal() == "mistyped");
}

TEST_CASE("a string takes only strings, with their escapes resolved") {
  CHECK(One(Type::kString, R"("a\"\\\/\b\f\n\r\té\ud83d\ude00")").values[0] ==
        Value::Text("a\"\\/\b\f\n\r\té😀"));
  CHECK(One(Type::kString, R"("\u0000")").values[0] == Value::Text(std::string_view("\0", 1)));
  CHECK(One(Type::kString, "\"\"").values[0] == Value::Text(""));
  CHECK(One(Type::kString, "7").refusal() == "mistyped");
}

TEST_CASE("bytes are base64") {
  CHECK(One(Type::kBytes, "\"AP9h\"").values[0] == Value::Text(std::string_view("\0\xff"
                                                                                "a",
                                                                                3)));
  CHECK(One(Type::kBytes, "\"YQ==\"").values[0] == Value::Text("a"));
  for (const char* bad : {"\"YQ\"", "\"YQ=\"", "\"YR==\"", "\"Y===\"", "\"a-_b\"", "5"}) {
    INFO(bad);
    CHECK(One(Type::kBytes, bad).refusal() == "mistyped");
  }
}

TEST_CASE("a timestamp is RFC 3339 text, or a number with a unit") {
  const Timestamp t = *ParseTimestamp("2013-01-01T10:15:00.5Z");
  CHECK(One(Type::kTimestamp, "\"2013-01-01T11:15:00.5+01:00\"").values[0] == Value::Time(t));
  CHECK(One(Type::kTimestamp, "1357035300500", TimeUnit::kMillis).values[0] == Value::Time(t));
  CHECK(One(Type::kTimestamp, "1357035300.5", TimeUnit::kSeconds).values[0] == Value::Time(t));
  CHECK(One(Type::kTimestamp, "1357035300500").refusal() == "mistyped");
  CHECK(One(Type::kTimestamp, "\"2013-01-01T11:15:00Z\"", TimeUnit::kMillis).refusal() ==
        "mistyped");
  CHECK(One(Type::kTimestamp, "\"yesterday\"").refusal() == "mistyped");
  CHECK(One(Type::kTimestamp, "1357035300500000000", TimeUnit::kSeconds).refusal() == "mistyped");
}

TEST_CASE("a time of a year out of range is refused with the range that is allowed") {
  const std::string range = "0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z";
  for (const char* far : {"\"12013-01-01T10:15:00Z\"", "\"0000-01-01T00:00:00Z\""}) {
    const Decoded d = One(Type::kTimestamp, far);
    CHECK(d.refusal() == "mistyped");
    CHECK(d.outcome.detail.find(range) != std::string::npos);
    CHECK(d.outcome.detail.find("RFC 3339") == std::string::npos);
  }
  CHECK(
      One(Type::kTimestamp, "1357035300500000000", TimeUnit::kSeconds).outcome.detail.find(range) !=
      std::string::npos);
  CHECK(One(Type::kTimestamp, "\"2013-02-29T00:00:00Z\"").outcome.detail.find("RFC 3339") !=
        std::string::npos);
  Source source = Payments();
  source.fields[0].type = Type::kInt64;
  CHECK(Decode(source, R"({"at":9223372036854775807})").outcome.detail.find(range) !=
        std::string::npos);
}

TEST_CASE("the event's time may be a number with the source's unit") {
  Source source = Payments();
  source.fields[0].type = Type::kInt64;
  source.time_unit = TimeUnit::kMillis;
  CHECK(Decode(source, R"({"at":1357035300500})").time ==
        *ParseTimestamp("2013-01-01T10:15:00.5Z"));
  CHECK(Decode(source, R"({"at":9223372036854775807})").refusal() == "mistyped");
}

TEST_CASE("without a time field the event's time is the Kafka record's") {
  Source source = Payments();
  source.time_field.reset();
  RawRecord record;
  record.value = R"({"card":"c"})";
  record.record_time = {5'000'000};
  CHECK(DecodeRecord(source, record).time == Timestamp{5'000'000});
  record.record_time = Timestamp::Min();
  CHECK(DecodeRecord(source, record).refusal() == "incomplete");
}

TEST_CASE("a path reaches into nested objects") {
  Source source = Payments();
  source.fields[1].path = {"merchant", "owner", "id"};
  source.fields[2].path = {"merchant", "cents"};
  const Decoded d = Decode(source, With(R"(,"merchant":{"owner":{"id":"m","x":{}},"cents":3})"));
  REQUIRE(d.refusal() == "");
  CHECK(d.values[1] == Value::Text("m"));
  CHECK(d.values[2] == Value::Int64(3));
  CHECK(Decode(source, With(R"(,"merchant":null)")).refusal() == "");
  CHECK(Decode(source, With(R"(,"merchant":"m")")).refusal() == "mistyped");
  CHECK(Decode(source, With(R"(,"merchant":{"owner":[]})")).refusal() == "mistyped");
}

TEST_CASE("a field may be the record's key, a name in it, or a header") {
  Source source = Payments();
  source.fields[1].path = {"$key"};
  source.fields[2].path = {"$headers", "cents"};
  const std::pair<std::string_view, std::string_view> headers[] = {{"trace", "\xff"},
                                                                   {"cents", "12"}};
  RawRecord record;
  const std::string value = With("");
  record.value = value;
  record.key = "k\"1";
  record.headers = headers;
  Decoded d = DecodeRecord(source, record);
  REQUIRE(d.refusal() == "");
  CHECK(d.values[1] == Value::Text("k\"1"));
  CHECK(d.values[2] == Value::Int64(12));

  record.key = "\xff";
  CHECK(DecodeRecord(source, record).refusal() == "mistyped");
  record.key.reset();
  CHECK(DecodeRecord(source, record).values[1].is_null());

  source.fields[1].path = {"$key", "id"};
  record.key = R"({"id":"k1"})";
  CHECK(DecodeRecord(source, record).values[1] == Value::Text("k1"));
  record.key = "k1";
  CHECK(DecodeRecord(source, record).refusal() == "malformed");
}

TEST_CASE("a tombstone says by its key whose rows it deletes") {
  Source source = Payments();
  RawRecord record;
  record.key = "k1";
  CHECK(DecodeRecord(source, record).refusal() == "no_key");  // the source declares no key
  source.key = 1;
  record.record_time = Timestamp{77};
  const Decoded decoded = DecodeRecord(source, record);
  CHECK(decoded.refusal().empty());
  CHECK(decoded.outcome.tombstone);
  CHECK(decoded.values[1] == Value::Text("k1"));
  CHECK(decoded.values[0].is_null());
  CHECK(decoded.time == Timestamp{77});
  record.key.reset();
  CHECK(DecodeRecord(source, record).refusal() == "no_key");
  record.key = "\xff";
  CHECK(DecodeRecord(source, record).refusal() == "mistyped");

  source.key = 2;  // a number, as it stands in the events
  record.key = "-12";
  CHECK(DecodeRecord(source, record).values[2] == Value::Int64(-12));
  record.key = "12.5";
  CHECK(DecodeRecord(source, record).refusal() == "mistyped");

  source.key = 1;
  source.fields[1].path = {"$key", "id"};
  source.fields[2].path = {"$key", "n"};  // of no concern to a delete
  record.key = R"({"id":"k1","n":"x"})";
  CHECK(DecodeRecord(source, record).values[1] == Value::Text("k1"));
  record.key = R"({"id":null})";
  CHECK(DecodeRecord(source, record).refusal() == "no_key");
  record.key = "k1";
  CHECK(DecodeRecord(source, record).refusal() == "malformed");
}

TEST_CASE("a detail names the field, what was found and what would do") {
  Source source = Payments();
  source.fields[2].path = {"paid", "cents"};
  CHECK(Decode(source, With(R"(,"paid":{"cents":"12"})")).outcome.detail ==
        "field cents (at paid.cents) is \"12\"; int64 wants a number");
}

}  // namespace freshet
