#include "featurestore/base/time_zone.h"

#include <string>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace freshet {
namespace {

// Names of zones only: absl would also open files by their path, and the machine's own zone is no property of a project.
bool IsZoneName(std::string_view name) {
  if (name.empty() || name.size() > 64 || name == "localtime" || name.substr(0, 6) == "right/") {
    return false;
  }
  const auto letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  char before = '/';
  for (const char c : name) {
    const bool inside = letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '+' || c == '-';
    if (before == '/' ? !letter(c) : !inside && c != '/') return false;
    before = c;
  }
  return before != '/';
}

absl::CivilDay FirstDay(CivilUnit unit, absl::CivilDay day) {
  switch (unit) {
    case CivilUnit::kDay:
      return day;
    case CivilUnit::kWeek:
      return absl::PrevWeekday(day + 1, absl::Weekday::monday);
    case CivilUnit::kMonth:
      break;
  }
  return absl::CivilDay(absl::CivilMonth(day));
}

absl::CivilDay NextFirst(CivilUnit unit, absl::CivilDay first) {
  switch (unit) {
    case CivilUnit::kDay:
      return first + 1;
    case CivilUnit::kWeek:
      return first + 7;
    case CivilUnit::kMonth:
      break;
  }
  return absl::CivilDay(absl::CivilMonth(first) + 1);
}

// Its first 00:00, or where the clocks skip that, when they do.
Timestamp Midnight(const absl::TimeZone& zone, absl::CivilDay day) {
  return {absl::ToUnixMicros(absl::FromCivil(day, zone))};
}

// The first day of what holds t.
absl::CivilDay FirstDayAt(const absl::TimeZone& zone, CivilUnit unit, Timestamp t) {
  absl::CivilDay first = FirstDay(unit, absl::ToCivilDay(absl::FromUnixMicros(t.us), zone));
  // Where clocks go back over midnight, the date is the old one again for a while: the new day has begun all the same.
  for (absl::CivilDay next = NextFirst(unit, first); Midnight(zone, next) <= t;
       next = NextFirst(unit, first)) {
    first = next;
  }
  return first;
}

}  // namespace

std::optional<TimeZone> TimeZone::Find(std::string_view name) {
  absl::TimeZone zone;
  if (!IsZoneName(name) || !absl::LoadTimeZone(std::string(name), &zone)) return std::nullopt;
  return TimeZone(zone);
}

Timestamp TimeZone::Begin(CivilUnit unit, Timestamp t) const {
  return Midnight(zone_, FirstDayAt(zone_, unit, t));
}

Timestamp TimeZone::End(CivilUnit unit, Timestamp t) const {
  return Midnight(zone_, NextFirst(unit, FirstDayAt(zone_, unit, t)));
}

}  // namespace freshet
