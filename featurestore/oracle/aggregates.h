// What an aggregation gives over the events that a window covers.
#pragma once

#include "featurestore/oracle/cover.h"

namespace freshet::oracle {

// The feature's default, or null where it has none.
Value DefaultOf(const Feature& feature);

Expected Aggregate(const Feature& feature, const Covered& covered, const Reading& read);

}  // namespace freshet::oracle
