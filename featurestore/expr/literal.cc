#include "featurestore/expr/literal.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace freshet::expr {
namespace {

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsSpace(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsSpace(text.back())) text.remove_suffix(1);
  return text;
}

// from_chars knows no plus sign.
std::string_view DropPlus(std::string_view text) {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-' && text[1] != '+') text.remove_prefix(1);
  return text;
}

struct Unit {
  std::string_view name;
  double us;
};
constexpr std::array<Unit, 22> kUnits = {{
    {"microsecond", 1},    {"microseconds", 1}, {"us", 1},        {"millisecond", 1e3},
    {"milliseconds", 1e3}, {"ms", 1e3},         {"second", 1e6},  {"seconds", 1e6},
    {"sec", 1e6},          {"s", 1e6},          {"minute", 6e7},  {"minutes", 6e7},
    {"min", 6e7},          {"hour", 3.6e9},     {"hours", 3.6e9}, {"h", 3.6e9},
    {"day", 8.64e10},      {"days", 8.64e10},   {"d", 8.64e10},   {"week", 6.048e11},
    {"weeks", 6.048e11},   {"w", 6.048e11},
}};

}  // namespace

std::optional<bool> ParseBool(std::string_view text) {
  text = Trim(text);
  std::string word(text.substr(0, 6));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
  if (word.empty()) return std::nullopt;
  const auto begins = [&](std::string_view whole) { return whole.starts_with(word); };
  if (word == "o") return std::nullopt;  // on, off
  if (begins("true") || begins("yes") || word == "on" || word == "1") return true;
  if (begins("false") || begins("no") || begins("off") || word == "0") return false;
  return std::nullopt;
}

std::optional<int64_t> ParseInt64(std::string_view text) {
  text = DropPlus(Trim(text));
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> ParseDouble(std::string_view text) {
  text = DropPlus(Trim(text));
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<Timestamp> ParseTime(std::string_view text) {
  text = Trim(text);
  constexpr size_t kDate = 10;     // 2013-01-01
  constexpr size_t kMinutes = 16;  // 2013-01-01 10:15
  if (text.size() < kDate || text.size() > 64) return std::nullopt;
  std::string whole(text);
  if (whole.size() == kDate) {
    whole += "T00:00:00Z";
    return ParseTimestamp(whole);
  }
  // An offset begins behind the minutes at the earliest, with a sign that a date's dashes cannot be taken for.
  size_t zone = whole.find_first_of("+-Zz", std::min(kMinutes, whole.size()));
  if (zone == std::string::npos) zone = whole.size();
  std::string offset = whole.substr(zone);
  whole.resize(zone);
  while (!whole.empty() && whole.back() == ' ') whole.pop_back();
  if (whole.size() == kMinutes) whole += ":00";
  if (offset.empty()) offset = "Z";
  if (offset.size() == 3 && offset[0] != 'Z') offset += ":00";          // +02
  if (offset.size() == 5 && IsDigit(offset[3])) offset.insert(3, ":");  // +0200
  return ParseTimestamp(whole + offset);
}

std::optional<Duration> ParseInterval(std::string_view text, std::string& problem) {
  constexpr const char* kForm =
      "an interval is written as numbers with units, like '1 hour 30 minutes'";
  text = Trim(text);
  double total = 0;
  bool any = false;
  while (!text.empty()) {
    const size_t digits = text.find_first_not_of("+-.0123456789");
    const auto number = ParseDouble(text.substr(0, digits));
    if (!number || digits == std::string_view::npos) {
      problem = kForm;
      return std::nullopt;
    }
    text = Trim(text.substr(digits));
    const size_t letters =
        text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
    std::string word(text.substr(0, letters));
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return static_cast<char>(c | 0x20); });
    const auto unit =
        std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return u.name == word; });
    if (unit == kUnits.end()) {
      const bool calendar = word.starts_with("mon") || word.starts_with("year");
      problem = word.empty() ? kForm
                : calendar   ? fmt::format("a {} has no fixed length: write days", word)
                             : fmt::format(
                                   "\"{}\" is no unit of time: write microseconds, milliseconds, "
                                     "seconds, minutes, hours, "
                                     "days or weeks",
                                   word);
      return std::nullopt;
    }
    total += *number * unit->us;
    any = true;
    text = letters == std::string_view::npos ? std::string_view() : Trim(text.substr(letters));
  }
  if (!any || std::fabs(total) > 3.2e17) {  // 10,000 years
    problem = any ? "the interval is longer than 10,000 years" : "the interval is empty";
    return std::nullopt;
  }
  return Duration{static_cast<int64_t>(std::round(total))};
}

std::string_view FormatDouble(double value, char (&buffer)[40]) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  // Shortest digits as d.ddde±xx, then laid out.
  char scientific[32];
  const auto end = std::to_chars(scientific, scientific + sizeof scientific, value,
                                 std::chars_format::scientific)
                       .ptr;
  const std::string_view text(scientific, static_cast<size_t>(end - scientific));
  const size_t e = text.find('e');
  int exponent = 0;
  const size_t sign = text[e + 1] == '+' ? 1 : 0;
  std::from_chars(text.data() + e + 1 + sign, text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 15) {
    std::memcpy(buffer, text.data(), text.size());
    return {buffer, text.size()};
  }
  const auto fixed =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  return {buffer, static_cast<size_t>(fixed - buffer)};
}

}  // namespace freshet::expr
