// Where a byte of a scalar's text stands in its file: quotes, escapes, folded lines and indentation lie between the two.
#pragma once

#include <cstddef>

#include "featurestore/declare/yaml_document.h"

namespace freshet {

// Where byte `offset` of node.text was written. Where that cannot be known (text that a variable brought, `>`), where the scalar begins.
Place PlaceInScalar(const YamlNode& node, size_t offset);

}  // namespace freshet
