#include "featurestore/base/time_zone.h"

#include <algorithm>
#include <cctype>

namespace freshet {
namespace {

// abseil also takes paths, and "localtime", which is another zone on every machine.
bool IsDatabaseName(std::string_view name) {
  if (name.empty() || name.size() > 64 || name == "localtime" || name[0] == '/') return false;
  if (name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '/' || c == '_' || c == '-' ||
           c == '+';
  });
}

}  // namespace

std::optional<TimeZone> TimeZone::Load(std::string_view name) {
  absl::TimeZone zone;
  if (!IsDatabaseName(name) ||
      !absl::LoadTimeZone(absl::string_view(name.data(), name.size()), &zone)) {
    return std::nullopt;
  }
  return TimeZone(zone);
}

}  // namespace freshet
