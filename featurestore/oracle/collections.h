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

// "A text of more than 1024 bytes is null to every aggregation that keeps texts."
Value Short(const Value& value);
// "A window that keeps events keeps it as null for all": rows and exact ones.
bool KeepsEvents(const Window& window);

bool AgreesWith(const Collection& expected, const Value& value);

}  // namespace freshet::oracle
