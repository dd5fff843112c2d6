// The fields of a source that are computed of the others: `derive`, and what any `where` asks. Once an event, whichever and however
// many views use them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "featurestore/expr/expression.h"

namespace freshet {

// Immutable. Thread-safe, each thread with a Scratch of its own.
class DerivedFields {
 public:
  DerivedFields() = default;
  // expressions[i] computes field first + i; each was compiled over a beginning of the fields before it.
  DerivedFields(uint32_t first, std::vector<Expression> expressions)
      : first_(first), expressions_(std::move(expressions)) {}

  bool empty() const { return expressions_.empty(); }
  uint32_t first() const { return first_; }
  // Fills the derived of `fields`. An error is a null; returns how many there were. Texts live as long as the fields' or until
  // scratch.Clear().
  uint32_t Compute(std::span<Value> fields, Scratch& scratch) const {
    uint32_t errors = 0;
    for (size_t i = 0; i < expressions_.size(); ++i) {
      const Evaluated result = expressions_[i].Evaluate(fields, scratch);
      errors += result.ok() ? 0 : 1;
      Value& field = fields[first_ + i];
      field = result.value;
      // Null for want of a field that the record does not have: absent too, so that a partial update leaves what is derived of it.
      const std::span<const uint32_t> read = expressions_[i].columns();
      if (field.is_null() && std::any_of(read.begin(), read.end(),
                                         [&](uint32_t f) { return fields[f].is_absent(); })) {
        field = Value::Absent();
      }
    }
    return errors;
  }

 private:
  uint32_t first_ = 0;
  std::vector<Expression> expressions_;
};

}  // namespace freshet
