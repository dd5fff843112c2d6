#include "featurestore/expr/program.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace freshet::expr {
namespace {

using Error = EvaluationError;

bool Less(double a, double b) { return a < b || (std::isnan(b) && !std::isnan(a)); }
bool Equal(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }
bool Equal(std::string_view a, std::string_view b) { return a == b; }
bool Less(int64_t a, int64_t b) { return a < b; }
bool Equal(int64_t a, int64_t b) { return a == b; }
bool Less(std::string_view a, std::string_view b) { return a < b; }

int64_t I(const Value& v) { return v.as_int64(); }
double D(const Value& v) { return v.number(); }
std::string_view T(const Value& v) { return v.as_text(); }

// Finite operands whose result is not.
bool Overflowed(double result, double x, double y) {
  return !std::isfinite(result) && std::isfinite(x) && std::isfinite(y);
}

// int64 that a double rounds to, halves away from zero.
bool ToInt(double x, int64_t& out) {
  const double rounded = std::round(x);
  if (!(rounded >= -0x1p63 && rounded < 0x1p63)) return false;
  out = static_cast<int64_t>(rounded);
  return true;
}

Value InSet(const ConstantSet& set, const Value& value) {
  const bool found =
      std::binary_search(set.values.begin(), set.values.end(), value,
                         [](const Value& a, const Value& b) { return CompareValues(a, b) < 0; });
  if (!found && set.has_null) return {};
  return Value::Bool(found);
}

}  // namespace

int CompareValues(const Value& a, const Value& b) {
  switch (a.kind()) {
    case Value::Kind::kDouble:
      return Less(a.as_double(), b.as_double()) ? -1 : Less(b.as_double(), a.as_double()) ? 1 : 0;
    case Value::Kind::kText:
      return a.as_text().compare(b.as_text());
    default:
      return I(a) < I(b) ? -1 : I(a) > I(b) ? 1 : 0;
  }
}

// A step whose result is null where an operand is.
#define STRICT1(opcode, ...)         \
  case Opcode::opcode: {             \
    if (a.is_null()) {               \
      registers[step.dst] = Value(); \
    } else {                         \
      __VA_ARGS__;                   \
    }                                \
    break;                           \
  }
#define STRICT2(opcode, ...)          \
  case Opcode::opcode: {              \
    const Value& b = at(step.b);      \
    if (a.is_null() || b.is_null()) { \
      registers[step.dst] = Value();  \
    } else {                          \
      __VA_ARGS__;                    \
    }                                 \
    break;                            \
  }
#define COMPARE(opcode, get, condition)           \
  STRICT2(opcode, {                               \
    const auto x = get(a);                        \
    const auto y = get(b);                        \
    registers[step.dst] = Value::Bool(condition); \
  })
