// Latest values: a field of a row at a time.
#pragma once

#include <optional>
#include <vector>

#include "featurestore/oracle/oracle.h"

namespace freshet::oracle {

// Events by rising position.
Expected LatestValue(const FeatureView& view, const Feature& feature,
                     const std::vector<RowEvent>& events, Timestamp q);

// Whether the event would set a field: brings one that no event of a greater position among `events` brought.
bool SetsAField(const FeatureView& view, const std::vector<RowEvent>& events, const Kept& event);

}  // namespace freshet::oracle
