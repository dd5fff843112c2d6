#include "featurestore/declare/scalar_forms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace freshet {
namespace {

constexpr size_t kMaxNameLetters = 100;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// What someone who wrote `1hour` surely meant.
std::optional<std::string> MeantDuration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 22> kMeant = {{
      {"sec", "s"},     {"secs", "s"},    {"second", "s"},
      {"seconds", "s"}, {"min", "m"},     {"mins", "m"},
      {"minute", "m"},  {"minutes", "m"}, {"hr", "h"},
      {"hrs", "h"},     {"hour", "h"},    {"hours", "h"},
      {"day", "d"},     {"days", "d"},    {"S", "s"},
      {"M", "m"},       {"H", "h"},       {"D", "d"},
      {"msec", "ms"},   {"millis", "ms"}, {"milliseconds", "ms"},
      {"MS", "ms"},
  }};
  size_t digits = 0;
  while (digits < text.size() && IsDigit(text[digits])) ++digits;
  if (digits == 0 || digits > 9) return std::nullopt;
  std::string_view unit = text.substr(digits);
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  if (unit == "w" || unit == "week" || unit == "weeks") {
    return fmt::format("{}d", std::stoll(std::string(text.substr(0, digits))) * 7);
  }
  for (const auto& [written, meant] : kMeant) {
    if (written == unit) return fmt::format("{}{}", text.substr(0, digits), meant);
  }
  if (digits < text.size() && ParseDuration(fmt::format("{}{}", text.substr(0, digits), unit))) {
    return fmt::format("{}{}", text.substr(0, digits), unit);
  }
  return std::nullopt;
}

}  // namespace

bool IsName(std::string_view text) {
  if (text.empty() || text.size() > kMaxNameLetters || text[0] < 'a' || text[0] > 'z') return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || IsDigit(c) || c == '_'; });
}

StatusOr<Duration> ReadDuration(std::string_view text, std::string_view example) {
  if (const auto duration = ParseDuration(text)) {
    if (*duration > kMaxDuration) {
      return InvalidArgument("is longer than {}", FormatDuration(kMaxDuration));
    }
    return *duration;
  }
  if (!text.empty() && text[0] == '-') {
    return InvalidArgument("is negative, which a duration cannot be; write one such as {}",
                           example);
  }
  if (!text.empty() && std::all_of(text.begin(), text.end(), IsDigit)) {
    return InvalidArgument("has no unit; write {}",
                           text == "0" ? "0s" : fmt::format("{}s, {}m or {}h", text, text, text));
  }
  return InvalidArgument("is not a duration; write {}",
                         MeantDuration(text).value_or(fmt::format("one such as {}", example)));
}

StatusOr<uint64_t> ReadSize(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, uint64_t>, 5> kUnits = {
      {{"B", 1},
       {"KiB", 1ull << 10},
       {"MiB", 1ull << 20},
       {"GiB", 1ull << 30},
       {"TiB", 1ull << 40}}};
  uint64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  if (error == std::errc()) {
    for (const auto& [name, factor] : kUnits) {
      if (name != unit) continue;
      uint64_t bytes = 0;
      if (__builtin_mul_overflow(count, factor, &bytes)) return InvalidArgument("is too large");
      return bytes;
    }
    // 512MB, 512M, 512mb: decimal or not is not ours to guess, but the binary one is surely near.
    for (const auto& [name, factor] : kUnits) {
      if (!unit.empty() && std::toupper(unit[0]) == name[0]) {
        return InvalidArgument("is not a size; write {}{}", count, name);
      }
    }
    if (unit.empty()) return InvalidArgument("has no unit; write {}MiB or {}B", count, count);
  }
  return InvalidArgument("is not a size; write one such as 512MiB");
}

std::string FormatSize(uint64_t bytes) {
  static constexpr std::array<std::string_view, 4> kUnits = {"TiB", "GiB", "MiB", "KiB"};
  for (size_t i = 0; i < kUnits.size(); ++i) {
    const uint64_t factor = 1ull << (10 * (kUnits.size() - i));
    if (bytes != 0 && bytes % factor == 0) return fmt::format("{}{}", bytes / factor, kUnits[i]);
  }
  return fmt::format("{}B", bytes);
}

