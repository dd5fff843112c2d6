#include "server/doctor/rules.h"

#include <algorithm>

namespace freshet {
namespace {

// Fewer readings, or less time, and what was seen each time may be chance.
constexpr size_t kReadingsOfState = 5;
constexpr double kSecondsOfState = 4;

}  // namespace

double Observed::Now(std::string_view name, const Exposition::Labels& labels) const {
  return last().Sum(name, labels).value_or(0);
}

double Observed::Rise(std::string_view name, const Exposition::Labels& labels) const {
  return std::max(0.0, Now(name, labels) - readings_.front().metrics.Sum(name, labels).value_or(0));
}

bool Observed::Stayed(std::string_view name, const Exposition::Labels& labels, double limit) const {
  return readings_.size() >= kReadingsOfState && seconds() >= kSecondsOfState &&
         std::all_of(readings_.begin(), readings_.end(), [&](const Reading& reading) {
           return reading.metrics.Sum(name, labels).value_or(0) > limit;
         });
}

std::string_view SeverityName(Severity severity) {
  switch (severity) {
    case Severity::kNote:
      return "note";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
  }
  return "";
}

}  // namespace freshet
