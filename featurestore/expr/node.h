// An expression with its types: what binding makes of Syntax, and what the compiler makes instructions of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/base/time_zone.h"
#include "featurestore/expr/kernels.h"
#include "featurestore/expr/opcode.h"
#include "featurestore/model/value.h"

namespace freshet::expr {

enum class ExprType : uint8_t {
  kNull,  // of the word null, until something beside it says more
  kBool,
  kInt64,
  kDouble,
  kText,
  kBytes,
  kTimestamp,
  kInterval,  // a fixed length of time, as an int64 of microseconds; never the type of a whole expression
};

// As declarations write it: "string", "int64".
std::string_view Name(ExprType type);
constexpr bool IsNumber(ExprType t) { return t == ExprType::kInt64 || t == ExprType::kDouble; }
ExprType FromType(Type type);

struct Node {
  enum class Kind : uint8_t {
    kConstant,   // value; a text's bytes are in `text`
    kColumn,     // column
    kOperation,  // op on one or two args; null where one is null (tests like `is null` aside)
    kCall,       // kernel on args
    kAnd,
    kOr,
    kCase,  // args: [operand,] when, then, …, else; with an operand `ops` compare it with each when
    kCoalesce,  // args of one type
    kIn,        // args[0] against the others; `ops` has the comparison with each
    kBetween,   // args[0], low, high; `ops`: ≥ and ≤ for low, then ≥ and ≤ for high
    kNullIf,    // args[0], args[1]; ops[0] the comparison
  };

  Kind kind = Kind::kConstant;
  ExprType type = ExprType::kNull;
  size_t offset = 0;
  bool from_literal = false;  // a constant as written: text that may yet become a time
  Value value;
  std::string text;
  uint32_t column = 0;
  Opcode op = Opcode::kMove;
  std::vector<Opcode> ops;
  Kernel kernel = nullptr;
  bool strict = true;  // a null argument makes the call null
  std::optional<TimeZone> zone;
  bool has_operand = false;
  bool symmetric = false;
  std::vector<Node> args;
};

}  // namespace freshet::expr
