// What the evaluator can do in one step. I: payloads that compare as integers (bool, int64, timestamp, interval); D: numbers,
// read as doubles; T: text and bytes.
#pragma once

#include <cstdint>

namespace freshet::expr {

// clang-format off: one a line would be 70 lines
enum class Opcode : uint16_t {
  kMove,
  kAddI,
  kSubI,
  kMulI,
  kNegI,
  kAbsI,
  kDivI,
  kModI,
  kAddD,
  kSubD,
  kMulD,
  kDivD,
  kNegD,
  kAbsD,
  kModD,
  kTimePlus,
  kTimeMinus,
  kTimeDifference,
  kEqI,
  kNeI,
  kLtI,
  kLeI,
  kGtI,
  kGeI,
  kEqD,
  kNeD,
  kLtD,
  kLeD,
  kGtD,
  kGeD,
  kEqT,
  kNeT,
  kLtT,
  kLeT,
  kGtT,
  kGeT,
  kDistinctI,
  kDistinctD,
  kDistinctT,
  kNot,
  kIsNull,
  kIsNotNull,
  kIsTrue,
  kIsNotTrue,
  kIsFalse,
  kIsNotFalse,
  kIntToDouble,
  kDoubleToInt,
  kBoolToInt,
  kIntToBool,
  // dst = a; to aux where that decides `and`, `or`. The …Next ones join a to what dst has.
  kAndFirst,
  kAndNext,
  kOrFirst,
  kOrNext,
  kJump,
  kJumpUnlessTrue,
  kMoveJumpIfNotNull,  // coalesce
  kNullIf,             // dst = b is true ? null : a
  kInSet,              // a in sets[aux]
  kCall,               // calls[aux] on the values from a on
};
// clang-format on

}  // namespace freshet::expr
