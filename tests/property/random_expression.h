// Random SQL of `where` and `derive` beside a closure that says what it gives: so that the answers of the property tests do not
// rest on the engine's parser, compiler and evaluator.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "featurestore/model/value.h"
#include "tests/property/random.h"

namespace freshet::property {

// A named field of the source.
struct Column {
  std::string name;
  Type type = Type::kInt64;
  uint32_t index = 0;
};

struct RandomExpression {
  std::string sql;
  Type type = Type::kBool;
  // By index of the source. None: the evaluation fails, which reads as null. Texts are borrowed from the fields and from literals.
  std::function<std::optional<Value>(std::span<const Value>)> evaluate;
};

// Mostly true of values as random_case.cc draws them; three-valued, and with errors among what fails.
RandomExpression RandomCondition(Random& random, const std::vector<Column>& columns);

// Of type int64, double, string, bool or timestamp.
RandomExpression RandomDerivation(Random& random, const std::vector<Column>& columns);

}  // namespace freshet::property
