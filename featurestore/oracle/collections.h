// Aggregations that give lists and maps, over the events that a window covers.
#pragma once

#include "featurestore/oracle/cover.h"

namespace freshet::oracle {

// "lists and maps": first_n, last_n, last_distinct_n, top_k, histogram, and count and sum with `by`.
bool GivesCollection(const Feature& feature);

// `events` by rising position.
Expected AggregateCollection(const Feature& feature, const std::vector<const Kept*>& events);
// "with `by` an empty map": what stands in for a value where there is none.
Expected EmptyCollection(const Feature& feature, CellStatus status);

bool AgreesWith(const Collection& expected, const Value& value);

}  // namespace freshet::oracle
