#include "featurestore/base/time_zone.h"

#include <catch2/catch.hpp>

#include "featurestore/base/civil_date.h"

namespace freshet {
namespace {

Timestamp T(const char* text) { return ParseTimestamp(text).value(); }
const TimeZone kBerlin = TimeZone::Find("Europe/Berlin").value();

}  // namespace

TEST_CASE("a zone says what its clocks are ahead of UTC, through its changes") {
  const auto berlin = TimeZone::Find("Europe/Berlin");
  REQUIRE(berlin.has_value());
  const auto at = [](std::string_view text) { return ParseTimestamp(text).value(); };
  CHECK(berlin->OffsetAt(at("2013-03-31T00:59:59Z")) == Duration::Hours(1));
  CHECK(berlin->OffsetAt(at("2013-03-31T01:00:00Z")) == Duration::Hours(2));
  CHECK(berlin->OffsetAt(at("2013-10-27T01:00:00Z")) == Duration::Hours(1));
  CHECK(TimeZone::Find("Asia/Kolkata")->OffsetAt(at("2013-01-01T00:00:00Z")) ==
        Duration::Minutes(330));
  CHECK(TimeZone::Find("UTC")->OffsetAt(kMaxEventTime) == Duration{});
}

TEST_CASE("a day has 23 hours when clocks go forward and 25 when they go back") {
  const Timestamp spring = kBerlin.Begin(CivilUnit::kDay, T("2024-03-31T10:00:00Z"));
  CHECK(spring == T("2024-03-30T23:00:00Z"));
  CHECK(kBerlin.End(CivilUnit::kDay, spring) - spring == Duration::Hours(23));
  const Timestamp autumn = kBerlin.Begin(CivilUnit::kDay, T("2024-10-27T10:00:00Z"));
  CHECK(autumn == T("2024-10-26T22:00:00Z"));
  CHECK(kBerlin.End(CivilUnit::kDay, autumn) - autumn == Duration::Hours(25));
}

TEST_CASE("an instant at midnight is of the day that begins") {
  const Timestamp midnight = T("2024-07-01T22:00:00Z");
  CHECK(kBerlin.Begin(CivilUnit::kDay, midnight) == midnight);
  CHECK(kBerlin.Begin(CivilUnit::kDay, midnight - Duration{1}) == T("2024-06-30T22:00:00Z"));
}

TEST_CASE("a week begins on Monday and a month on its first") {
  // A Sunday, the evening before a Monday in Berlin.
  CHECK(kBerlin.Begin(CivilUnit::kWeek, T("2024-05-05T21:59:59Z")) == T("2024-04-28T22:00:00Z"));
  CHECK(kBerlin.Begin(CivilUnit::kWeek, T("2024-05-05T22:00:00Z")) == T("2024-05-05T22:00:00Z"));
  CHECK(kBerlin.End(CivilUnit::kWeek, T("2024-05-05T22:00:00Z")) == T("2024-05-12T22:00:00Z"));
  CHECK(kBerlin.Begin(CivilUnit::kMonth, T("2024-02-29T23:00:00Z")) == T("2024-02-29T23:00:00Z"));
  CHECK(kBerlin.Begin(CivilUnit::kMonth, T("2024-02-29T22:59:59Z")) == T("2024-01-31T23:00:00Z"));
  CHECK(kBerlin.End(CivilUnit::kMonth, T("2023-12-15T00:00:00Z")) == T("2023-12-31T23:00:00Z"));
}

TEST_CASE("where the clocks skip midnight, the day begins when they do") {
  const TimeZone sao_paulo = TimeZone::Find("America/Sao_Paulo").value();
  // 2018-11-04 00:00 became 01:00.
  CHECK(sao_paulo.Begin(CivilUnit::kDay, T("2018-11-04T12:00:00Z")) == T("2018-11-04T03:00:00Z"));
}

TEST_CASE("where clocks go back over midnight, the day that has begun stays begun") {
  // Until 2011 St. John's went from 00:01 back to 23:01 of the day before.
  const TimeZone st_johns = TimeZone::Find("America/St_Johns").value();
  const Timestamp begun = T("2010-11-07T02:30:00Z");
  CHECK(st_johns.Begin(CivilUnit::kDay, begun) == begun);
  CHECK(st_johns.Begin(CivilUnit::kDay, begun + Duration::Minutes(20)) == begun);
  CHECK(st_johns.Begin(CivilUnit::kDay, begun - Duration{1}) == T("2010-11-06T02:30:00Z"));
  CHECK(st_johns.Begin(CivilUnit::kDay, begun + Duration::Hours(24)) == begun);
}

TEST_CASE("days, weeks and months stand side by side, whatever the zone") {
  for (const char* name : {"UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu",
                           "Antarctica/Troll", "Pacific/Apia", "Australia/Lord_Howe"}) {
    const TimeZone zone = TimeZone::Find(name).value();
    for (const CivilUnit unit : {CivilUnit::kDay, CivilUnit::kWeek, CivilUnit::kMonth}) {
      INFO(name << " unit " << static_cast<int>(unit));
      Timestamp t = T("2009-01-01T00:00:00Z");
      while (t < T("2013-01-01T00:00:00Z")) {
        const Timestamp next = zone.End(unit, t);
        REQUIRE(next > t);
        REQUIRE(zone.Begin(unit, next) == next);
        REQUIRE(zone.End(unit, next - Duration{1}) == next);
        REQUIRE(zone.Begin(unit, next - Duration{1}) == zone.Begin(unit, t));
        t = next;
      }
    }
  }
}

TEST_CASE("only names of the database are time zones") {
  for (const char* name :
       {"", "berlin", "Mars/Base", "/etc/localtime", "file:/etc/passwd", "Europe/Berlin ",
        "Europe/Nowhere", "/etc/passwd", "../../etc/passwd", "Europe/../UTC", "localtime",
        "libc:UTC", ":Europe/Berlin", "Europe/", "right/UTC", "UTC "}) {
    INFO(name);
    CHECK_FALSE(TimeZone::Find(name).has_value());
  }
  CHECK(TimeZone::Find("UTC").has_value());
  CHECK(TimeZone::Find("America/Argentina/Buenos_Aires").has_value());
  CHECK(TimeZone::Find("Etc/GMT+5").has_value());
}

TEST_CASE("times far beyond every event have a calendar too") {
  for (const int64_t years : {-12'000, 12'000}) {
    const Timestamp t{years * 365 * 86'400'000'000};
    const Timestamp begin = kBerlin.Begin(CivilUnit::kMonth, t);
    CHECK(begin <= t);
    CHECK(t - begin < Duration::Days(32));
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

}  // namespace freshet
