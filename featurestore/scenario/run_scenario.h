// Runs one scenario against the real thing: log, decoder, loops, rows and store, plan and lookup. Only the log and the clock are
// its own.
#pragma once

#include <string>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/scenario/scenario.h"

namespace freshet {

// One thing that came out otherwise.
struct ScenarioFailure {
  std::string place;     // file:line:column
  std::string what;      // "spend_1h of { card: c1 } at 2026-…"
  std::string expected;  // "30"
  std::string got;       // "25"
  std::string why;  // of values: the window and what was in it; "" where there is nothing to say
};

struct ScenarioResult {
  std::vector<ScenarioFailure> failures;
  size_t checks = 0;  // things that were compared
  double seconds = 0;
  bool passed() const { return failures.empty(); }
};

struct ScenarioRunOptions {
  // Records a batch: the answers must not depend on it.
  size_t batch_records = 16384;
  // The data folder is made in here, and gone afterwards. Empty: the system's folder for temporary files.
  std::filesystem::path scratch;
};

// An error: it could not be run at all (no room for the data folder).
StatusOr<ScenarioResult> RunScenario(const Scenario& scenario,
                                     const ScenarioRunOptions& options = {});

}  // namespace freshet
