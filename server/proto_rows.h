// LAYOUT_ROWS: answers as objects, for people. The same shape as `freshet get --output json` prints.
#pragma once

#include "featurestore/serve/answer.h"
#include "featurestore/serve/plan.h"
#include "featurestore/serve/request.h"
#include "freshet/v1/serving.pb.h"

namespace freshet {

// Appends one Struct a row to `response.rows`. Must run before PutHeader takes the event times. Returns the rows that fit in
// `max_bytes`: answer.rows_filled where all do; where it is less it stopped early.
size_t PutRows(const Plan& plan, const BoundKeys& keys, const Answer& answer, bool event_times,
               size_t max_bytes, v1::GetFeaturesResponse& response);

// A value as JSON can hold it: int64 beyond 2^53 as text, timestamps RFC 3339, bytes base64, NaN and infinities as text.
void PutJsonValue(Type type, const Value& value, google::protobuf::Value& out);

}  // namespace freshet
