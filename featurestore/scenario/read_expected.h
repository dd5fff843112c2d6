// What a lookup of a scenario expects of one feature.
#pragma once

#include "featurestore/declare/diagnostics.h"
#include "featurestore/declare/yaml_document.h"
#include "featurestore/scenario/scenario.h"

namespace freshet {

// An entry of `expect`: a value, null, or { status, value, degraded, tolerance }. Adds it to `lookup`, whose plan is there, or reports
// what is wrong with it.
void ReadExpectedCell(const YamlEntry& entry, double tolerance, Diagnostics& diagnostics,
                      ScenarioLookup& lookup);

}  // namespace freshet
