// What aggregations take beside `of`, as a declaration says it.
#pragma once

#include <string>

#include "tests/property/random.h"

namespace freshet::property {

// Of an aggregation, or a form of it such as "count by": ", q: 0.5", or nothing. A random choice where `random` is given.
std::string ArgumentsOf(const std::string& aggregate, Random* random);

}  // namespace freshet::property
