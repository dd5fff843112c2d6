// What a feature service derives at a request, compiled.
#pragma once

#include <cstdint>
#include <vector>

#include "featurestore/expr/expression.h"

namespace freshet {

// Immutable; each thread evaluates with values and a Scratch of its own.
struct ServiceExpressions {
  enum class Kind : uint8_t { kFeature, kInput, kNow, kDerived };
  // What an expression's column is: a feature, input or derived feature of the service, by its index there.
  struct Column {
    Kind kind = Kind::kNow;
    uint32_t index = 0;
  };
  // Expression d reads a beginning of it, which ends before derived feature d.
  std::vector<Column> scope;
  std::vector<Expression> expressions;  // in order
};

}  // namespace freshet
