// `default:` of a feature or field, read as a value of its type. Lists and maps take the empty one, [] and {}; vectors none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "featurestore/declare/yaml_document.h"
#include "featurestore/model/feature_view.h"

namespace freshet {

// None where it is not a value of that type.
std::optional<DefaultValue> ReadDefault(const YamlNode& node, Type type);

// For messages: what would do, and what was written.
std::string_view ExampleOf(Type type);
std::string ShownDefault(const YamlNode& node);

}  // namespace freshet
