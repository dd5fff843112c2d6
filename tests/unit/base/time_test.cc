#include "featurestore/base/time.h"

#include <catch2/catch.hpp>

namespace freshet {
namespace {

TEST_CASE("a duration is digits and one unit") {
  CHECK(ParseDuration("500ms") == Duration::Millis(500));
  CHECK(ParseDuration("10s") == Duration::Seconds(10));
  CHECK(ParseDuration("7d") == Duration::Days(7));
  for (const char* wrong : {"", "h", "1hour", "1 h", "-1h", "1.5h", "99999999999999d", "1h30m"}) {
    CHECK_FALSE(ParseDuration(wrong).has_value());
  }
}

TEST_CASE("a duration prints in the form that reads back") {
  for (const char* text : {"0s", "250us", "500ms", "90s", "1h", "1d", "36h"}) {
    CHECK(FormatDuration(*ParseDuration(text)) == text);
  }
}

TEST_CASE("RFC 3339 with fractions and offsets is read to the microsecond") {
  CHECK(ParseTimestamp("1970-01-01T00:00:00Z") == Timestamp{0});
  CHECK(ParseTimestamp("2013-01-01T10:15:00Z") == Timestamp{1'357'035'300'000'000});
  CHECK(ParseTimestamp("2013-01-01T11:15:00.5+01:00") == Timestamp{1'357'035'300'500'000});
  CHECK(ParseTimestamp("2013-01-01T10:15:00.123456789Z") == Timestamp{1'357'035'300'123'456});
  CHECK(ParseTimestamp("2012-02-29T00:00:00Z").has_value());
  for (const char* wrong : {"2013-01-01", "2013-02-29T00:00:00Z", "2013-01-01T24:00:00Z",
                            "2013-01-01T10:15:00", "2013-01-01T10:15:00Zx", "0000-01-01T00:00:00Z",
                            "2013-1-01T10:15:00Z", "2013-01-01T10:15:00.Z"}) {
    CHECK_FALSE(ParseTimestamp(wrong).has_value());
  }
}

TEST_CASE("a time that is refused for its year alone is told from text that is no time") {
  for (const char* far :
       {"0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "10000-02-29T00:00:00Z",
        "+12013-06-01T10:15:00Z", "-0044-03-15T12:00:00Z", "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-00:01", "52013000-01-01 00:00:00.5Z"}) {
    INFO(far);
    CHECK_FALSE(ParseTimestamp(far).has_value());
    CHECK(IsTimestampOutOfRange(far));
  }
  for (const char* other :
       {"", "yesterday", "2013", "2013-02-29T00:00:00Z", "2013-01-01T10:15:00Z", "-2013-01-01",
        "10001-02-29T00:00:00Z", "0000-13-01T00:00:00Z", "99999", "013-01-01T10:15:00Z"}) {
    INFO(other);
    CHECK_FALSE(IsTimestampOutOfRange(other));
  }
}

TEST_CASE("a timestamp prints in the form that reads back") {
  for (const char* text :
       {"2013-01-01T10:15:00Z", "1969-12-31T23:59:59.999999Z", "2013-01-01T10:15:00.250Z",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"}) {
    CHECK(FormatTimestamp(*ParseTimestamp(text)) == text);
  }
}

TEST_CASE("FloorTo goes toward the past, also before the epoch and with an offset") {
  CHECK(FloorTo({7}, {5}) == Timestamp{5});
  CHECK(FloorTo({5}, {5}) == Timestamp{5});
  CHECK(FloorTo({-1}, {5}) == Timestamp{-5});
  CHECK(FloorTo({7}, {5}, {3}) == Timestamp{3});
  CHECK(FloorTo({2}, {5}, {3}) == Timestamp{-2});
}

TEST_CASE("arithmetic on timestamps saturates") {
  CHECK(Timestamp::Max() + Duration::Seconds(1) == Timestamp::Max());
  CHECK(Timestamp::Min() - Duration::Seconds(1) == Timestamp::Min());
}

}  // namespace
}  // namespace freshet
