#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "featurestore/scenario/report.h"
#include "tests/unit/scenario/scenario_files.h"

namespace freshet {
namespace {

const std::string kEvents = R"(now: 2026-01-05T10:30:00Z
events:
  - value: { at: 2026-01-05T10:00:00Z, card: c1, amount: 20 }
  - value: { at: 2026-01-05T10:10:00Z, card: c1, amount: 5 }
)";

TEST_CASE("what came out otherwise is told with what was expected, what came, and why") {
  ScenarioFolder folder;
  const ScenarioResult result = folder.Run(kProject + kEvents + R"(lookups:
  - { service: all, keys: { card: c1 }, expect: { spend_1h: 30, n_1h: 2 } }
)");
  REQUIRE(result.failures.size() == 1);
  const ScenarioFailure& failure = result.failures[0];
  CHECK(failure.place.find("one.yaml:24:51") != std::string::npos);
  CHECK(failure.what == "spend_1h of {card: c1} at 2026-01-05T10:30:00Z");
  CHECK(failure.expected == "30");
  CHECK(failure.got == "25");
  CHECK(failure.why ==
        "sum(amount), sliding 1h, hop 1m: sum of the events in the window "
        "[2026-01-05T09:30:00Z, 2026-01-05T10:31:00Z) (2 panes of 1m with something in them, 2 "
        "events)");
}

TEST_CASE("a status, a degraded flag, a refusal, a count, a watermark and an error can each fail") {
  ScenarioFolder folder;
  const std::string text = kProject + R"(now: 2026-01-05T10:30:00Z
steps:
  - events:
      - { value: { at: 2026-01-05T10:00:00Z, card: c1, amount: 20 }, refused: future }
      - value: { at: 2026-01-05T10:00:00Z, card: c1, amount: x }
  - lookups:
      - { service: all, keys: { card: c1 }, expect: { n_1h: { status: NOT_FOUND } } }
      - { service: all, keys: { card: c1 }, expect: { n_1h: { value: 1, degraded: true } } }
      - { service: all, keys: { card: c1 }, expect: { spend_1h: null } }
      - { service: all, keys: { card: c2 }, expect: { spend_1h: 0 } }
      - { service: all, keys: { card: c1 }, watermarks: { cards: null } }
      - { service: all, keys: { card: c1 }, event_times: { cards: 2026-01-05T10:01:00Z } }
      - { service: all, keys: { card: c1 }, error: MISSING_KEY }
      - { service: all, keys: { crad: c1 }, expect: { spend_1h: 0 } }
  - counts: { cards: { late: 1, no_key: 1, where: 1 } }
)";
  std::vector<std::string> got;
  for (const ScenarioFailure& failure : folder.Run(text).failures) got.push_back(failure.got);
  CHECK(got == std::vector<std::string>{"accepted", "refused: mistyped", "1", "1", "20",
                                        "NOT_FOUND with 0", "2026-01-05T09:50:00Z",
                                        "2026-01-05T10:00:00Z", "an answer", "UNKNOWN_KEY", "0",
                                        "0", "0"});
  CHECK(folder.Run(text, 1).failures.size() == got.size());
}

TEST_CASE("a double is compared within a tolerance") {
  ScenarioFolder folder;
  const auto passes = [&](const std::string& expected) {
    return folder
        .Run(kProject + kEvents +
             "lookups: [{ service: all, keys: { card: c1 }, expect: { spend_1h: " + expected +
             " } }]\n")
        .passed();
  };
  CHECK(passes("25"));
  CHECK(passes("25.00000000001"));
  CHECK_FALSE(passes("25.001"));
  CHECK(passes("{ value: 25.001, tolerance: 1e-3 }"));
}

TEST_CASE("a report is read by people, by JSON and by JUnit readers") {
  TestReport report;
  report.scenarios.push_back({.file = "a.yaml", .name = "good", .rules = {"r"}, .result = {}});
  report.scenarios.push_back({.file = "b.yaml", .name = "bad <&>", .rules = {}, .result = {}});
  report.scenarios[1].result.failures.push_back({"b.yaml:3:4", "n", "1", "2", "so"});
  CHECK_FALSE(report.passed());
  CHECK(AsText(report.scenarios[1]) ==
        "FAIL  bad <&> (b.yaml)\n      b.yaml:3:4: n\n        expected  1\n        got       2\n"
        "        why       so\n");
  CHECK(Summary(report).find("2 scenarios: 1 passed, 1 failed") == 0);
  const auto json = nlohmann::json::parse(AsJson(report));
  CHECK(json["scenarios"][1]["failures"][0]["got"] == "2");
  CHECK(json["scenarios"][0]["rules"][0] == "r");
  CHECK(AsJUnit(report).find("name=\"bad &lt;&amp;&gt;\"") != std::string::npos);
}

}  // namespace
}  // namespace freshet
