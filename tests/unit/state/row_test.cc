#include "featurestore/state/row.h"

#include <catch2/catch.hpp>

namespace freshet {

TEST_CASE("bytes that are no row have no newest event") {
  CHECK_FALSE(PeekNewest(""));
  CHECK_FALSE(PeekNewest("\x01\x02\x03"));
}

}  // namespace freshet