StatusOr<int64_t> ReadInteger(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return InvalidArgument("is not a whole number");
  }
  return value;
}

std::optional<double> ReadReal(std::string_view text) {
  if (text.empty() || text.find_first_not_of("+-.0123456789eE") != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  if (end != copy.c_str() + copy.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::optional<double> ReadPercent(std::string_view text) {
  if (text.empty() || text.back() != '%') return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size() - 1, value);
  if (error != std::errc() || end != text.data() + text.size() - 1) return std::nullopt;
  if (!(value > 0 && value <= 100)) return std::nullopt;
  return value / 100;
}

StatusOr<HostPort> ReadHostPort(std::string_view text, int least_port) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    return InvalidArgument("is not host:port; write one such as localhost:9092");
  }
  const std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  for (const char c : host) {
    const bool fine =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '-' || c == '_';
    if (fine || (bracketed && (c == ':' || c == '[' || c == ']' || c == '%'))) continue;
    if (c == ':')
      return InvalidArgument("is not host:port; put an IPv6 address in brackets: [::1]:9092");
    return InvalidArgument("is not host:port; a host's name has no \"{}\"", c);
  }
  const auto number = ReadInteger(port);
  if (!number.ok() || port[0] == '+') {
    return InvalidArgument("is not host:port: \"{}\" is not a port", port);
  }
  if (*number < least_port || *number > 65535) {
    return InvalidArgument("has port {}; a port is {} to 65535", *number, least_port);
  }
  return HostPort{std::string(host), static_cast<int>(*number)};
}

StatusOr<std::string> ReadBrokers(std::string_view text) {
  std::string list;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    std::string_view one = text.substr(begin, end - begin);
    while (!one.empty() && one.front() == ' ') one.remove_prefix(1);
    while (!one.empty() && one.back() == ' ') one.remove_suffix(1);
    if (one.empty()) {
      return InvalidArgument("has an empty broker; write embedded, or host:port,host:port");
    }
    if (const auto address = ReadHostPort(one, 1); !address.ok()) {
      return InvalidArgument("has broker \"{}\", which {}", one, MessageOf(address.status()));
    }
    if (!list.empty()) list += ',';
    list += one;
    begin = end + 1;
  }
  return list;
}

Status CheckTopic(std::string_view text) {
  const auto fine = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
  };
  if (text.empty() || text.size() > 249 || text == "." || text == ".." ||
      !std::all_of(text.begin(), text.end(), fine)) {
    return InvalidArgument("is not a topic: 1 to 249 letters, digits, dots, _ and -");
  }
  return OkStatus();
}

StatusOr<std::vector<std::string>> ReadPath(std::string_view text) {
  static constexpr std::string_view kHeaders = "$headers.";
  if (text.substr(0, kHeaders.size()) == kHeaders) {
    const std::string_view header = text.substr(kHeaders.size());
    if (header.empty()) return InvalidArgument("names no header; write $headers.tenant");
    return std::vector<std::string>{"$headers",
                                    std::string(header)};  // a header's name may have dots
  }
  std::vector<std::string> path;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    path.emplace_back(text.substr(begin, end - begin));
    if (path.back().empty()) return InvalidArgument("is not a path; write one such as merchant.id");
    begin = end + 1;
  }
  constexpr size_t kMaxPath = 32;
  if (path.size() > kMaxPath) return InvalidArgument("is deeper than {}", kMaxPath);
  if (path[0] == "$headers") return InvalidArgument("names no header; write $headers.tenant");
  if (path[0][0] == '$' && path[0] != "$key") {
    return InvalidArgument("begins with {}; what stands beside the value is $key and $headers.NAME",
                           path[0]);
  }
  return path;
}

std::optional<std::string> ReadBase64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const size_t digit =
        std::string_view("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
            .find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>((bits >> count) & 0xFF);
    }
  }
  return bytes;
}

}  // namespace freshet
