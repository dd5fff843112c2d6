#include "server/commands/progress_bar.h"

#include <catch2/catch.hpp>

namespace freshet {
namespace {

TEST_CASE("progress shows share, events, rate and the time that is left") {
  CHECK(ProgressLine(100'000, 30, 100, 2) ==
        "[#########---------------------]  30%  100,000 events  50,000/s  ETA 0:05");
  CHECK(ProgressLine(7'200'000, 1, 2, 3700) ==
        "[###############---------------]  50%  7,200,000 events  1,945/s  ETA 1:01:40");
  CHECK(ProgressLine(1, 0, 100, 0) ==
        "[------------------------------]   0%  1 events  0/s  ETA -:--");
  CHECK(ProgressLine(12, 5, 0, 1) == "12 events  12/s");
}

TEST_CASE("numbers are grouped by thousands") {
  CHECK(WithThousands(0) == "0");
  CHECK(WithThousands(999) == "999");
  CHECK(WithThousands(1000) == "1,000");
  CHECK(WithThousands(336'776) == "336,776");
}

}  // namespace
}  // namespace freshet
