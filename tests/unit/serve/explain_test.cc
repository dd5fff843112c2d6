#include "featurestore/serve/explain.h"

#include <catch2/catch.hpp>

#include "featurestore/serve/lookup.h"
#include "featurestore/serve/plans.h"
#include "tests/support/served_project.h"

namespace freshet {
namespace {

const Timestamp kNoon = At("2026-01-10T12:00:00Z");

// A card that paid at 11:30 and 11:50.
struct Card {
  explicit Card(const std::string& yaml = ShopProject()) : project(yaml), plans(project.catalog()) {
    for (const auto& [minute, amount] : {std::pair{-30, 5.0}, std::pair{-10, 7.0}}) {
      for (const char* view : {"card_spend", "card_last"}) {
        project.Apply(view, kNoon + Duration::Minutes(minute),
                      {{"card", Value::Text("c1")}, {"amount", Value::Double(amount)}});
      }
    }
  }

  Explanation Explain(const std::string& service, const std::string& card,
                      std::optional<Timestamp> as_of = std::nullopt) {
    std::shared_ptr<const Plan> plan;
    REQUIRE_FALSE(plans.Service(service, plan).has_value());
    const std::string* pointer = &card;
    RequestColumn column;
    column.name = "card";
    column.wire_name = "strings";
    column.form = RequestColumn::Form::kStrings;
    column.strings = {&pointer, 1};
    const int64_t us = as_of.value_or(Timestamp{}).us;
    FeatureRequest request{{&column, 1}, {}};
    if (as_of) request.as_of_us = {&us, 1};
    Explanation explanation;
    LookupOptions options;
    options.explanation = &explanation;
    Answer answer;
    REQUIRE_FALSE(Lookup(project.store(), clock).Run(*plan, request, options, answer).has_value());
    return explanation;
  }

