// One page of a server's admin address, for commands that read its metrics.
#pragma once

#include <chrono>
#include <string>

#include "featurestore/base/status.h"

namespace freshet {

// The body of GET http://`address``path`, where the answer is 200. UNAVAILABLE where nobody answers, or not within `at_most`.
StatusOr<std::string> FetchPage(const std::string& address, const std::string& path,
                                std::chrono::milliseconds at_most);

}  // namespace freshet
