// One entry of a feature's `windows`.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/declare/diagnostics.h"
#include "featurestore/declare/yaml_document.h"
#include "featurestore/model/feature_view.h"

namespace freshet {

struct WindowEntry {
  Window window;
  std::string served;  // the feature's name with the window's, or the declared `as`
  Place place;
};

// Reads a checked entry for feature `feature` of a view with `history`. None where a mistake was reported.
std::optional<WindowEntry> ReadWindow(std::string_view feature, const YamlNode& node,
                                      Duration history, Diagnostics& diagnostics);

}  // namespace freshet
