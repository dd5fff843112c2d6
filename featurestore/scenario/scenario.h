// A scenario: a declaration, events, lookups and expected answers, as a data engineer writes them (docs/testing.md).
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "featurestore/base/time.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/declare/diagnostics.h"
#include "featurestore/declare/yaml_document.h"
#include "featurestore/ingest/memory_log.h"
#include "featurestore/model/cell.h"
#include "featurestore/serve/plan.h"

namespace freshet {

struct ScenarioEvent {
  Place place;
  uint32_t source = 0;
  int32_t partition = 0;
  bool has_record_time = false;  // else the clock's now
  MemoryRecord record;
  std::string refused;  // the reason that is expected; "": accepted
};

// What one feature should answer.
struct ExpectedCell {
  Place place;
  uint32_t column = 0;  // of the plan
  CellStatus status = CellStatus::kPresent;
  std::optional<YamlNode> value;  // none: any
  std::optional<bool> degraded;   // none: either
  double tolerance = 0;
};

struct ExpectedTime {
  Place place;
  uint32_t view = 0;  // of the plan
  std::optional<Timestamp> time;
};

struct ScenarioLookup {
  Place place;
  std::shared_ptr<const Plan> plan;  // null: it is not there to be asked, and `error` expects that
  std::string unplanned_reason;      // then: UNKNOWN_FEATURE_SERVICE
  std::vector<std::pair<std::string, YamlNode>> keys;
  std::vector<std::pair<std::string, YamlNode>> inputs;
  std::string event_id;          // of the request's own event; "": none
  std::optional<Timestamp> now;  // for this lookup alone
  std::optional<Timestamp> as_of;
  std::vector<ExpectedCell> expect;
  std::vector<ExpectedTime> event_times;
  std::vector<ExpectedTime> watermarks;
  std::string error;  // the reason that is expected; "": none
};

// Of one view, since its last start.
struct ExpectedCounts {
  Place place;
  uint32_t view = 0;  // of the catalog
  std::optional<uint64_t> late, no_key, where;
};

struct SetNow {
  Timestamp now;
};
struct Restart {};
struct Compact {};
using ScenarioStep = std::variant<std::vector<ScenarioEvent>, std::vector<ScenarioLookup>,
                                  std::vector<ExpectedCounts>, SetNow, Restart, Compact>;

struct Scenario {
  std::string file;  // as people type it
  std::string name;
  Place place;
  std::vector<std::string> rules;  // sentences of docs/semantics.md that it checks
  std::shared_ptr<const Catalog> catalog;
  std::map<uint32_t, int32_t> partitions;  // by source that a view reads
  Timestamp start;                         // of the clock
  std::vector<ScenarioStep> steps;
};

// What a file holds. Places in it are owned by `diagnostics`.
struct ScenarioFile {
  std::shared_ptr<Diagnostics> diagnostics;
  std::vector<Scenario> scenarios;  // none where there are errors
  std::vector<Diagnostic> errors;   // sorted by line
};

// `project`: what scenarios without a declaration of their own are about; null: they need one.
ScenarioFile ReadScenarios(const std::filesystem::path& file,
                           const std::shared_ptr<const Catalog>& project);

// JSON Schema of a scenario file, from the reader's own tables.
std::string ScenarioJsonSchema();

}  // namespace freshet
