// What is asked of a text before a parser sees it, so that no text makes one slow, recurse deeply or read past a statement.
#pragma once

#include <optional>
#include <string_view>

#include "featurestore/expr/expression.h"

namespace freshet::expr {

std::optional<ExpressionError> CheckText(std::string_view text);

}  // namespace freshet::expr
