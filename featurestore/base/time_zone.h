// Named time zones: what their clocks are ahead of UTC, and their calendars, where days, weeks and months begin. The rules
// come from the machine's time zone database.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/time/time.h"
#include "featurestore/base/time.h"

namespace freshet {

enum class CivilUnit : uint8_t { kDay, kWeek, kMonth };

// A cheap handle that may be copied and used by any thread.
class TimeZone {
 public:
  TimeZone() : zone_(absl::UTCTimeZone()) {}
  // By its name in the database: "Europe/Berlin", "UTC". None where there is no such zone here. Never reads outside of the
  // database, whatever the name.
  static std::optional<TimeZone> Find(std::string_view name);

  // What the zone's clocks are ahead of UTC at that instant (east is positive).
  Duration OffsetAt(Timestamp t) const {
    return Duration::Seconds(zone_.At(absl::FromUnixMicros(t.us)).offset);
  }

  // Where the day, the week (from Monday) or the month that holds t begins, and where the next one does. A day begins
  // when its midnight is first seen, or where the clocks skip midnight, when they do; so each instant is of one day only,
  // a day has 23 or 25 hours where clocks are changed, and a day that a zone leaves out is none. t within ±30,000 years.
  Timestamp Begin(CivilUnit unit, Timestamp t) const;
  Timestamp End(CivilUnit unit, Timestamp t) const;

 private:
  explicit TimeZone(absl::TimeZone zone) : zone_(zone) {}
  absl::TimeZone zone_;
};

}  // namespace freshet
