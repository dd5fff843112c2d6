#include "featurestore/base/nearest.h"

#include <catch2/catch.hpp>
#include <vector>

namespace freshet {

TEST_CASE("a misspelt name gets the nearest valid one, an unlike one the list") {
  const std::vector<std::string> names = {"sum", "mean", "stddev", "lifetime"};
  CHECK(Suggestion("lifetmie", names) == "; did you mean lifetime?");
  CHECK(Suggestion("medan", names) == "; did you mean mean?");
  CHECK(Suggestion("zzzzzz", names) == "; one of: sum, mean, stddev, lifetime");
}

}  // namespace freshet
