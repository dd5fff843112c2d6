// Named time zones of the system's tz database.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/time/time.h"
#include "featurestore/base/time.h"

namespace freshet {

// Cheap to copy; thread-safe.
class TimeZone {
 public:
  // `Europe/Berlin`, `UTC`; nullopt where the database has no such name. Never reads outside of the database, whatever
  // the name.
  static std::optional<TimeZone> Load(std::string_view name);

  // What the zone's clocks are ahead of UTC at that instant (east is positive).
  Duration OffsetAt(Timestamp t) const {
    return Duration::Seconds(zone_.At(absl::FromUnixMicros(t.us)).offset);
  }

 private:
  explicit TimeZone(absl::TimeZone zone) : zone_(zone) {}
  absl::TimeZone zone_;
};

}  // namespace freshet
