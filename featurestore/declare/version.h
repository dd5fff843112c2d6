// The version of a view: a hash of all that decides what it stores, and of nothing else.
#pragma once

#include <string>

#include "featurestore/declare/catalog.h"

namespace freshet {

// The text that is hashed, one line a thing; for tests and for people who ask why a version changed.
// Features stand sorted and each once, without their names: the order in which they are declared, and what they are
// called, decide nothing that is stored. Fields of the source stand sorted by name.
std::string CanonicalText(const FeatureView& view, const Source& source, const Entity& entity,
                          ClockKind clock);

// 16 hex digits.
std::string ViewVersion(const FeatureView& view, const Source& source, const Entity& entity,
                        ClockKind clock);

}  // namespace freshet
