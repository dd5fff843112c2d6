#include "featurestore/base/time.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "featurestore/base/civil_date.h"

namespace freshet {
namespace {

struct Unit {
  std::string_view name;
  int64_t us;
};
// Longest first, which is the order in which FormatDuration tries them.
constexpr std::array<Unit, 6> kUnits = {{{"d", 86'400'000'000},
                                         {"h", 3'600'000'000},
                                         {"m", 60'000'000},
                                         {"s", 1'000'000},
                                         {"ms", 1'000},
                                         {"us", 1}}};

// Reads exactly `count` digits at `pos`.
bool Digits(std::string_view text, size_t pos, size_t count, unsigned& out) {
  if (pos + count > text.size()) return false;
  out = 0;
  for (size_t i = pos; i < pos + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    out = out * 10 + static_cast<unsigned>(text[i] - '0');
  }
  return true;
}

}  // namespace

std::optional<Duration> ParseDuration(std::string_view text) {
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || count < 0 || text.empty() || text[0] == '-') return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  for (const Unit& candidate : kUnits) {
    if (candidate.name != unit) continue;
    int64_t us = 0;
    if (__builtin_mul_overflow(count, candidate.us, &us)) return std::nullopt;
    return Duration{us};
  }
  return std::nullopt;
}

std::string FormatDuration(Duration d) {
  if (d.us == 0) return "0s";
  for (const Unit& unit : kUnits) {
    if (d.us % unit.us == 0) return fmt::format("{}{}", d.us / unit.us, unit.name);
  }
  return {};
}

std::optional<Timestamp> ParseTimestamp(std::string_view text) {
  unsigned year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (text.size() < 20 || !Digits(text, 0, 4, year) || text[4] != '-' ||
      !Digits(text, 5, 2, month) || text[7] != '-' || !Digits(text, 8, 2, day) ||
      (text[10] != 'T' && text[10] != 't' && text[10] != ' ') || !Digits(text, 11, 2, hour) ||
      text[13] != ':' || !Digits(text, 14, 2, minute) || text[16] != ':' ||
      !Digits(text, 17, 2, second)) {
    return std::nullopt;
  }
  if (year < 1 || month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, month) ||
      hour > 23 || minute > 59 || second > 60) {
    return std::nullopt;
  }
  size_t pos = 19;
  int64_t micros = 0;
  if (text[pos] == '.') {
    const size_t first = ++pos;
    int64_t scale = 100'000;
    for (; pos < text.size() && text[pos] >= '0' && text[pos] <= '9'; ++pos) {
      micros += scale * (text[pos] - '0');
      scale /= 10;
    }
    if (pos == first || pos - first > 9) return std::nullopt;
  }
  if (pos >= text.size()) return std::nullopt;
  int64_t offset_s = 0;
  if (text[pos] == 'Z' || text[pos] == 'z') {
    ++pos;
  } else if (text[pos] == '+' || text[pos] == '-') {
    unsigned offset_hours = 0, offset_minutes = 0;
    if (!Digits(text, pos + 1, 2, offset_hours) || pos + 6 > text.size() || text[pos + 3] != ':' ||
        !Digits(text, pos + 4, 2, offset_minutes) || offset_hours > 23 || offset_minutes > 59) {
      return std::nullopt;
    }
    offset_s = static_cast<int64_t>(offset_hours) * 3600 + offset_minutes * 60;
    if (text[pos] == '-') offset_s = -offset_s;
    pos += 6;
  } else {
    return std::nullopt;
  }
  if (pos != text.size()) return std::nullopt;
  const int64_t seconds =
      DaysFromCivil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset_s;
  const Timestamp t{seconds * 1'000'000 + micros};
  if (t < kMinEventTime || t > kMaxEventTime) return std::nullopt;
  return t;
}

bool IsTimestampOutOfRange(std::string_view text) {
  if (ParseTimestamp(text)) return false;
  const size_t sign = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const size_t end = std::min(text.find_first_not_of("0123456789", sign), text.size());
  if (end - sign < 4) return false;
  // Leap years repeat every 400, so a year's last four digits decide whether February 29 is a date of it. (10000 = 25 × 400)
  unsigned year = 0;
  (void)Digits(text, end - 4, 4, year);
  const bool near = sign == 0 && end == 4 && year > 1 && year < 9999;
  if (near) return false;  // then something else is wrong with it
  return ParseTimestamp(fmt::format("{}{}", IsLeap(year) ? 2000 : 2001, text.substr(end)))
      .has_value();
}

std::string FormatTimestamp(Timestamp t) {
  const Timestamp midnight = FloorTo(t, Duration::Days(1));
  const CivilDate date = CivilFromDays(midnight.us / 86'400'000'000);
  const int64_t in_day = t.us - midnight.us;
  const int64_t micros = in_day % 1'000'000;
  const int64_t seconds = in_day / 1'000'000;
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", date.year, date.month,
                                 date.day, seconds / 3600, seconds / 60 % 60, seconds % 60);
  if (micros % 1000 != 0) {
    text += fmt::format(".{:06}", micros);
  } else if (micros != 0) {
    text += fmt::format(".{:03}", micros / 1000);
  }
  return text + "Z";
}

}  // namespace freshet