  ServedProject project;
  Plans plans;
  ManualClock clock{kNoon};
};

TEST_CASE("a sliding window is explained by its edges, panes and the events that a count knows") {
  Card card;
  const Explanation why = card.Explain("risk", "c1");
  REQUIRE(why.features.size() == 3);
  const FeatureExplanation& spend = why.features[0];
  CHECK(spend.declared == "sum(amount), sliding 1h, hop 1m");
  REQUIRE(spend.covered);
  CHECK(spend.covered->start == At("2026-01-10T11:00:00Z"));
  CHECK(spend.covered->end == At("2026-01-10T12:01:00Z"));
  CHECK(spend.covered->panes == 2);
  CHECK(spend.covered->events == 2u);  // card_spend counts payments over the same window
  CHECK_FALSE(spend.covered->left_out_pane_of_read);
  CHECK(why.views[0].newest == At("2026-01-10T11:50:00Z"));
  CHECK(why.views[0].max_age_until == At("2026-02-09T11:50:00Z"));
  CHECK(why.views[0].found_until == At("2026-02-09T12:50:00Z"));
}

TEST_CASE("an as_of before the newest event is explained by the pane that is left out") {
  Card card;
  const Explanation why = card.Explain("risk", "c1", At("2026-01-10T11:40:30Z"));
  REQUIRE(why.features[0].covered);
  CHECK(why.features[0].covered->end == At("2026-01-10T11:40:00Z"));
  CHECK(why.features[0].covered->left_out_pane_of_read);
  CHECK(why.features[0].covered->events == 1u);
  CHECK(why.features[0].why.find("the pane of 1m that holds the read is left out") !=
        std::string::npos);
  CHECK(why.views[0].event_time == At("2026-01-10T11:30:00Z"));
}

TEST_CASE("what has no value says why") {
  Card card;
  CHECK(card.Explain("risk", "nobody").features[0].why ==
        "there is no row: no event of this entity was applied, it expired, or the key is null; the "
        "default stands beside the status");
  CHECK(card.Explain("risk", "c1", At("2026-01-10T09:00:00Z")).features[0].why ==
        "as_of is 3h before now, further back than the view's history of 2h");
  CHECK(card.Explain("risk", "c1", At("2026-01-10T11:00:00Z"))
            .features[0]
            .why.find("as of 2026-01-10T11:00:00Z nothing of the row is known yet") == 0);
  card.clock.Set(kNoon + Duration::Hours(3));
  CHECK(
      card.Explain("risk", "c1").features[2].why.find("holds no event, and there is no default") !=
      std::string::npos);
  card.clock.Set(kNoon + Duration::Days(30));
  CHECK(card.Explain("risk", "c1").features[2].why ==
        "the row's newest event, 2026-01-10T11:50:00Z, is 30d and a bit before the read, more than "
        "the ttl of 30d: no stored value is served");
  card.clock.Set(kNoon + Duration::Days(31));
  CHECK(card.Explain("risk", "c1").features[2].status == CellStatus::kNotFound);
}

TEST_CASE("an age as of the past is told by the event that was the newest then") {
  Card card(R"yaml(project: old
kafka: { brokers: embedded }
storage: { path: ./data, memory: 64MiB }
sources:
  payments:
    topic: payments
    timestamp: at
    fields: { at: timestamp, card: string, amount: double }
entities:
  card: { keys: { card: string } }
feature_views:
  card_spend:
    source: payments
    entity: card
    ttl: 5m
    history: 2h
    features: { n: { aggregate: count, windows: [5m] } }
  card_last: { source: payments, entity: card, ttl: 1h, fields: [amount] }
feature_services:
  old: [card_spend]
)yaml");
  CHECK(
      card.Explain("old", "c1", At("2026-01-10T11:40:30Z")).features[0].why ==
      "the row's newest event as of the read, 2026-01-10T11:30:00Z, is 10m 30s before "
      "the read, more than the ttl of 5m: no stored value is served; the default stands beside the "
      "status");
  card.clock.Set(At("2026-01-10T13:30:00Z"));
  CHECK(card.Explain("old", "c1").features[0].why ==
        "the row's newest event, 2026-01-10T11:50:00Z, is older than ttl and grace (5m + 1h); the "
        "default stands beside the status");
}

TEST_CASE("a lifetime is explained by its run") {
  Card card;
  const Explanation why = card.Explain("all_of_card", "c1");
  const FeatureExplanation& cents = why.features[3];
  REQUIRE(cents.covered);
  CHECK(cents.covered->kept_as == KeptAs::kRuns);
  CHECK(cents.covered->start == At("2026-01-10T11:30:00Z"));
  CHECK(cents.covered->end == At("2026-01-10T11:50:00Z"));
  CHECK_FALSE(cents.covered->events);
}

TEST_CASE("a latest value is explained by the event that set it") {
  Card card(R"yaml(project: profiles
kafka: { brokers: embedded }
storage: { path: ./data, memory: 64MiB }
sources:
  payments:
    topic: payments
    timestamp: at
    fields: { at: timestamp, card: string, amount: double, tier: string, limit: int64 }
entities:
  card: { keys: { card: string } }
feature_views:
  card_spend: { source: payments, entity: card, ttl: 1h, fields: [amount] }
  card_last: { source: payments, entity: card, ttl: 1h, fields: [amount, tier, { limit: { default: 3 } }] }
feature_services:
  last: [card_last]
)yaml");
  // An event without a field is one with a null here: ServedProject gives every field.
  Explanation why = card.Explain("last", "c1");
  CHECK(why.features[0].declared == "the latest value of amount, ttl 1h");
  CHECK(why.features[0].why == "set by the event of 2026-01-10T11:50:00Z");
  CHECK(why.features[1].status == CellStatus::kNullValue);
  CHECK(why.features[1].why ==
        "set to null by the event of 2026-01-10T11:50:00Z, and there is no default");
  CHECK(why.features[2].status == CellStatus::kPresent);
  CHECK(why.features[2].why ==
        "set to null by the event of 2026-01-10T11:50:00Z; the default is given");
  why = card.Explain("last", "c1", kNoon - Duration::Minutes(1));
  CHECK(why.features[0].why == "as_of is 1m before now, and latest values have no history");
}

}  // namespace
}  // namespace freshet
