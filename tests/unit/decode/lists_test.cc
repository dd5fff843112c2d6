// Lists and vectors of a record, and what tells absent from null.
#include <catch2/catch.hpp>

#include "featurestore/decode/decoder.h"

namespace freshet {
namespace {

struct Decoded {
  DecodeOutcome outcome;
  Value value;
  TextArena arena;
  std::string shown() const {
    if (outcome.refusal) return std::string(RefusalName(*outcome.refusal));
    return value.is_absent() ? "absent" : ToDebugString(value);
  }
};

// The value of a field f, at `path`, of the record {"at": …, `rest`}.
Decoded Of(Type type, const std::string& rest, std::vector<std::string> path = {"f"},
           bool bad_is_null = false) {
  Source source;
  source.fields = {{.name = "at", .type = Type::kTimestamp, .path = {"at"}},
                   {.name = "f",
                    .type = type,
                    .path = std::move(path),
                    .bad_is_null = bad_is_null,
                    .vector_size = type == kFloatVector ? 3u : 0u}};
  source.time_field = 0;
  const std::string text = R"({"at":"2013-01-01T10:15:00Z")" + rest + "}";
  Decoded decoded;
  std::vector<Value> values(2);
  Timestamp time;
  RawRecord record;
  record.value = text;
  decoded.outcome = MakeJsonDecoder(source)->Decode(record, decoded.arena, values, time);
  decoded.value = values[1];
  return decoded;
}

constexpr Type kTexts = ListOf(Type::kString);

}  // namespace

TEST_CASE("a list holds values of its element's type, and nulls") {
  CHECK(Of(kTexts, R"(, "f": ["a", null , "\u00e9\n", ""])").shown() ==
        "[\"a\", null, \"é\n\", \"\"]");
  CHECK(Of(kTexts, R"(,"f":[])").shown() == "[]");
  CHECK(Of(ListOf(Type::kInt64), R"(,"f":[1,-2])").shown() == "[1, -2]");
  CHECK(Of(ListOf(Type::kBool), R"(,"f":[true,false,null])").shown() == "[true, false, null]");
  CHECK(Of(ListOf(Type::kTimestamp), R"(,"f":["2013-01-01T10:15:00Z"])").shown() ==
        "[2013-01-01T10:15:00Z]");
  CHECK(Of(kTexts, R"(,"o":{"f":["x"]})", {"o", "f"}).shown() == "[\"x\"]");
}

TEST_CASE("a list with an element of another type is mistyped, and the element is named") {
  const Decoded one = Of(ListOf(Type::kInt64), R"(,"f":[1,2.5])");
  CHECK(one.shown() == "mistyped");
  CHECK(one.outcome.detail.find("element 1 of field f is 2.5") != std::string::npos);
  CHECK(Of(kTexts, R"(,"f":["a",["b"]])").shown() == "mistyped");
  CHECK(Of(kTexts, R"(,"f":[{"a":1}])").shown() == "mistyped");
  CHECK(Of(kTexts, R"(,"f":"a")").shown() == "mistyped");
  CHECK(Of(kTexts, R"(,"f":{"a":1})").shown() == "mistyped");
  CHECK(Of(Type::kString, R"(,"f":["a"])").shown() == "mistyped");
  CHECK(Of(kTexts, R"(,"f":["a",])").shown() == "malformed");
  CHECK(Of(kTexts, R"(,"f":["a")").shown() == "malformed");
}

TEST_CASE("a vector of another length, with a null or with what no float holds is mistyped") {
  CHECK(Of(kFloatVector, R"(,"f":[1, 0.5, -2e3])").shown() == "[1, 0.5, -2000]");
  CHECK(Of(kFloatVector, R"(,"f":[1,2])").outcome.detail.find("list<float>[3] wants 3 numbers") !=
        std::string::npos);
  CHECK(Of(kFloatVector, R"(,"f":[1,2,3,4])").shown() == "mistyped");
  CHECK(Of(kFloatVector, R"(,"f":[1,null,3])").shown() == "mistyped");
  CHECK(Of(kFloatVector, R"(,"f":[1,1e39,3])").shown() == "mistyped");
  CHECK(Of(kFloatVector, R"(,"f":[])").shown() == "mistyped");
}

TEST_CASE("a field that is absent is told from one that is null") {
  CHECK(Of(kTexts, "").shown() == "absent");
  CHECK(Of(kTexts, R"(,"f":null)").shown() == "null");
  CHECK(Of(Type::kInt64, "").shown() == "absent");
  CHECK(Of(Type::kInt64, R"(,"f":null)").shown() == "null");
  CHECK(Of(Type::kInt64, R"(,"o":{})", {"o", "f"}).shown() == "absent");
  CHECK(Of(Type::kInt64, R"(,"o":{"f":null})", {"o", "f"}).shown() == "null");
  CHECK(Of(Type::kInt64, R"(,"o":null)", {"o", "f"}).shown() == "null");
  CHECK(Of(Type::kInt64, R"(,"f":"x")", {"f"}, true).shown() == "null");
  CHECK(Of(kTexts, R"(,"f":[1])", {"f"}, true).shown() == "null");
}

}  // namespace freshet
