// The language of scenario files as tables, like declare/language.h, whose checks and JSON Schema they share.
#pragma once

#include "featurestore/declare/language.h"

namespace freshet {

// The whole file; also each of `scenarios`.
const Object& ScenarioRoot();

}  // namespace freshet
