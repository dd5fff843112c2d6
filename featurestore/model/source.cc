#include "featurestore/model/source.h"

#include <array>
#include <cmath>
#include <utility>

namespace freshet {
namespace {

constexpr std::array<std::pair<TimeUnit, std::string_view>, 4> kUnitNames = {{
    {TimeUnit::kSeconds, "s"},
    {TimeUnit::kMillis, "ms"},
    {TimeUnit::kMicros, "us"},
    {TimeUnit::kNanos, "ns"},
}};

std::optional<Timestamp> InRange(Timestamp t) {
  if (t < kMinEventTime || t > kMaxEventTime) return std::nullopt;
  return t;
}

}  // namespace

std::string_view TimeUnitName(TimeUnit unit) {
  return kUnitNames[static_cast<size_t>(unit)].second;
}

std::optional<TimeUnit> TimeUnitFromName(std::string_view name) {
  for (const auto& [unit, candidate] : kUnitNames) {
    if (candidate == name) return unit;
  }
  return std::nullopt;
}

std::optional<Timestamp> TimeFromNumber(int64_t number, TimeUnit unit) {
  int64_t us = 0;
  switch (unit) {
    case TimeUnit::kSeconds:
      if (__builtin_mul_overflow(number, int64_t{1'000'000}, &us)) return std::nullopt;
      break;
    case TimeUnit::kMillis:
      if (__builtin_mul_overflow(number, int64_t{1'000}, &us)) return std::nullopt;
      break;
    case TimeUnit::kMicros:
      us = number;
      break;
    case TimeUnit::kNanos:
      us = number / 1000 - (number % 1000 < 0 ? 1 : 0);
      break;
  }
  return InRange({us});
}

std::optional<Timestamp> TimeFromNumber(double number, TimeUnit unit) {
  constexpr std::array<double, 4> kMicrosPerUnit = {1e6, 1e3, 1, 1e-3};
  const double us = std::floor(number * kMicrosPerUnit[static_cast<size_t>(unit)]);
  if (!(us >= static_cast<double>(kMinEventTime.us) &&
        us <= static_cast<double>(kMaxEventTime.us))) {
    return std::nullopt;
  }
  return InRange({static_cast<int64_t>(us)});
}

std::optional<uint32_t> Source::FieldIndex(std::string_view field) const {
  for (uint32_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == field) return i;
  }
  return std::nullopt;
}

}  // namespace freshet
