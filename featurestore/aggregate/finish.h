// What the catalog's aggregations, those of single values and those of lists and maps, are finished with.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/numeric.h"
#include "featurestore/model/cell.h"

namespace freshet {

inline Cell Present(Value value) { return {.status = CellStatus::kPresent, .value = value}; }
inline Cell Empty() { return {.status = CellStatus::kNullValue}; }
inline Cell Overflow() { return {.status = CellStatus::kError}; }

template <typename A>
const A& As(const void* accumulator) {
  return *static_cast<const A*>(accumulator);
}

// None: it does not fit.
inline std::optional<int64_t> Int64Of(const IntSum& sum) {
  const __int128 total = sum.total();
  if (total < INT64_MIN || total > INT64_MAX) return std::nullopt;
  return static_cast<int64_t>(total);
}

inline std::optional<Type> SumOfNumber(std::optional<Type> of) {
  if (!of || !IsNumeric(*of)) return std::nullopt;
  return *of == Type::kInt64 ? Type::kInt64 : Type::kDouble;
}

// Which accumulators, whatever the field's type.
template <AccumulatorKind... kKinds>
std::vector<AccumulatorKind> Needs(std::optional<Type>) {
  return {kKinds...};
}

}  // namespace freshet
