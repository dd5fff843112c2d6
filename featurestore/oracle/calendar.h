// Days, weeks and months of a time zone.
#pragma once

#include <string>

#include "featurestore/base/time.h"
#include "featurestore/model/feature_view.h"

namespace freshet::oracle {

// Half-open [start, end).
struct Bucket {
  Timestamp start;
  Timestamp end;
};

// The bucket of local days that holds t. Asks glibc, by way of the environment's TZ (set back before it returns), for
// the local date of one quarter of an hour after another: not for a process whose other threads read the
// environment. `zone` is one that /usr/share/zoneinfo has. Offsets from UTC that are no multiple of 15 minutes
// (local mean times before standard time) move a boundary to the quarter of an hour that holds it.
Bucket BucketOf(CalendarUnit unit, const std::string& zone, Timestamp t);

}  // namespace freshet::oracle