#define COMPARISONS(suffix, get)                                                              \
  COMPARE(kEq##suffix, get, Equal(x, y))                                                      \
  COMPARE(kNe##suffix, get, !Equal(x, y))                                                     \
  COMPARE(kLt##suffix, get, Less(x, y))                                                       \
  COMPARE(kLe##suffix, get, !Less(y, x))                                                      \
  COMPARE(kGt##suffix, get, Less(y, x))                                                       \
  COMPARE(kGe##suffix, get, !Less(x, y))                                                      \
  case Opcode::kDistinct##suffix: {                                                           \
    const Value& b = at(step.b);                                                              \
    registers[step.dst] = Value::Bool(a.is_null() || b.is_null() ? a.is_null() != b.is_null() \
                                                                 : !Equal(get(a), get(b)));   \
    break;                                                                                    \
  }
#define ARITHMETIC_I(opcode, builtin)                                            \
  STRICT2(opcode, {                                                              \
    int64_t result = 0;                                                          \
    if (builtin(I(a), I(b), &result)) return {Value(), Error::kIntegerOverflow}; \
    registers[step.dst] = Value::Int64(result);                                  \
  })
#define ARITHMETIC_D(opcode, sign)               \
  STRICT2(opcode, {                              \
    const double x = D(a);                       \
    const double y = D(b);                       \
    const double result = x sign y;              \
    if (Overflowed(result, x, y)) [[unlikely]]   \
      return {Value(), Error::kDoubleOverflow};  \
    registers[step.dst] = Value::Double(result); \
  })
#define TEST(opcode, condition)                   \
  case Opcode::opcode:                            \
    registers[step.dst] = Value::Bool(condition); \
    break;

Evaluated Program::Run(const Value* row, Scratch& scratch) const {
  if (scratch.registers_.size() < register_count) scratch.registers_.resize(register_count);
  Value* const registers = scratch.registers_.data();
  const Value* const spaces[3] = {row, constants.data(), registers};
  const auto at = [&spaces](Operand o) -> const Value& { return spaces[o >> 30][o & kIndexMask]; };
  CallContext context{scratch.texts_, scratch.steps_};

  const Instruction* const begin = code.data();
  const Instruction* const end = begin + code.size();
  for (const Instruction* next = begin; next != end;) {
    const Instruction& step = *next++;
    const Value& a = at(step.a);
    switch (step.op) {
      case Opcode::kMove:
        registers[step.dst] = a;
        break;
        ARITHMETIC_I(kAddI, __builtin_add_overflow)
        ARITHMETIC_I(kSubI, __builtin_sub_overflow)
        ARITHMETIC_I(kMulI, __builtin_mul_overflow)
        STRICT1(kNegI, {
          int64_t result = 0;
          if (__builtin_sub_overflow(int64_t{0}, I(a), &result))
            return {Value(), Error::kIntegerOverflow};
          registers[step.dst] = Value::Int64(result);
        })
        STRICT1(kAbsI, {
          int64_t result = I(a);
          if (result < 0 && __builtin_sub_overflow(int64_t{0}, result, &result)) {
            return {Value(), Error::kIntegerOverflow};
          }
          registers[step.dst] = Value::Int64(result);
        })
        STRICT2(kDivI, {
          if (I(b) == 0) return {Value(), Error::kDivisionByZero};
          int64_t result = 0;
          // The one quotient that does not fit, which the processor traps on.
          if (I(b) == -1) {
            if (__builtin_sub_overflow(int64_t{0}, I(a), &result))
              return {Value(), Error::kIntegerOverflow};
          } else {
            result = I(a) / I(b);
          }
          registers[step.dst] = Value::Int64(result);
        })
        STRICT2(kModI, {
          if (I(b) == 0) return {Value(), Error::kDivisionByZero};
          registers[step.dst] = Value::Int64(I(b) == -1 ? 0 : I(a) % I(b));
        })
        ARITHMETIC_D(kAddD, +)
        ARITHMETIC_D(kSubD, -)
        ARITHMETIC_D(kMulD, *)
        STRICT2(kDivD, {
          const double x = D(a);
          const double y = D(b);
          if (y == 0 && !std::isnan(x)) return {Value(), Error::kDivisionByZero};
          const double result = x / y;
          if (Overflowed(result, x, y)) [[unlikely]]
            return {Value(), Error::kDoubleOverflow};
          registers[step.dst] = Value::Double(result);
        })
        STRICT2(kModD, {
          if (D(b) == 0 && !std::isnan(D(a))) return {Value(), Error::kDivisionByZero};
          registers[step.dst] = Value::Double(std::fmod(D(a), D(b)));
        })
        STRICT1(kNegD, registers[step.dst] = Value::Double(-D(a)))
        STRICT1(kAbsD, registers[step.dst] = Value::Double(std::fabs(D(a))))
        STRICT2(kTimePlus, {
          int64_t us = 0;
          const bool overflow = __builtin_add_overflow(I(a), I(b), &us);
          const Timestamp result{us};
          if (overflow || result < kMinEventTime || result > kMaxEventTime)
            return {Value(), Error::kTimeRange};
          registers[step.dst] = Value::Time(result);
        })
        STRICT2(kTimeMinus, {
          int64_t us = 0;
          const bool overflow = __builtin_sub_overflow(I(a), I(b), &us);
          const Timestamp result{us};
          if (overflow || result < kMinEventTime || result > kMaxEventTime)
            return {Value(), Error::kTimeRange};
          registers[step.dst] = Value::Time(result);
        })
        STRICT2(kTimeDifference, {
          int64_t us = 0;
          if (__builtin_sub_overflow(I(a), I(b), &us)) return {Value(), Error::kTimeRange};
          registers[step.dst] = Value::Int64(us);
        })
        COMPARISONS(I, I)
        COMPARISONS(D, D)
        COMPARISONS(T, T)
        STRICT1(kNot, registers[step.dst] = Value::Bool(!a.as_bool()))
        TEST(kIsNull, a.is_null())
        TEST(kIsNotNull, !a.is_null())
        TEST(kIsTrue, !a.is_null() && a.as_bool())
        TEST(kIsNotTrue, a.is_null() || !a.as_bool())
        TEST(kIsFalse, !a.is_null() && !a.as_bool())
        TEST(kIsNotFalse, a.is_null() || a.as_bool())
        STRICT1(kIntToDouble, registers[step.dst] = Value::Double(static_cast<double>(I(a))))
        STRICT1(kDoubleToInt, {
          int64_t result = 0;
          if (!ToInt(D(a), result)) return {Value(), Error::kBadCast};
          registers[step.dst] = Value::Int64(result);
        })
        STRICT1(kBoolToInt, registers[step.dst] = Value::Int64(a.as_bool() ? 1 : 0))
        STRICT1(kIntToBool, registers[step.dst] = Value::Bool(I(a) != 0))
      case Opcode::kAndFirst:
      case Opcode::kOrFirst: {
        const bool deciding = step.op == Opcode::kOrFirst;
        registers[step.dst] = a;
        if (!a.is_null() && a.as_bool() == deciding) next = begin + step.aux;
        break;
      }
      case Opcode::kAndNext:
      case Opcode::kOrNext: {
        const bool deciding = step.op == Opcode::kOrNext;
        if (a.is_null()) {
          registers[step.dst] = Value();
        } else if (a.as_bool() == deciding) {
          registers[step.dst] = a;
          next = begin + step.aux;
        }
        break;
      }
      case Opcode::kJump:
        next = begin + step.aux;
        break;
      case Opcode::kJumpUnlessTrue:
        if (a.is_null() || !a.as_bool()) next = begin + step.aux;
        break;
      case Opcode::kMoveJumpIfNotNull:
        registers[step.dst] = a;
        if (!a.is_null()) next = begin + step.aux;
        break;
      case Opcode::kNullIf: {
        const Value& equal = at(step.b);
        registers[step.dst] = !equal.is_null() && equal.as_bool() ? Value() : a;
        break;
      }
        STRICT1(kInSet, registers[step.dst] = InSet(sets[step.aux], a))
      case Opcode::kCall: {
        const Call& call = calls[step.aux];
        const Value* const args = &a;
        if (call.strict &&
            std::any_of(args, args + call.count, [](const Value& v) { return v.is_null(); })) {
          registers[step.dst] = Value();
          break;
        }
        context.zone = call.zone;
        Value result;
        if (const Error error = call.kernel(args, call.count, context, result);
            error != Error::kNone) {
          return {Value(), error};
        }
        registers[step.dst] = result;
        break;
      }
    }
  }
  return {at(result), Error::kNone};
}

}  // namespace freshet::expr
