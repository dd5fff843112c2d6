// Figures from the time zone database's own texts.
#include "featurestore/oracle/calendar.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/unit/oracle/card.h"

namespace freshet::oracle {
namespace {

Timestamp T(const char* text) { return *ParseTimestamp(text); }

void CheckBucket(CalendarUnit unit, const char* zone, const char* within, const char* start,
                 const char* end) {
  CAPTURE(zone, within);
  const Bucket bucket = BucketOf(unit, zone, T(within));
  CHECK(FormatTimestamp(bucket.start) == start);
  CHECK(FormatTimestamp(bucket.end) == end);
  // Whatever of the bucket is asked for, also after its neighbours.
  for (const Timestamp t : {bucket.start, bucket.end - Duration{1}}) {
    CHECK(BucketOf(unit, zone, t).start == bucket.start);
    CHECK(BucketOf(unit, zone, t).end == bucket.end);
  }
  CHECK(BucketOf(unit, zone, bucket.start - Duration{1}).end == bucket.start);
  CHECK(BucketOf(unit, zone, bucket.end).start == bucket.end);
}

}  // namespace

TEST_CASE("a calendar's day has 23 and 25 hours where the clocks change") {
  const auto day = CalendarUnit::kDay;
  CheckBucket(day, "Europe/Berlin", "2023-01-01T12:00:00Z", "2022-12-31T23:00:00Z",
              "2023-01-01T23:00:00Z");
  CheckBucket(day, "Europe/Berlin", "2023-03-26T12:00:00Z", "2023-03-25T23:00:00Z",
              "2023-03-26T22:00:00Z");
  CheckBucket(day, "Europe/Berlin", "2023-10-29T12:00:00Z", "2023-10-28T22:00:00Z",
              "2023-10-29T23:00:00Z");
  CheckBucket(day, "Asia/Kathmandu", "2023-01-01T12:00:00Z", "2022-12-31T18:15:00Z",
              "2023-01-01T18:15:00Z");
  CheckBucket(day, "UTC", "1969-12-31T12:00:00Z", "1969-12-31T00:00:00Z", "1970-01-01T00:00:00Z");
}

TEST_CASE("a calendar's day whose midnight was skipped begins at the hour after") {
  CheckBucket(CalendarUnit::kDay, "America/Sao_Paulo", "2017-10-15T12:00:00Z",
              "2017-10-15T03:00:00Z", "2017-10-16T02:00:00Z");
}

TEST_CASE("a calendar's week is from Monday, its month from the first") {
  CheckBucket(CalendarUnit::kWeek, "Europe/Berlin", "2023-03-26T12:00:00Z", "2023-03-19T23:00:00Z",
              "2023-03-26T22:00:00Z");
  CheckBucket(CalendarUnit::kWeek, "UTC", "1970-01-01T00:00:00Z", "1969-12-29T00:00:00Z",
              "1970-01-05T00:00:00Z");
  CheckBucket(CalendarUnit::kMonth, "America/New_York", "2024-02-29T12:00:00Z",
              "2024-02-01T05:00:00Z", "2024-03-01T05:00:00Z");
  CheckBucket(CalendarUnit::kMonth, "America/New_York", "2024-03-29T12:00:00Z",
              "2024-03-01T05:00:00Z", "2024-04-01T04:00:00Z");
}

TEST_CASE("the environment's TZ stays what it was") {
  setenv("TZ", "Asia/Tokyo", 1);
  BucketOf(CalendarUnit::kDay, "America/New_York", T("2001-01-01T12:00:00Z"));
  CHECK(std::string(std::getenv("TZ")) == "Asia/Tokyo");
  unsetenv("TZ");
  BucketOf(CalendarUnit::kDay, "America/New_York", T("2002-01-01T12:00:00Z"));
  CHECK(std::getenv("TZ") == nullptr);
}

TEST_CASE("tumbling by a calendar is the running day, completed the one before") {
  Window window{.kind = WindowKind::kTumbling,
                .length = Duration::Hours(25),
                .hop = Duration::Minutes(15),
                .calendar = CalendarUnit::kDay,
                .time_zone = "Europe/Berlin"};
  Window completed = window;
  completed.completed = true;
  Card card({{"sum", window}, {"sum", completed}});
  card.Spend(T("2023-03-25T22:59:59Z"), 1);
  card.Spend(T("2023-03-25T23:00:00Z"), 2);
  card.Spend(T("2023-03-26T21:59:59Z"), 4);
  card.Spend(T("2023-03-26T22:00:00Z"), 8);
  auto row = card.Answer(T("2023-03-26T21:59:59Z"));
  CHECK(row.cells[0].value.as_int64() == 6);
  CHECK(row.cells[1].value.as_int64() == 1);
  row = card.Answer(T("2023-03-26T22:00:00Z"));
  CHECK(row.cells[0].value.as_int64() == 8);
  CHECK(row.cells[1].value.as_int64() == 6);
}

}  // namespace freshet::oracle
