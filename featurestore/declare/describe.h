// A project in words, for `freshet validate`.
#pragma once

#include <string>

#include "featurestore/declare/catalog.h"

namespace freshet {

// Each view: version, served features with types and windows, ttl, history, panes and bytes a row; then the services.
std::string DescribeProject(const Catalog& catalog);

// "sliding 1h, hop 1m", "tumbling 1d, completed", "lifetime"; also what the catalog answers.
std::string DescribeWindow(const Window& window);

// What an aggregation takes beside `of`: "q 0.5, exact to 256, then within 0.01"; empty where it takes nothing.
std::string DescribeArguments(const Feature& feature, const Source& source);

}  // namespace freshet
