#include "server/estimate.h"

#include <catch2/catch.hpp>

#include "featurestore/store/rocks_options.h"
#include "tests/support/served_project.h"

namespace freshet {
namespace {

constexpr char kProject[] = R"(
project: cards
kafka: { brokers: none }
sources:
  payments:
    topic: payments
    timestamp: at
    lateness: 10m
    fields: { at: timestamp, card: string, amount: double }
entities:
  card: { keys: { card: string } }
feature_views:
  spend:
    source: payments
    entity: card
    features:
      spend: { aggregate: sum, of: amount, windows: [1h, 24h] }
feature_services:
  cards: [spend]
)";

EstimateInput Input(double keys, double rate) {
  EstimateInput input;
  input.keys = {{"card", keys}};
  input.rates = {{"payments", rate}};
  return input;
}

Estimate Of(const EstimateInput& input) {
  const ServedProject project(kProject);
  auto estimate = EstimateProject(*project.catalog(), input);
  if (!estimate.ok()) FAIL(estimate.status());
  return *std::move(estimate);
}

TEST_CASE("a row of hardly any events has one pane, one of very many all of them") {
  const ViewEstimate rare = Of(Input(1e6, 1e-3)).views.at(0);
  CHECK(rare.panes == Approx(1).margin(0.01));
  CHECK(rare.row_bytes < 30);
  const ViewEstimate busy = Of(Input(10, 1e5)).views.at(0);
  CHECK(busy.panes == Approx(static_cast<double>(busy.panes_max)));
  CHECK(busy.row_bytes > 10 * rare.row_bytes);
  CHECK(busy.row_bytes <= static_cast<double>(busy.row_bytes_max));
  CHECK(busy.disk_bytes_max > busy.disk_bytes);
}

TEST_CASE("an outage is caught up with at what is left of the source's speed, or never") {
  EstimateInput input = Input(1e5, 1e4);
  input.outage = Duration::Hours(2);
  const SourceEstimate source = Of(input).sources.at(0);
  REQUIRE(source.catch_up_seconds);
  CHECK(*source.catch_up_seconds == Approx(7200 * 1e4 / (source.rate_max - 1e4)));
  REQUIRE(source.retention);
  // The longest window to its pane's edge, what may come late, and the outage.
  CHECK(*source.retention >= Duration::Hours(26) + Duration::Minutes(10));
  CHECK(*source.retention <= Duration::Hours(28));
  const SourceEstimate never = Of(Input(1e5, 1e9)).sources.at(0);
  CHECK_FALSE(never.catch_up_seconds);
  CHECK_FALSE(never.rebuild_seconds);
}

TEST_CASE("storage.memory is what leaves the block cache that is wanted") {
  for (const double keys : {1e4, 1e6, 1e7, 1e8}) {
    const Estimate estimate = Of(Input(keys, 1e3));
    CAPTURE(keys, estimate.memory_bytes);
    const auto store = static_cast<uint64_t>(estimate.memory_bytes * 3 / 4);
    const auto cache = static_cast<double>(SplitMemory(store).block_cache);
    CHECK(cache >= estimate.block_cache_bytes * 0.999);
    CHECK(cache <= estimate.block_cache_bytes * 1.01 + (64 << 20));
  }
}

TEST_CASE("rows that ingestion's cache holds are not read") {
  CHECK(Of(Input(1e3, 1e3)).sources.at(0).row_reads == 0);
  const SourceEstimate large = Of(Input(1e8, 1e3)).sources.at(0);
  CHECK(large.row_reads > 0.5);
  CHECK(large.event_ns > assumed::kRowReadNs / 2);
}

TEST_CASE("a number that is missing, and a name that is nobody's, are refused") {
  const ServedProject project(kProject);
  const auto refused = [&](const EstimateInput& input) {
    return std::string(MessageOf(EstimateProject(*project.catalog(), input).status()));
  };
  EstimateInput input = Input(1, 1);
  input.keys = {};
  CHECK(refused(input) == "how many keys card has is not said; give --keys card=1e6");
  input = Input(1, 1);
  input.rates = {};
  CHECK(refused(input) ==
        "how many events a second payments has is not said; give --rate payments=1e6");
  input = Input(1, 1);
  input.keys["crad"] = 1;
  CHECK(refused(input) == "--keys crad=1: the project has no entity crad");
  input = Input(1, 1);
  input.rates["x"] = 1;
  CHECK(refused(input) == "--rate x=1: the project has no source x");
}

}  // namespace
}  // namespace freshet
