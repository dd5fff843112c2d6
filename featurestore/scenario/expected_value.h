// Values as a scenario writes them, beside values as they are answered.
#pragma once

#include <string>

#include "featurestore/declare/yaml_document.h"
#include "featurestore/model/value.h"

namespace freshet {

// Why `expected` can be no value of `type`; "" where it can.
std::string ValueMistake(const YamlNode& expected, Type type);

// `expected` can be a value of `type`. Doubles agree within `tolerance` of the greater of 1 and the expected one. A list's order
// counts, a map's does not.
bool Matches(const YamlNode& expected, Type type, const Value& got, double tolerance);

// As a scenario would write it.
std::string ShownValue(Type type, const Value& value);
std::string ShownValue(const YamlNode& expected);

}  // namespace freshet
