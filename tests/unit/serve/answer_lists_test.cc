#include "featurestore/serve/answer_lists.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "featurestore/model/packed.h"
#include "featurestore/model/type_text.h"

namespace freshet {
namespace {

std::string PackedList(Type element, const std::vector<Value>& values) {
  std::string bytes;
  PackedWriter out(ListOf(element), static_cast<uint32_t>(values.size()), bytes);
  for (const Value& value : values) out.Add(value);
  return bytes;
}

AnswerColumn EmptyColumn(Type type) {
  AnswerColumn column;
  column.offsets.assign(4, '\0');
  if (IsText(ElementOf(type))) column.element_offsets.assign(4, '\0');
  return column;
}

std::vector<Value> Row(Type type, const AnswerColumn& column, size_t row) {
  std::vector<Value> values;
  const ElementRange range = ElementsOf(type, 0, column, row);
  for (uint32_t i = range.begin; i < range.end; ++i) values.push_back(ElementAt(type, column, i));
  return values;
}

// One column of the type, in a plan of its own.
Plan PlanOf(Type type, uint32_t vector_size = 0) {
  Plan plan;
  plan.columns.push_back({.name = "x", .type = type, .vector_size = vector_size});
  return plan;
}

}  // namespace

TEST_CASE("lists of every type are laid out flat, and nulls inside them are told") {
  const std::vector<std::pair<Type, std::vector<Value>>> cases = {
      {Type::kString, {Value::Text("a"), Value(), Value::Text("")}},
      {Type::kBytes, {Value::Text(std::string_view("\0\xff", 2))}},
      {Type::kInt64, {Value::Int64(INT64_MIN), Value()}},
      {Type::kDouble, {Value::Double(0.1), Value()}},
      {Type::kFloat, {Value::Double(0.25), Value()}},
      {Type::kBool, {Value::Bool(true), Value(), Value::Bool(false)}},
      {Type::kTimestamp, {Value(), Value::Time({7})}},
  };
  for (const auto& [element, values] : cases) {
    const Type type = ListOf(element);
    INFO(TypeName(type));
    AnswerColumn column = EmptyColumn(type);
    const std::string list = PackedList(element, values);
    const std::string plain = PackedList(element, {values.back()});
    REQUIRE(AppendPacked(type, Value::Packed(plain), column));
    REQUIRE(AppendPacked(type, Value(), column));
    REQUIRE(AppendPacked(type, Value::Packed(list), column));
    REQUIRE(AppendPacked(type, Value::Packed(plain), column));
    CHECK(Row(type, column, 0) == std::vector<Value>{values.back()});
    CHECK(Row(type, column, 1).empty());
    CHECK(Row(type, column, 2) == values);
    CHECK(Row(type, column, 3) == std::vector<Value>{values.back()});
    column.broadcast = true;
    CHECK(Row(type, column, 3) == Row(type, column, 0));
  }
}

TEST_CASE("lists without a null send none") {
  AnswerColumn column = EmptyColumn(ListOf(Type::kInt64));
  const std::string list = PackedList(Type::kInt64, {Value::Int64(1), Value::Int64(2)});
  REQUIRE(AppendPacked(ListOf(Type::kInt64), Value::Packed(list), column));
  CHECK(column.nulls.empty());
  CHECK(column.values.size() == 16);
}

TEST_CASE("maps are keys and what they map to, side by side") {
  std::string bytes;
  const Type type = MapOf(Type::kString, false);
  PackedWriter out(type, 2, bytes);
  out.AddEntry(Value::Text("a"), Value::Int64(1));
  out.AddEntry(Value::Text("bc"), Value::Int64(-2));
  AnswerColumn column = EmptyColumn(type);
  REQUIRE(AppendPacked(type, Value::Packed(bytes), column));
  CHECK(Row(type, column, 0) == std::vector<Value>{Value::Text("a"), Value::Text("bc")});
  CHECK(MappedAt(type, column, 1) == Value::Int64(-2));
  CHECK(column.nulls.empty());
}

TEST_CASE("a vector is its floats, and NaN in each where it has no value") {
  std::string bytes;
  PackedWriter out(kFloatVector, 3, bytes);
  for (const double x : {1.5, -2.0, 0.0}) out.Add(Value::Double(x));
  float read[3];
  REQUIRE(PutVector(Value::Packed(bytes), 3, reinterpret_cast<char*>(read)));
  CHECK(std::vector<float>(read, read + 3) == std::vector<float>{1.5F, -2, 0});
  REQUIRE(PutVector(Value(), 3, reinterpret_cast<char*>(read)));
  for (const float x : read) CHECK(std::isnan(x));
  CHECK_FALSE(PutVector(Value::Packed(bytes), 2, reinterpret_cast<char*>(read)));
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    const std::string_view part = std::string_view(bytes).substr(0, cut);
    CHECK_FALSE(PutVector(Value::Packed(part), 3, reinterpret_cast<char*>(read)));
  }
}

