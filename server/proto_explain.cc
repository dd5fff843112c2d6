#include "server/proto_explain.h"

#include <utility>

#include "featurestore/serve/lookup.h"
#include "server/proto_conversion.h"
#include "server/proto_rows.h"

namespace freshet {
namespace {

void Put(const CoveredWindow& from, v1::CoveredWindow& to) {
  if (from.start) to.set_start_us(from.start->us);
  if (from.end) to.set_end_us(from.end->us);
  to.set_start_included(from.start_included);
  to.set_end_included(from.end_included);
  to.set_panes(from.panes);
  to.set_pane_us(from.hop.us);
  if (from.events) to.set_events(*from.events);
  to.set_left_out_pane_of_read(from.left_out_pane_of_read);
}

void Put(const ViewExplanation& from, v1::ViewExplanation& to) {
  to.set_view(from.name);
  to.set_row(from.row);
  to.set_request_event(from.joined);
  if (from.newest) to.set_newest_event_us(from.newest->us);
  if (from.event_time) to.set_event_time_us(from.event_time->us);
  if (from.max_age_until) to.set_max_age_until_us(from.max_age_until->us);
  if (from.found_until) to.set_found_until_us(from.found_until->us);
  if (from.watermark) to.set_watermark_us(from.watermark->us);
  if (from.complete_since) to.set_complete_since_us(from.complete_since->us);
  to.set_late_events(from.late_events);
  to.set_skipped_no_key(from.skipped_no_key);
  to.set_skipped_where(from.skipped_where);
}

}  // namespace

Outcome ExplainFeatures(Plans& plans, const Store& store, const Clock& clock,
                        const v1::GetFeaturesRequest& request, std::function<bool()> expired,
                        v1::ExplainFeaturesResponse& response) {
  std::shared_ptr<const Plan> plan;
  if (auto error = SelectPlan(plans, request, plan)) return error;
  std::vector<RequestColumn> columns;
  Explanation explanation;
  Answer answer;
  LookupOptions options;
  options.event_times = true;
  options.explanation = &explanation;
  options.max_rows = 1;
  options.max_response_bytes = plan->catalog->server.max_response_bytes;
  options.expired = std::move(expired);
  Lookup lookup(store, clock);
  if (auto error = lookup.Run(*plan, ToFeatureRequest(request, columns), options, answer))
    return error;
  if (answer.num_rows != 1) {
    return BadField("MISSING_KEY", "request.keys",
                    "one row is explained; send a value for each key");
  }
  v1::GetFeaturesResponse rows;
  if (PutRows(*plan, lookup.keys(), answer, true, options.max_response_bytes, rows) < 1)
    return ResponseTooLarge(1, 0, options.max_response_bytes);
  const auto& values = rows.rows(0).fields().at("features").struct_value().fields();
  response.set_evaluated_at_us(answer.evaluated_at.us);
  if (explanation.as_of) response.set_as_of_us(explanation.as_of->us);
  for (const FeatureExplanation& from : explanation.features) {
    v1::FeatureExplanation& to = *response.add_features();
    to.set_name(from.name);
    if (const auto value = values.find(from.name); value != values.end()) {
      *to.mutable_value() = value->second;
    }
    to.set_status(static_cast<v1::FeatureStatus>(from.status));
    to.set_degraded(from.degraded);
    to.set_declared(from.declared);
    if (from.view != kNoIndex) to.set_view(from.view);
    if (from.covered) Put(*from.covered, *to.mutable_covered());
    to.set_why(from.why);
  }
  for (const ViewExplanation& from : explanation.views) Put(from, *response.add_views());
  return std::nullopt;
}

}  // namespace freshet
