// Between protocol messages and featurestore/serve. Requests become views on the message; answers are moved into it.
#pragma once

#include <memory>
#include <vector>

#include "featurestore/serve/answer.h"
#include "featurestore/serve/plans.h"
#include "featurestore/serve/request.h"
#include "freshet/v1/serving.pb.h"

namespace freshet {

// What the request asks for. Refuses what this server does not know (NOT_SUPPORTED), and as Plans does.
Outcome SelectPlan(Plans& plans, const v1::GetFeaturesRequest& request,
                   std::shared_ptr<const Plan>& plan);
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
