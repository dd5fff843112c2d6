#include "featurestore/model/packed.h"

#include <catch2/catch.hpp>
#include <vector>

namespace freshet {

TEST_CASE("what is packed is read again, nulls too") {
  const std::string long_text(300, 'x');
  const std::vector<std::pair<Type, std::vector<Value>>> lists = {
      {Type::kString, {Value::Text("a"), Value(), Value::Text(""), Value::Text(long_text)}},
      {Type::kInt64, {Value::Int64(INT64_MIN), Value(), Value::Int64(7)}},
      {Type::kDouble, {Value::Double(-0.5), Value()}},
      {Type::kBool, {Value::Bool(true), Value(), Value::Bool(false)}},
      {Type::kTimestamp, {Value::Time({1}), Value()}},
      {Type::kBytes, {}},
  };
  for (const auto& [element, values] : lists) {
    std::string bytes;
    PackedWriter out(ListOf(element), static_cast<uint32_t>(values.size()), bytes);
    for (const Value& value : values) out.Add(value);
    PackedReader in(bytes);
    CHECK(in.type() == ListOf(element));
    REQUIRE(in.size() == values.size());
    for (const Value& value : values) CHECK(in.Next() == value);
    CHECK(in.ok());
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      PackedReader part(std::string_view(bytes).substr(0, cut));
      for (uint32_t i = 0; i < part.size(); ++i) part.Next();
      CHECK_FALSE((part.ok() && part.size() == values.size()));
    }
  }
}

TEST_CASE("maps hold keys and values in turn, vectors floats") {
  std::string bytes;
  PackedWriter map(MapOf(Type::kString, true), 2, bytes);
  map.AddEntry(Value::Text("a"), Value::Double(1.5));
  map.AddEntry(Value::Text("b"), Value::Double(2));
  CHECK(ToDebugString(Value::Packed(bytes)) == R"({"a": 1.5, "b": 2})");
  CHECK(TypeName(PackedReader(bytes).type()) == "map<string, double>");
  std::string floats;
  PackedWriter vector(kFloatVector, 2, floats);
  vector.Add(Value::Double(0.25));
  vector.Add(Value::Int64(3));
  CHECK(floats.size() == 2 + 8);
  CHECK(PackedToDebugString(floats) == "[0.25, 3]");
}

}  // namespace freshet
