// The aggregations a feature may name: what each needs, what it gives, and which stored accumulators it is
// finished from. A new aggregation is one entry here (and an accumulator, where none of the existing
// ones serves).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/model/cell.h"
#include "featurestore/model/value.h"

namespace freshet {

// Whether a declaration gives `of`, the field that is aggregated.
enum class OfRule : uint8_t { kNone, kOptional, kRequired };

// What finishing may depend on beside the accumulators.
struct FinishContext {
  std::optional<Type> of;  // the field's type
};

struct Aggregation {
  std::string_view name;
  std::string_view summary;  // for people: one line, no full stop
  OfRule of = OfRule::kRequired;
  bool windows_optional = false;  // without `windows`: lifetime, served by the feature's name
  bool zero_when_empty = false;   // the built-in default is 0
  std::string_view accepts;       // in words, what `of` may be: "an int64, double or float field"

  // The type of the answer; `of` is the field's type, none where no field is given. Nullopt where that
  // cannot work: a type that `of` may not have, or a field missing or given against the rule.
  std::optional<Type> ResultType(std::optional<Type> of) const;

  // The accumulators that finish() is given, in that order. Each reads the field `of`, but kRowCount none.
  // Asked only with an `of` that ResultType takes.
  std::vector<AccumulatorKind> (*needs)(std::optional<Type> of) = nullptr;
  // kNullValue: the window is empty (or the aggregation undefined for it); kError: overflow. Text in the
  // value is borrowed from the accumulators.
  Cell (*finish)(std::span<const void* const> accumulators, const FinishContext& context) = nullptr;
  // The type for a field that stands; nullopt where the field's type will not do.
  std::optional<Type> (*type_of)(std::optional<Type> of) = nullptr;
};

// Null where there is no such aggregation.
const Aggregation* FindAggregation(std::string_view name);
std::span<const Aggregation> AllAggregations();
// In the catalog's order: for "did you mean".
const std::vector<std::string>& AggregationNames();
// Names of declarations.md that this version does not compute yet: refused as "not supported yet".
std::span<const std::string_view> PlannedAggregations();

}  // namespace freshet
