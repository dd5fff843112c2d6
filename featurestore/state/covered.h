// Which runs and events of a row answer a read: asked by Row::Finish, and by ExplainRow, which tells of the same.
#pragma once

#include <cstddef>

#include "featurestore/state/row_layout_impl.h"

namespace freshet {

// Reads far outside every event time read like its ends: sums of times stay within int64.
Timestamp ClampRead(Timestamp q);

// kRuns: which run, or list.size() for none. `newest` is the row's.
size_t CoveredRun(const FeatureView& view, const FeaturePlan& feature, const RunList& list,
                  Timestamp newest, Timestamp q);

// kLog: the events from `begin` on and before `end`, which may be less than that.
struct CoveredEvents {
  size_t begin = 0;
  size_t end = 0;
};
CoveredEvents CoveredOf(const FeaturePlan& feature, const EventLog& log, Timestamp newest,
                        Timestamp q);

}  // namespace freshet
