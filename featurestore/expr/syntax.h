// The text of an expression as a small tree of our own, made of PostgreSQL's. Nothing behind this header knows libpg_query.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "featurestore/expr/expression.h"

namespace freshet::expr {

struct Syntax {
  enum class Kind : uint8_t {
    kNull,
    kBool,     // name: true, false
    kInteger,  // name: its digits, with a sign where there is one
    kDecimal,
    kString,
    kColumn,  // name; qualifier
    // name in lower case, as functions and operators are written: "+", "not", "between", "is null", "coalesce", "substring".
    // Operators that a function's name cannot be confused with stand beside functions in one list.
    kOperator,
    kFunction,
    kCast,  // name: the type as written; args[0]
    kCase,  // args: [operand,] when, then, when, then …, else; `has_operand`
  };

  Kind kind = Kind::kNull;
  std::string name;
  std::string qualifier;
  bool has_operand = false;
  size_t offset = 0;  // of the text's byte where it begins, or its operator stands
  std::vector<Syntax> args;
};

// Bounded in depth and nodes; never crashes, whatever the text.
std::variant<Syntax, ExpressionError> ParseSyntax(std::string_view text);

// The one way to write this tree: every operation as its name and its operands in parentheses, `>(amount, 100)`.
std::string Render(const Syntax& syntax);

}  // namespace freshet::expr
