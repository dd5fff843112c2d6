// The aggregations a feature may name: what each needs, what it gives, and which stored accumulators it is
// finished from. A new aggregation is one entry here (and an accumulator, where none of the existing
// ones serves).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/base/status.h"
#include "featurestore/model/cell.h"
#include "featurestore/model/feature_view.h"
#include "featurestore/model/packed_arena.h"
#include "featurestore/model/value.h"

namespace freshet {

// Whether a declaration gives `of`, the field that is aggregated.
enum class OfRule : uint8_t { kNone, kOptional, kRequired };

// The keys of a feature that an aggregation may take beside `of`; a set of them is a sum.
enum Argument : uint32_t {
  kArgumentOrderBy = 1,
  kArgumentQ = 2,
  kArgumentExactTo = 4,
  kArgumentError = 8,
  kArgumentHalfLife = 16,
  kArgumentPer = 32,
  kArgumentN = 64,
  kArgumentK = 128,
  kArgumentBy = 256,
  kArgumentMaxKeys = 512,  // of a map: with `by`, or a histogram without `bounds`
  kArgumentCounts = 1024,
  kArgumentBounds = 2048,
};

// Where a declaration gives none.
inline constexpr uint32_t kMaxKeysDefault = 100;

// What finishing may depend on beside the accumulators: the same at every read.
struct FinishContext {
  std::optional<Type> of;                       // the field's type
  std::optional<Type> order_by;                 // of that field
  std::optional<Type> by;                       // of that field
  const FeatureArguments* arguments = nullptr;  // of the feature, where it takes any
  Duration length;                              // of the window; 0 where it has none
  uint32_t column = 0;                          // of lists kept side by side: which is served
};
// And of this one.
struct FinishMoment {
  Timestamp read;                 // q: now, or as_of
  Timestamp newest;               // the row's newest event that the read may know of
  PackedArena* packed = nullptr;  // for lists and maps, which live as long as it
  // What decays, decays to here: clocks differ, and a weight above 1 is not one.
  Timestamp decay_to() const { return std::max(read, newest); }
};

struct Aggregation {
  // What the type that `type_of` gives is the type of.
  enum class Shape : uint8_t {
    kScalar,  // the answer
    kList,    // its elements
    kMap,     // what its keys map to; the keys are the values of `by`, else of `of`
  };

  std::string_view name;
  std::string_view summary;  // for people: one line, no full stop
  OfRule of = OfRule::kRequired;
  bool windows_optional = false;  // without `windows`: lifetime, served by the feature's name
  bool zero_when_empty = false;   // the built-in default is 0
  std::string_view accepts;       // in words, what `of` may be: "an int64, double or float field"
  uint32_t takes = 0;             // of Argument
  uint32_t needs_arguments = 0;   // of those: without a default
  uint32_t exact_to = 0;          // the default
  double error = 0;               // the default
  double error_least = 0;
  bool needs_length = false;  // of its window
  bool of_list = false;       // `of` may be several fields, each served as a list
  Shape shape = Shape::kScalar;
  // What stands in its place with `by`, with counts: true, or of a histogram without bounds.
  const Aggregation* mapped = nullptr;

  const Aggregation& Form(const FeatureArguments& arguments) const {
    const bool other = arguments.by.has_value() || arguments.counts ||
                       ((takes & kArgumentBounds) != 0 && arguments.bounds.empty());
    return other && mapped != nullptr ? *mapped : *this;
  }

  // The type of the answer; `of` is the field's type, none where no field is given, `by` that of arguments.by. Nullopt where
  // that cannot work: a type that `of` may not have, or a field missing or given against the rule.
  std::optional<Type> ResultType(std::optional<Type> of, const FeatureArguments& arguments = {},
                                 std::optional<Type> by = std::nullopt) const;

  // Of the form that stands. The accumulators that finish() is given, in that order. Each reads the field `of`, but kRowCount
  // none. Asked only with an `of` that ResultType takes.
  std::vector<AccumulatorKind> (*needs)(std::optional<Type> of) = nullptr;
  // kNullValue: the window is empty (or the aggregation undefined for it); kError: overflow. Text in the
  // value is borrowed from the accumulators.
  Cell (*finish)(std::span<const void* const> accumulators, const FinishContext& context,
                 const FinishMoment& moment) = nullptr;
  // The type for a field that stands, in its shape; nullopt where the field's type will not do.
  std::optional<Type> (*type_of)(std::optional<Type> of) = nullptr;

  // Internal where the feature's arguments are not what declare should have made sure of.
  Status CheckArguments(const Feature& feature) const;
};

// Whether a window has one length, that of every answer. (A calendar's buckets have several.)
inline bool HasLength(const Window& window) {
  return (window.has_panes() || window.kind == WindowKind::kExact) && window.length.us > 0 &&
         window.calendar == CalendarUnit::kNone;
}

// Null where there is no such aggregation.
const Aggregation* FindAggregation(std::string_view name);
std::span<const Aggregation> AllAggregations();
// In the catalog's order: for "did you mean".
const std::vector<std::string>& AggregationNames();

}  // namespace freshet