TEST_CASE("damaged bytes, or those of another type, are refused") {
  const Type type = ListOf(Type::kString);
  const std::string list = PackedList(Type::kString, {Value::Text("abc"), Value::Text("de")});
  for (size_t cut = 0; cut < list.size(); ++cut) {
    AnswerColumn column = EmptyColumn(type);
    const std::string_view part = std::string_view(list).substr(0, cut);
    CHECK_FALSE(AppendPacked(type, Value::Packed(part), column));
  }
  AnswerColumn column = EmptyColumn(type);
  CHECK_FALSE(AppendPacked(ListOf(Type::kBytes), Value::Packed(list), column));
  CHECK_FALSE(AppendPacked(type, Value::Text("abc"), column));
  CHECK_FALSE(AppendPacked(type, Value::Int64(1), column));
}

TEST_CASE("max_response counts elements, offsets and nulls of the rows that fit") {
  const Type type = ListOf(Type::kString);
  Answer answer;
  answer.num_rows = 3;
  answer.columns.push_back(EmptyColumn(type));
  const std::string list =
      PackedList(Type::kString, {Value::Text("abc"), Value(), Value::Text("de")});
  for (int i = 0; i < 3; ++i) {
    REQUIRE(AppendPacked(type, Value::Packed(list), answer.columns[0]));
  }
  const AnswerColumn& column = answer.columns[0];
  const size_t all = column.values.size() + column.offsets.size() + column.element_offsets.size() +
                     column.nulls.size();
  const Plan plan = PlanOf(type);
  CHECK(PayloadBytes(plan, answer, 3) == all);
  CHECK(PayloadBytes(plan, answer, 1) == 2 * 4 + 5 + 4 * 4 + 3);
  CHECK(RowsThatFit(plan, answer, 3, all) == 3);
  CHECK(RowsThatFit(plan, answer, 3, all - 1) == 2);

  Answer vectors;
  vectors.num_rows = 2;
  vectors.columns.resize(1);
  vectors.columns[0].values.resize(2 * 4 * 100);
  CHECK(PayloadBytes(PlanOf(kFloatVector, 100), vectors, 1) == 400);
}

TEST_CASE("types are written with the length that a vector has beside them") {
  CHECK(TypeText(kFloatVector, 128) == "list<float>[128]");
  CHECK(TypeText(ListOf(Type::kString), 0) == "list<string>");
  CHECK(ParseTypeText("list<float>[128]")->vector_size == 128);
  CHECK(ParseTypeText("list<float>")->type == ListOf(Type::kFloat));
  for (const char* wrong :
       {"list<float>[]", "list<float>[0]", "list<float>[-1]", "list<float>[16385]", "list<float>[4",
        "list<float>[4]x", "list<float>[", "list<double>[4]", "list", ""}) {
    CHECK_FALSE(ParseTypeText(wrong));
  }
}

}  // namespace freshet
