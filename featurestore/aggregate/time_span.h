// Differences of times in few stored bytes: most clocks tick in seconds or milliseconds, so a difference is
// written in the greatest of s, ms, us that divides it, as one varint: quotient × 4 + unit (0 us, 1 ms, 2 s).
#pragma once

#include <array>
#include <cstdint>

#include "featurestore/base/coding.h"
#include "featurestore/base/time.h"

namespace freshet {

// What is read is judged by it: only such times are near enough to each other for the spans between them to be written.
constexpr bool IsEventTime(Timestamp t) { return t >= kMinEventTime && t <= kMaxEventTime; }

inline constexpr std::array<int64_t, 3> kSpanUnits = {1, 1000, 1'000'000};

// Either sign, up to ±2^60 us (36,000 years).
inline void WriteTimeSpan(ByteWriter& out, Duration span) {
  const int unit = span.us % 1000 != 0 ? 0 : (span.us % 1'000'000 != 0 ? 1 : 2);
  out.Varint(ZigZag(span.us / kSpanUnits[unit]) << 2 | static_cast<uint64_t>(unit));
}
inline Duration ReadTimeSpan(ByteReader& in) {
  const uint64_t v = in.Varint();
  const uint64_t unit = v & 3;
  if (unit == 3) {
    in.MarkBad();
    return {};
  }
  int64_t us = 0;
  if (__builtin_mul_overflow(UnZigZag(v >> 2), kSpanUnits[unit], &us)) in.MarkBad();
  return {us};
}

// One that may be absent: 3, which is no unit.
inline void WriteOptionalTimeSpan(ByteWriter& out, bool any, Duration span) {
  if (any) {
    WriteTimeSpan(out, span);
  } else {
    out.Byte(3);
  }
}
inline bool ReadOptionalTimeSpan(ByteReader& in, Duration& span) {
  ByteReader ahead = in;
  if (ahead.Varint() == 3 && ahead.ok()) {
    in = ahead;
    return false;
  }
  span = ReadTimeSpan(in);
  return in.ok();
}

}  // namespace freshet
