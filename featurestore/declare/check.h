// Checks a tree against the table of the language: unknown and missing keys, kinds of values, forms of scalars.
#pragma once

#include <string>

#include "featurestore/declare/diagnostics.h"
#include "featurestore/declare/language.h"
#include "featurestore/declare/yaml_document.h"

namespace freshet {

// Reports every mistake under `node`, which stands for `object`, and marks what it reported as bad, so that later
// steps can go on with the rest. `owner` is the place to name where a key is missing.
void CheckObject(YamlNode& node, const Object& object, const Place& owner,
                 Diagnostics& diagnostics);

}  // namespace freshet
