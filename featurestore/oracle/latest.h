// Latest values: a field of a row at a time.
#pragma once

#include <optional>
#include <vector>

#include "featurestore/oracle/oracle.h"

namespace freshet::oracle {

// Events by rising position.
Expected LatestValue(const FeatureView& view, const Feature& feature,
                     const std::vector<RowEvent>& events, Timestamp q);

}  // namespace freshet::oracle
