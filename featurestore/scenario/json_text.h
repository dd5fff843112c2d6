// A YAML value as the JSON that a producer would have sent.
#pragma once

#include <string>

#include "featurestore/declare/yaml_document.h"

namespace freshet {

// Unquoted numbers, true, false and null are JSON's own, digit for digit; everything else is text.
void AppendJson(const YamlNode& node, std::string& out);

}  // namespace freshet
