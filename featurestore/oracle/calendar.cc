#include "featurestore/oracle/calendar.h"

#include <cstdlib>
#include <ctime>
#include <map>
#include <optional>
#include <utility>

namespace freshet::oracle {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kQuarter = 15 * 60;  // of an hour, in seconds

// The environment's TZ for as long as it lives.
class InZone {
 public:
  explicit InZone(const std::string& zone) {
    if (const char* tz = std::getenv("TZ")) before_ = tz;
    setenv("TZ", (":/usr/share/zoneinfo/" + zone).c_str(), 1);
    tzset();
  }
  ~InZone() {
    if (before_) {
      setenv("TZ", before_->c_str(), 1);
    } else {
      unsetenv("TZ");
    }
    tzset();
  }
  InZone(const InZone&) = delete;

 private:
  std::optional<std::string> before_;
};

// Two times are in one bucket if these are equal.
int64_t NameOfBucket(CalendarUnit unit, int64_t seconds) {
  const time_t time = seconds;
  tm local{};
  localtime_r(&time, &local);
  if (unit == CalendarUnit::kMonth) return int64_t{local.tm_year} * 12 + local.tm_mon;
  // The local date as if it were UTC's: days since 1970-01-01, a Thursday.
  tm date{};
  date.tm_year = local.tm_year;
  date.tm_mon = local.tm_mon;
  date.tm_mday = local.tm_mday;
  const int64_t day = timegm(&date) / 86400;
  if (unit == CalendarUnit::kDay) return day;
  // "`week` (from Monday)": the Monday of its week.
  return day - (local.tm_wday + 6) % 7;
}

Bucket Walk(CalendarUnit unit, const std::string& zone, Timestamp t) {
  const InZone in_zone(zone);
  int64_t start = t.us / kSecond;
  while (start * kSecond > t.us || start % kQuarter != 0) --start;
  const int64_t name = NameOfBucket(unit, start);
  int64_t end = start + kQuarter;
  while (NameOfBucket(unit, start - kQuarter) == name) start -= kQuarter;
  while (NameOfBucket(unit, end) == name) end += kQuarter;
  return {{start * kSecond}, {end * kSecond}};
}

}  // namespace

Bucket BucketOf(CalendarUnit unit, const std::string& zone, Timestamp t) {
  // A month is 3000 quarters of an hour: each is walked once.
  static auto& walked =
      *new std::map<std::pair<CalendarUnit, std::string>, std::map<int64_t, Bucket>>();
  std::map<int64_t, Bucket>& known = walked[{unit, zone}];
  const auto after = known.upper_bound(t.us);
  if (after != known.begin()) {
    const Bucket& last = std::prev(after)->second;
    if (t < last.end) return last;
  }
  const Bucket bucket = Walk(unit, zone, t);
  known.emplace(bucket.start.us, bucket);
  return bucket;
}

}  // namespace freshet::oracle
