// The body of POST /push as events: one JSON object, an array of them, or one after the other (NDJSON). Nothing is checked but where
// each ends: what is no object comes out as it is, for the source's decoder to refuse by its index.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace freshet {

// Views into `body`.
std::vector<std::string_view> SplitEvents(std::string_view body);

}  // namespace freshet
