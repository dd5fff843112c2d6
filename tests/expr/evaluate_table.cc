// Evaluates a table of expressions on a table of rows, for expressions_test.py, which compares with PostgreSQL.
//   evaluate_table EXPRESSIONS ROWS
// EXPRESSIONS: a line each, the expression before the first tab. ROWS: JSON, {"columns": {name: type}, "rows": [{name: value}]}.
// Prints one JSON line an expression: {"type": …, "values": [{"value": …} | {"error": …}, …]}, or {"error": …, "offset": …}.
#include <fmt/format.h>

#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "featurestore/base/time.h"
#include "featurestore/expr/expression.h"

namespace freshet {
namespace {

using Json = nlohmann::json;

Value ToValue(const Json& json, Type type) {
  if (json.is_null()) return {};
  switch (type) {
    case Type::kBool:
      return Value::Bool(json.get<bool>());
    case Type::kInt64:
      return Value::Int64(json.get<int64_t>());
    case Type::kDouble:
      return Value::Double(json.get<double>());
    case Type::kTimestamp:
      return Value::Time(ParseTimestamp(json.get<std::string>()).value());
    default:
      return Value::Text(json.get_ref<const std::string&>());
  }
}

Json ToJson(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      return nullptr;
    case Value::Kind::kBool:
      return value.as_bool();
    case Value::Kind::kInt64:
      return value.as_int64();
    case Value::Kind::kDouble:
      return value.as_double();
    case Value::Kind::kText:
      return std::string(value.as_text());
    case Value::Kind::kTimestamp:
      return FormatTimestamp(value.as_time());
    case Value::Kind::kPacked:
      break;  // no expression gives one
  }
  return nullptr;
}

int Run(const char* expressions, const char* rows_file) {
  std::ifstream rows_stream(rows_file);
  const Json rows = Json::parse(rows_stream);
  std::vector<ExpressionColumn> scope;
  for (const auto& [name, type] : rows["columns"].items()) {
    scope.push_back({"", name, TypeFromName(type.get<std::string>()).value()});
  }
  std::vector<std::vector<Value>> values;
  for (const Json& row : rows["rows"]) {
    auto& into = values.emplace_back();
    for (const ExpressionColumn& column : scope)
      into.push_back(ToValue(row[column.name], column.type));
  }

  std::ifstream lines(expressions);
  Scratch scratch;
  for (std::string line; std::getline(lines, line);) {
    const auto compiled =
        Expression::Compile(std::string_view(line).substr(0, line.find('\t')), scope);
    Json out;
    if (const auto* error = std::get_if<ExpressionError>(&compiled)) {
      out = {{"error", error->message}, {"offset", error->offset}};
    } else {
      const auto& expression = std::get<Expression>(compiled);
      out["type"] = std::string(TypeName(expression.type()));
      out["values"] = Json::array();
      for (const auto& row : values) {
        const Evaluated result = expression.Evaluate(row, scratch);
        out["values"].push_back(
            result.ok() ? Json{{"value", ToJson(result.value)}}
                        : Json{{"error", std::string(EvaluationErrorText(result.error))}});
      }
      scratch.Clear();
    }
    std::cout << out.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  }
  return 0;
}

}  // namespace
}  // namespace freshet

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "evaluate_table EXPRESSIONS ROWS\n");
    return 2;
  }
  return freshet::Run(argv[1], argv[2]);
}
