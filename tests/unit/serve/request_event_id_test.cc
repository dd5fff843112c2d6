// BAD_EVENT_ID: what is said of an event_id that could do nothing. What a good one does: tests/scenarios/request_event_id.yaml.
#include <catch2/catch.hpp>

#include "featurestore/serve/plans.h"
#include "featurestore/serve/request.h"
#include "tests/support/request_columns.h"
#include "tests/support/served_project.h"

namespace freshet {
namespace {

// What BindEventId says, of a source that knows its events by `dedup`.
std::string Refusal(const std::string& dedup, const std::string& service,
                    const std::string& event_id) {
  ServedProject project(R"yaml(
project: bank
kafka: { brokers: embedded }
storage: { path: ./data, memory: 64MiB }
sources:
  payments:
    topic: payments
    timestamp: at
)yaml" + dedup + R"yaml(
    fields: { at: timestamp, card: string, id: string, shop: string, live: bool, sent: timestamp }
    derive: { whole: "id || shop" }
entities:
  card: { keys: { card: string } }
feature_views:
  cards: { source: payments, entity: card, features: { n: { aggregate: count, windows: [1h] } } }
feature_services:
  plain: [cards]
  counted: { features: [cards], count_request: payments }
  given: { features: [cards], request: { id: string, shop: string }, count_request: payments }
)yaml");
  Plans plans(project.catalog());
  std::shared_ptr<const Plan> plan;
  REQUIRE_FALSE(plans.Service(service, plan));
  Columns keys;
  keys.Text("card", {"c1"});
  Columns inputs;
  if (service == "given") inputs.Text("id", {"x"}).Text("shop", {"x"});
  FeatureRequest request{keys.get(), {}, inputs.get(), event_id};
  BoundKeys bound;
  const Outcome error = BindKeys(*plan, request, 10, bound);
  if (!error) {
    CHECK_FALSE(bound.event_id.is_null());
    return "";
  }
  CHECK(error->reason == "BAD_EVENT_ID");
  CHECK(error->code == absl::StatusCode::kInvalidArgument);
  CHECK(error->violations.at(0).field == "event_id");
  return error->message;
}

constexpr const char* kById = "    dedup: { by: [id], within: 1h }";

TEST_CASE("an event_id is the value of the one field that dedup goes by") {
  CHECK(Refusal(kById, "counted", "x").empty());
  CHECK(
      Refusal("    dedup: { by: [sent], within: 1h }", "counted", "2026-01-10T12:00:00Z").empty());
  CHECK(Refusal("    dedup: { by: [live], within: 1h }", "counted", "true").empty());
  CHECK(Refusal("    dedup: { by: [sent], within: 1h }", "counted", "noon") ==
        "event_id: \"noon\" is no timestamp, which field sent of source payments is");
  CHECK(Refusal("    dedup: { by: [live], within: 1h }", "counted", "1") ==
        "event_id: \"1\" is no bool, which field live of source payments is");
}

TEST_CASE("an event_id that could do nothing is refused with its remedy") {
  CHECK(Refusal(kById, "plain", "x") ==
        "event_id: feature service plain counts no event of the request; ask a service that says "
        "count_request, or leave event_id out");
  CHECK(Refusal("", "counted", "x") ==
        "event_id: source payments has no dedup, so that no event is known by its id; declare "
        "dedup: { by: [FIELD], within: 1h }, or leave event_id out");
  CHECK(Refusal(kById, "given", "x") ==
        "event_id: source payments knows events by id, which the keys and inputs of the request "
        "give already; send it there, or leave event_id out");
  CHECK(Refusal("    dedup: { by: [id, shop], within: 1h }", "counted", "x") ==
        "event_id: source payments knows events by id, shop, which are several fields; take them "
        "as inputs of the service, or leave event_id out");
  CHECK(Refusal("    dedup: { by: [whole], within: 1h }", "counted", "x") ==
        "event_id: source payments knows events by whole, which it derives; take what it is "
        "derived of as inputs of the service, or leave event_id out");
}

}  // namespace

}  // namespace freshet
