// Points and lengths of time. Inside Freshet all time is int64 microseconds, UTC, since the epoch.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace freshet {

// A length of time in microseconds; may be negative.
struct Duration {
  int64_t us = 0;

  static constexpr Duration Micros(int64_t n) { return {n}; }
  static constexpr Duration Millis(int64_t n) { return {n * 1000}; }
  static constexpr Duration Seconds(int64_t n) { return {n * 1'000'000}; }
  static constexpr Duration Minutes(int64_t n) { return Seconds(n * 60); }
  static constexpr Duration Hours(int64_t n) { return Seconds(n * 3600); }
  static constexpr Duration Days(int64_t n) { return Seconds(n * 86400); }

  constexpr double seconds() const { return static_cast<double>(us) / 1e6; }
  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration other) const { return {us + other.us}; }
  constexpr Duration operator-(Duration other) const { return {us - other.us}; }
};

// A point in time: microseconds since 1970-01-01T00:00:00Z. Arithmetic saturates, so that a hostile
// timestamp near the ends of int64 cannot wrap around.
struct Timestamp {
  int64_t us = 0;

  static constexpr Timestamp Min() { return {std::numeric_limits<int64_t>::min()}; }
  static constexpr Timestamp Max() { return {std::numeric_limits<int64_t>::max()}; }

  constexpr auto operator<=>(const Timestamp&) const = default;
  constexpr Timestamp operator+(Duration d) const {
    int64_t sum = 0;
    if (__builtin_add_overflow(us, d.us, &sum)) return d.us > 0 ? Max() : Min();
    return {sum};
  }
  constexpr Timestamp operator-(Duration d) const {
    int64_t difference = 0;
    if (__builtin_sub_overflow(us, d.us, &difference)) return d.us > 0 ? Min() : Max();
    return {difference};
  }
  constexpr Duration operator-(Timestamp other) const {
    int64_t difference = 0;
    if (__builtin_sub_overflow(us, other.us, &difference)) {
      return {us > other.us ? std::numeric_limits<int64_t>::max()
                            : std::numeric_limits<int64_t>::min()};
    }
    return {difference};
  }
};

// Event times outside [0001-01-01, 9999-12-31] are refused, which leaves room for every window and ttl.
inline constexpr Timestamp kMinEventTime{-62'135'596'800'000'000};
inline constexpr Timestamp kMaxEventTime{253'402'300'799'999'999};

// The greatest multiple of `hop` plus `offset` that is ≤ t. hop > 0.
constexpr Timestamp FloorTo(Timestamp t, Duration hop, Duration offset = {}) {
  const int64_t shifted = t.us - offset.us;
  int64_t quotient = shifted / hop.us;
  if (shifted % hop.us < 0) --quotient;
  return {quotient * hop.us + offset.us};
}

// `500ms 10s 5m 1h 7d`: digits and one unit; nullopt for anything else, for zero digits and overflow.
std::optional<Duration> ParseDuration(std::string_view text);
// The shortest form that ParseDuration reads back: 90s → "90s", 1h → "1h", 86400s → "1d". Below a millisecond: "250us".
std::string FormatDuration(Duration d);

// RFC 3339: `2013-01-01T10:15:00Z`, any offset, up to nine digits of fraction (truncated to microseconds);
// a space or lower-case t and z are read too. nullopt for anything else, and beyond kMin/kMaxEventTime.
std::optional<Timestamp> ParseTimestamp(std::string_view text);
// Whether the text would be such a time, were its year not too far away: ParseTimestamp refuses it for that alone.
bool IsTimestampOutOfRange(std::string_view text);
// `2013-01-01T10:15:00Z`, with a fraction only where there is one.
std::string FormatTimestamp(Timestamp t);

}  // namespace freshet
