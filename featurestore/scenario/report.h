// What came of a run of scenarios, for people and for programs.
#pragma once

#include <string>
#include <vector>

#include "featurestore/scenario/run_scenario.h"

namespace freshet {

struct ScenarioReport {
  std::string file;
  std::string name;
  std::vector<std::string> rules;  // that it quotes
  ScenarioResult result;
  std::string error;  // it could not be run; "": it was
  bool passed() const { return error.empty() && result.passed(); }
};

struct TestReport {
  std::vector<ScenarioReport> scenarios;
  std::vector<Diagnostic> mistakes;  // in files, whose scenarios were not run
  double seconds = 0;
  bool passed() const;
};

// A line for one that passed; a failed one has a block for each thing that came out otherwise.
std::string AsText(const ScenarioReport& scenario);
// The last line.
std::string Summary(const TestReport& report);
std::string AsJson(const TestReport& report);
std::string AsJUnit(const TestReport& report);

}  // namespace freshet
