#include "featurestore/base/time_zone.h"

#include <catch2/catch.hpp>

#include "featurestore/base/civil_date.h"

namespace freshet {
namespace {

TEST_CASE("a zone says what its clocks are ahead of UTC, through its changes") {
  const auto berlin = TimeZone::Load("Europe/Berlin");
  REQUIRE(berlin.has_value());
  const auto at = [](std::string_view text) { return ParseTimestamp(text).value(); };
  CHECK(berlin->OffsetAt(at("2013-03-31T00:59:59Z")) == Duration::Hours(1));
  CHECK(berlin->OffsetAt(at("2013-03-31T01:00:00Z")) == Duration::Hours(2));
  CHECK(berlin->OffsetAt(at("2013-10-27T01:00:00Z")) == Duration::Hours(1));
  CHECK(TimeZone::Load("Asia/Kolkata")->OffsetAt(at("2013-01-01T00:00:00Z")) ==
        Duration::Minutes(330));
  CHECK(TimeZone::Load("UTC")->OffsetAt(kMaxEventTime) == Duration{});
}

TEST_CASE("what the tz database does not name is no zone, and no file outside of it is read") {
  for (const char* name : {"", "Mars/Base", "localtime", "/etc/localtime", "../../../etc/passwd",
                           "file:/etc/passwd", "Europe/../UTC", "Europe/Berlin "}) {
    INFO(name);
    CHECK_FALSE(TimeZone::Load(name).has_value());
  }
}

TEST_CASE("every day of 8,000 years is one date, and its date is that day") {
  for (int64_t day = DaysFromCivil(1, 1, 1); day < DaysFromCivil(8001, 1, 1); ++day) {
    const CivilDate date = CivilFromDays(day);
    if (DaysFromCivil(date.year, date.month, date.day) != day || date.day < 1 ||
        date.day > DaysInMonth(date.year, date.month)) {
      FAIL(day);
    }
  }
}

}  // namespace
}  // namespace freshet
