// Aggregations that give lists and maps: how they are finished. The catalog names them.
#pragma once

#include <span>

#include "featurestore/aggregate/catalog.h"

namespace freshet {

// By rising position, or (newest first) by falling.
Cell FinishFirstN(std::span<const void* const> a, const FinishContext& context,
                  const FinishMoment& moment);
Cell FinishLastN(std::span<const void* const> a, const FinishContext& context,
                 const FinishMoment& moment);
Cell FinishLastDistinctN(std::span<const void* const> a, const FinishContext& context,
                         const FinishMoment& moment);
Cell FinishTopK(std::span<const void* const> a, const FinishContext& context,
                const FinishMoment& moment);
Cell FinishHistogram(std::span<const void* const> a, const FinishContext& context,
                     const FinishMoment& moment);

// The type of a field that can be an element or a key.
std::optional<Type> ElementsOwn(std::optional<Type> of);
// Of count and sum with `by`, top_k with counts, histogram without bounds.
extern const Aggregation kCountBy;
extern const Aggregation kSumBy;
extern const Aggregation kTopKCounts;
extern const Aggregation kHistogramByValue;

}  // namespace freshet
