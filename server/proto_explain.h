// ExplainFeatures: one row, looked up as GetFeatures does it, with the reasons (featurestore/serve/explain.h) beside the values.
#pragma once

#include <functional>

#include "featurestore/base/clock.h"
#include "featurestore/serve/plans.h"
#include "featurestore/store/store.h"
#include "freshet/v1/catalog.pb.h"

namespace freshet {

// What GetFeatures refuses, and INVALID_ARGUMENT / TOO_MANY_ROWS for more than one row. `expired`: LookupOptions.
Outcome ExplainFeatures(Plans& plans, const Store& store, const Clock& clock,
                        const v1::GetFeaturesRequest& request, std::function<bool()> expired,
                        v1::ExplainFeaturesResponse& response);

}  // namespace freshet
