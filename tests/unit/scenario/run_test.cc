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

TEST_CASE("a derived feature that came out otherwise says what it was computed of") {
  std::string project = kProject;
  project += R"(    asked:
      features: ["cards:spend_1h", "cards:shops_1h"]
      request: { amount: double, label: string }
      derive: { ratio: "amount / spend_1h", twice: "ratio * 2", named: "label is null" }
)";
  ScenarioFolder folder;
  const ScenarioResult result = folder.Run(project + kEvents + R"(lookups:
  - { service: asked, keys: { card: c1 }, inputs: { amount: 50, label: null }, expect: { ratio: 2, twice: 5, named: true } }
  - { service: asked, keys: { card: c2 }, inputs: { amount: 50, label: x }, expect: { ratio: 2, twice: 1, named: false } }
)");
  REQUIRE(result.failures.size() == 3);
  CHECK(result.failures[0].what ==
        "twice of {card: c1, amount: 50, label: null} at 2026-01-05T10:30:00Z");
  CHECK(result.failures[0].got == "4");
  CHECK(result.failures[0].why == "ratio * 2: of ratio = 2");
  CHECK(result.failures[1].got == "ERROR");
  CHECK(result.failures[1].why ==
        "amount / spend_1h: of spend_1h = 0 (NOT_FOUND: its default), amount = 50 (input); the "
        "expression failed: division by zero");
  CHECK(result.failures[2].got == "NULL_VALUE");
  CHECK(result.failures[2].why == "ratio * 2: of ratio = NULL (ERROR); the expression is NULL");
}

TEST_CASE("inputs are sent in their types, and what does not fit is refused as a client's is") {
  std::string project = kProject;
  project += R"(    asked:
      features: ["cards:n_1h"]
      request: { d: double, i: int64, b: bool, s: string, t: timestamp }
      derive: { dd: "d", ii: "i", bb: "b", ss: "s", tt: "t" }
)";
  ScenarioFolder folder;
  const ScenarioResult result = folder.Run(project + kEvents + R"(lookups:
  - service: asked
    keys: { card: c1 }
    inputs: { d: 1.5, i: -7, b: true, s: "12", t: 2026-01-05T10:00:00Z }
    expect: { dd: 1.5, ii: -7, bb: true, ss: "12", tt: 2026-01-05T10:00:00Z }
  - service: asked
    keys: { card: c1 }
    inputs: { d: null, i: null, b: null, s: null, t: null }
    expect: { dd: null, ii: null, bb: null, ss: null, tt: null }
  - { service: asked, keys: { card: c1 }, inputs: { d: 1, i: 1.5, b: true, s: "", t: null }, error: WRONG_TYPE }
  - { service: asked, keys: { card: c1 }, inputs: { d: 1, i: 1, b: 1, s: "", t: null }, error: WRONG_TYPE }
  - { service: asked, keys: { card: c1 }, inputs: { d: x, i: 1, b: true, s: "", t: null }, error: WRONG_TYPE }
  - { service: asked, keys: { card: c1 }, inputs: { d: 1, i: 1, b: true, s: "", t: noon }, error: WRONG_TYPE }
  - { service: asked, keys: { card: c1 }, inputs: { d: 1 }, error: MISSING_INPUT }
  - { service: asked, keys: { card: c1 }, error: MISSING_INPUT }
  - { service: all, keys: { card: c1 }, inputs: { d: 1 }, error: UNKNOWN_INPUT }
)");
  for (const ScenarioFailure& failure : result.failures) {
    FAIL_CHECK(failure.place << " " << failure.what << ": " << failure.got << " " << failure.why);
  }
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
