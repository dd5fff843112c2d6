// Typed trees to instructions.
#pragma once

#include "featurestore/expr/node.h"
#include "featurestore/expr/program.h"

namespace freshet::expr {

// Fills code, constants, calls, sets, register_count and result of an empty program.
void CompileInto(const Node& node, Program& program);

}  // namespace freshet::expr
