// A SQL expression: any text is refused with a place in it, or has values, none beside an error.
#include <array>
#include <limits>
#include <vector>

#include "featurestore/expr/expression.h"
#include "tests/fuzz/fuzz_target.h"

namespace freshet::fuzz {
namespace {

const std::vector<ExpressionColumn>& Scope() {
  static const auto& scope = *new std::vector<ExpressionColumn>{
      {"", "i", Type::kInt64},          {"", "j", Type::kInt64},   {"", "x", Type::kDouble},
      {"", "y", Type::kFloat},          {"", "s", Type::kString},  {"", "t", Type::kString},
      {"", "p", Type::kBool},           {"", "q", Type::kBool},    {"", "at", Type::kTimestamp},
      {"", "before", Type::kTimestamp}, {"", "raw", Type::kBytes}, {"role", "x", Type::kDouble}};
  return scope;
}

using Row = std::array<Value, 12>;

const std::vector<Row>& Rows() {
  constexpr int64_t kGreatest = std::numeric_limits<int64_t>::max();
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  static const auto& rows = *new std::vector<Row>{
      {Value::Int64(3), Value::Int64(-7), Value::Double(2.5), Value::Double(-0.5),
       Value::Text("Łódź is wet"), Value::Text("%d_"), Value::Bool(true), Value::Bool(false),
       Value::Time({1'767'614'400'123'456}), Value::Time({1'767'614'460'000'000}),
       Value::Text("\x01\xff"), Value::Double(1e10)},
      {Value::Int64(kGreatest), Value::Int64(-kGreatest - 1), Value::Double(kInfinity),
       Value::Double(0), Value::Text(""), Value::Text("12"), Value::Bool(false), Value::Bool(false),
       Value::Time({-62'135'596'800'000'000}), Value::Time({253'402'300'799'999'999}),
       Value::Text(""), Value::Double(-0.0)},
      {},
  };
  return rows;
}

}  // namespace

void Run(std::string_view input) {
  const auto use = TakeByte(input) % 4 == 0 ? Expression::Use::kCondition : Expression::Use::kValue;
  auto compiled = Expression::Compile(input, Scope(), use);
  if (const auto* error = std::get_if<ExpressionError>(&compiled)) {
    if (error->offset > input.size()) Finding("a mistake behind the text's end: " + error->message);
    if (error->message.empty()) Finding("a mistake without words");
    return;
  }
  const auto& expression = std::get<Expression>(compiled);
  for (const uint32_t column : expression.columns()) {
    if (column >= Scope().size()) Finding("it reads a column that is not in scope");
  }
  Scratch scratch;
  for (const Row& row : Rows()) {
    const Evaluated result = expression.Evaluate(row, scratch);
    if (!result.ok() && !result.value.is_null()) Finding("a value beside an error");
  }
}

}  // namespace freshet::fuzz
