#include <catch2/catch.hpp>

#include "tests/unit/scenario/scenario_files.h"

namespace freshet {
namespace {

using Texts = std::vector<std::string>;

TEST_CASE("mistakes of a scenario are told at their line and column, all at once") {
  ScenarioFolder folder;
  CHECK(folder.Mistakes(kProject + R"(now: 2026-01-05T10:00:00Z
events:
  - { source: paiments, value: { at: 2026-01-05T10:00:00Z } }
  - { valeu: { at: 2026-01-05T10:00:00Z } }
  - { value: {}, raw: x }
  - { value: {}, refused: wrong }
lookups:
  - { service: al, keys: { card: c1 }, expect: { spend_1h: 1 } }
  - { service: all, keys: { card: c1 }, expect: { spent_1h: 1, n_1h: 1.5, spend_1h: { status: MISSING } } }
  - { service: all, keys: { card: c1 } }
  - { service: all, keys: { card: c1 }, as_of: yesterday, expect: { n_1h: 1 } }
)") == Texts{"21:15: there is no source \"paiments\"; did you mean payments?",
             "22:7: unknown key valeu; did you mean value?",
             "23:5: an event has a value (JSON) or raw (any text), one of the two",
             "24:27: unknown refused \"wrong\"; one of: malformed, mistyped, incomplete, future, "
             "no_key",
             "26:16: there is no feature service \"al\" in project scenario; did you mean all?",
             "27:51: the lookup answers no feature spent_1h; did you mean spend_1h?",
             "27:70: n_1h: \"1.5\" is no int64; write a whole number",
             "27:95: unknown status \"MISSING\"; one of: PRESENT, NULL_VALUE, NOT_FOUND, "
             "OUTSIDE_MAX_AGE, OUTSIDE_HISTORY, ERROR",
             "28:5: the lookup expects nothing; give expect: or error:",
             "29:48: as_of is \"yesterday\"; write a time such as 2026-01-01T10:15:00Z"});
}

TEST_CASE("a mistake of the declaration inside a scenario is told at its place in the scenario") {
  ScenarioFolder folder;
  std::string text = kProject;
  text.replace(text.find("aggregate: max"), 14, "aggregate: mxa");
  CHECK(folder.Mistakes(text + "lookups: []\n") ==
        Texts{"16:29: unknown aggregation mxa; did you mean max?"});
}

TEST_CASE("a scenario with the wall clock says what time it is") {
  ScenarioFolder folder;
  const std::string lookups =
      "lookups:\n  - { service: all, keys: { card: c1 }, expect: { n_1h: { status: NOT_FOUND } } "
      "}\n";
  CHECK(folder.Mistakes(kProject + lookups) ==
        Texts{"20:3: with clock: wall a scenario says what time it is; give now: before events and "
              "lookups"});
  CHECK(folder.Mistakes(kProject + "now: 2026-01-05T10:00:00Z\n" + lookups).empty());
}

TEST_CASE("a scenario without a project, or that asks nothing, is refused") {
  ScenarioFolder folder;
  CHECK(folder.Mistakes("lookups: []\n").at(0).find("1:1: there is no project: give `project:`") ==
        0);
  CHECK(folder.Mistakes(kProject + "now: 2026-01-05T10:00:00Z\n") ==
        Texts{"1:1: the scenario asks nothing; give lookups: or counts:"});
}

TEST_CASE("hostile scenario files are errors, never crashes") {
  ScenarioFolder folder;
  for (const char* text :
       {"", "[]", "x", "\xff", "scenario: {", "events: 1", "project: 3\nlookups: 3",
        "steps: [[[1]]]", "scenarios: [1, {}]", "a: &x 1\nb: *x"}) {
    INFO(text);
    CHECK(!folder.Read(text).errors.empty());
  }
  std::string deep = "events: ";
  for (int i = 0; i < 5000; ++i) deep += "[";
  CHECK(!folder.Read(deep).errors.empty());
}

TEST_CASE("the schema of scenario files names every key") {
  const std::string schema = ScenarioJsonSchema();
  for (const char* key : {"\"record_time\"", "\"watermarks\"", "\"counts\"", "\"refused\""}) {
    CHECK(schema.find(key) != std::string::npos);
  }
}

}  // namespace
}  // namespace freshet
