// Scenario files of a test's own, and a small project to put into them.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "featurestore/scenario/run_scenario.h"
#include "featurestore/scenario/scenario.h"
#include "tests/support/temp_folder.h"

namespace freshet {

inline const std::string kProject = R"(project:
  sources:
    payments:
      topic: payments
      timestamp: at
      fields: { at: timestamp, card: string, amount: double }
  entities:
    card: { keys: { card: string } }
  feature_views:
    cards:
      source: payments
      entity: card
      features:
        spend: { aggregate: sum, of: amount, windows: [1h] }
        n: { aggregate: count, windows: [1h] }
        shops: { aggregate: max, of: amount, windows: [1h] }
  feature_services:
    all: [cards]
)";

class ScenarioFolder {
 public:
  ScenarioFile Read(const std::string& text) {
    const std::filesystem::path path = folder_.path() / "one.yaml";
    std::ofstream(path) << text;
    return ReadScenarios(path, nullptr);
  }
  // "LINE:COLUMN: text" of each mistake.
  std::vector<std::string> Mistakes(const std::string& text) {
    std::vector<std::string> mistakes;
    for (const Diagnostic& error : Read(text).errors) {
      mistakes.push_back(std::to_string(error.line) + ":" + std::to_string(error.column) + ": " +
                         error.text);
    }
    return mistakes;
  }
  ScenarioResult Run(const std::string& text, size_t batch_records = 16384) {
    const ScenarioFile file = Read(text);
    if (!file.errors.empty()) throw std::runtime_error(ToString(file.errors.front()));
    ScenarioRunOptions options;
    options.batch_records = batch_records;
    options.scratch = folder_.path();
    return RunScenario(file.scenarios.at(0), options).value();
  }

 private:
  TempFolder folder_;
};

}  // namespace freshet
