// Expressions over one small scope, for tests.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "featurestore/expr/expression.h"

namespace freshet {

inline const std::vector<ExpressionColumn>& Scope() {
  static const std::vector<ExpressionColumn> scope = {
      {"", "amount", Type::kDouble},
      {"", "count", Type::kInt64},
      {"", "merchant", Type::kString},
      {"", "online", Type::kBool},
      {"", "at", Type::kTimestamp},
      {"", "payload", Type::kBytes},
      {"", "rate", Type::kFloat},
      {"sender", "sent_24h", Type::kInt64},
      {"receiver", "sent_24h", Type::kInt64},
      {"sender", "tier", Type::kString},
      {"", "flag", Type::kBool},
      {"", "other", Type::kInt64},
  };
  return scope;
}

inline Expression Compiled(std::string_view text, Expression::Use use = Expression::Use::kValue) {
  INFO(text);
  auto compiled = Expression::Compile(text, Scope(), use);
  if (const auto* error = std::get_if<ExpressionError>(&compiled)) {
    FAIL(text << ": " << error->offset << ": " << error->message);
  }
  return std::get<Expression>(std::move(compiled));
}

inline ExpressionError Error(std::string_view text, Expression::Use use = Expression::Use::kValue) {
  auto compiled = Expression::Compile(text, Scope(), use);
  const auto* error = std::get_if<ExpressionError>(&compiled);
  if (error == nullptr) FAIL(text << " compiles");
  return *error;
}

// A row of nulls with some columns set.
inline std::vector<Value> Row(std::initializer_list<std::pair<std::string_view, Value>> set = {}) {
  std::vector<Value> row(Scope().size());
  for (const auto& [name, value] : set) {
    for (size_t i = 0; i < Scope().size(); ++i) {
      if (Scope()[i].name == name) {
        row[i] = value;
        break;
      }
    }
  }
  return row;
}

// The value as people read it, or the error in angle brackets.
inline std::string Answer(std::string_view text, const std::vector<Value>& row = Row()) {
  Scratch scratch;
  const Expression expression = Compiled(text);
  const Evaluated result = expression.Evaluate(row, scratch);
  if (!result.ok()) return "<" + std::string(EvaluationErrorText(result.error)) + ">";
  return ToDebugString(result.value);
}

}  // namespace freshet
