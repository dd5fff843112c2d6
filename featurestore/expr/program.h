// A compiled expression: a flat list of instructions over columns, constants and registers, in the manner of a register
// machine, because most expressions are then one to five steps of a few ns each.
// `and`, `or`, `case`, `coalesce` and `in` jump over what PostgreSQL would not evaluate either.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "featurestore/base/time_zone.h"
#include "featurestore/expr/expression.h"
#include "featurestore/expr/kernels.h"
#include "featurestore/expr/opcode.h"

namespace freshet::expr {

// Where a value lies: which of the three arrays (upper 2 bits), and its index there.
using Operand = uint32_t;
inline constexpr Operand kColumnSpace = 0U << 30;
inline constexpr Operand kConstantSpace = 1U << 30;
inline constexpr Operand kRegisterSpace = 2U << 30;
inline constexpr Operand kIndexMask = (1U << 30) - 1;

struct Instruction {
  Opcode op = Opcode::kMove;
  uint16_t dst = 0;  // a register
  Operand a = 0;
  Operand b = 0;
  uint32_t aux = 0;  // a jump's target, an index in calls or sets
};

struct Call {
  Kernel kernel = nullptr;
  uint32_t count = 0;
  bool strict = true;
  const TimeZone* zone = nullptr;
};

// The constants of `in (…)`, sorted, none null.
struct ConstantSet {
  std::vector<Value> values;
  bool has_null = false;
};

struct Program {
  std::vector<Instruction> code;
  std::vector<Value> constants;
  std::vector<Call> calls;
  std::vector<ConstantSet> sets;
  // What constants and calls point to; deques do not move what they hold.
  std::deque<std::string> texts;
  std::deque<TimeZone> zones;
  uint32_t register_count = 0;
  Operand result = 0;
  Type type = Type::kDouble;
  std::string normalized;
  std::vector<uint32_t> columns;

  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  Evaluated Run(const Value* row, Scratch& scratch) const;
};

// PostgreSQL's order of two values of one kind, neither null: NaN equals NaN and is greater than all.
int CompareValues(const Value& a, const Value& b);

}  // namespace freshet::expr
