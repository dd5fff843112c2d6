// --set a.b=value and FRESHET_A__B=value: values that go before those of the files.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "featurestore/declare/yaml_document.h"

namespace freshet {

// One value from the command line or the environment.
struct Override {
  std::vector<std::string> path;  // storage, memory
  YamlNode value;                 // its place names where it came from, without a line
};

// The environment's first, then --set in the order given: a later one wins.
std::vector<Override> ReadOverrides(
    const std::vector<std::string>& sets,
    const std::vector<std::pair<std::string, std::string>>& environment, Diagnostics& diagnostics);

// Puts one into the tree, which makes maps on the way. In sources, entities, feature_views and feature_services the
// name must be declared already.
void ApplyOverride(YamlNode& root, const Override& override, Diagnostics& diagnostics);

}  // namespace freshet
