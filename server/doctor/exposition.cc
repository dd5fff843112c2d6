#include "server/doctor/exposition.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace freshet {
namespace {

bool IsNameLetter(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
         (letter >= '0' && letter <= '9') || letter == '_' || letter == ':';
}

// One line, read from its left.
class SampleReader {
 public:
  explicit SampleReader(std::string_view line) : left_(line) {}

  std::optional<MetricSample> Read() {
    MetricSample sample;
    sample.name = Name();
    if (sample.name.empty()) return std::nullopt;
    if (Take('{')) {
      while (!Take('}')) {
        const std::string label = Name();
        std::optional<std::string> value;
        if (label.empty() || !Take('=') || !(value = Quoted())) return std::nullopt;
        sample.labels.emplace(label, *std::move(value));
        Take(',');
      }
    }
    if (!Take(' ')) return std::nullopt;
    const std::string number(left_.substr(0, left_.find(' ')));
    char* end = nullptr;
    sample.value = std::strtod(number.c_str(), &end);
    if (number.empty() || *end != '\0') return std::nullopt;
    return sample;
  }

 private:
  bool Take(char letter) {
    if (left_.empty() || left_.front() != letter) return false;
    left_.remove_prefix(1);
    return true;
  }
  std::string Name() {
    const auto end = std::find_if_not(left_.begin(), left_.end(), IsNameLetter);
    std::string name(left_.begin(), end);
    left_.remove_prefix(name.size());
    return name;
  }
  std::optional<std::string> Quoted() {
    if (!Take('"')) return std::nullopt;
    std::string value;
    while (!left_.empty()) {
      char letter = left_.front();
      left_.remove_prefix(1);
      if (letter == '"') return value;
      if (letter == '\\' && !left_.empty()) {
        letter = left_.front() == 'n' ? '\n' : left_.front();
        left_.remove_prefix(1);
      }
      value += letter;
    }
    return std::nullopt;
  }

  std::string_view left_;
};

}  // namespace

StatusOr<Exposition> Exposition::Parse(std::string_view text) {
  Exposition exposition;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty() || line.front() == '#') continue;
    std::optional<MetricSample> sample = SampleReader(line).Read();
    if (!sample) {
      return InvalidArgument("line {} of the metrics is no sample: {}", number, line.substr(0, 80));
    }
    exposition.Add(*std::move(sample));
  }
  return exposition;
}

std::vector<const MetricSample*> Exposition::Of(std::string_view name, const Labels& labels) const {
  std::vector<const MetricSample*> found;
  for (const MetricSample& sample : samples_) {
    const bool fits =
        sample.name == name && std::all_of(labels.begin(), labels.end(), [&](const auto& wanted) {
          const auto at = sample.labels.find(wanted.first);
          return at != sample.labels.end() && at->second == wanted.second;
        });
    if (fits) found.push_back(&sample);
  }
  return found;
}

std::optional<double> Exposition::Sum(std::string_view name, const Labels& labels) const {
  const auto found = Of(name, labels);
  if (found.empty()) return std::nullopt;
  double sum = 0;
  for (const MetricSample* sample : found) sum += sample->value;
  return sum;
}

}  // namespace freshet
