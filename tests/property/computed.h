// A case's `derive` and `where` for the oracle: by closures that know nothing of the engine's expressions.
#pragma once

#include "featurestore/oracle/oracle.h"
#include "tests/property/declaration.h"

namespace freshet::property {

inline oracle::Derive Computed(const Declaration& declared) {
  return [computed = declared.computed](std::span<Value> fields) {
    for (const auto& [field, expression] : *computed) {
      fields[field] = expression.evaluate(fields).value_or(Value());
    }
  };
}

}  // namespace freshet::property
