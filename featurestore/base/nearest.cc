#include "featurestore/base/nearest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

namespace freshet {
namespace {

// Optimal string alignment distance.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), previous(b.size() + 1), current(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) previous[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      current[j] = std::min({previous[j] + 1, current[j - 1] + 1, previous[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        current[j] = std::min(current[j], before[j - 2] + 1);
      }
    }
    std::swap(before, previous);
    std::swap(previous, current);
  }
  return previous[b.size()];
}

constexpr size_t kMaxCompared = 64;  // longer names are not worth their quadratic time
constexpr size_t kMaxListed = 12;

}  // namespace

std::optional<std::string> NearestName(std::string_view wrong, std::span<const std::string> valid) {
  if (wrong.size() > kMaxCompared) return std::nullopt;
  std::optional<std::string> best;
  size_t best_distance = std::max<size_t>(wrong.size() / 3, wrong.size() > 2 ? 2 : 1) + 1;
  for (const std::string& name : valid) {
    if (name.size() > kMaxCompared) continue;
    const size_t distance = EditDistance(wrong, name);
    if (distance < best_distance && distance < std::max(wrong.size(), name.size())) {
      best_distance = distance;
      best = name;
    }
  }
  return best;
}

std::string Suggestion(std::string_view wrong, std::span<const std::string> valid) {
  if (const auto nearest = NearestName(wrong, valid)) {
    return fmt::format("; did you mean {}?", *nearest);
  }
  if (valid.empty() || valid.size() > kMaxListed) return {};
  return fmt::format("; one of: {}", fmt::join(valid, ", "));
}

}  // namespace freshet
