// Between protocol messages and featurestore/serve. Requests become views on the message; answers are moved into it.
#pragma once

#include <vector>

#include "featurestore/serve/answer.h"
#include "featurestore/serve/plan.h"
#include "featurestore/serve/request.h"
#include "freshet/v1/serving.pb.h"

namespace freshet {

// Views on `request`, which must outlive them. `columns` is reused.
FeatureRequest ToFeatureRequest(const v1::GetFeaturesRequest& request,
                                std::vector<RequestColumn>& columns);

// What the features need not a row of the answer: times, schema (where the client's differs), views.
void PutHeader(const Plan& plan, Answer& answer, const v1::GetFeaturesRequest& request,
               v1::GetFeaturesResponse& response);
// Columns or matrix, statuses, degraded. Takes the answer's bytes.
void PutValues(const Plan& plan, Answer& answer, bool with_names,
               v1::GetFeaturesResponse& response);

}  // namespace freshet
