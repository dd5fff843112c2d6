// At which times a row is asked: where a mistake would show.
#pragma once

#include <vector>

#include "featurestore/model/feature_view.h"
#include "featurestore/state/row.h"

namespace freshet {

// `newest`: the row's. `latest`: no server reads at an earlier now any more. `seed` chooses among what are too many to ask all.
// All are times at which the row must answer as the log says: now is not before the row's newest event. The last ones are those
// with now ≥ latest: what may be asked of a row that compaction has removed.
std::vector<ReadTime> TimesToRead(const FeatureView& view, Timestamp newest, Timestamp latest,
                                  uint64_t seed);

// How far below the read's time a feature may count an event; none: as far as there are any.
std::optional<Duration> ReachOf(const FeatureView& view, const Feature& feature);

}  // namespace freshet
