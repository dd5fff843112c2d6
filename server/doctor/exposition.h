// Prometheus' text exposition format, read back: a server's metrics at one moment.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/base/status.h"

namespace freshet {

struct MetricSample {
  std::string name;
  std::map<std::string, std::string> labels;
  double value = 0;

  // "?" where it has no such label.
  const std::string& Label(const std::string& label) const {
    static const std::string kNone = "?";
    const auto found = labels.find(label);
    return found == labels.end() ? kNone : found->second;
  }
};

class Exposition {
 public:
  using Labels = std::map<std::string, std::string>;

  // INVALID_ARGUMENT with the line's number where a line is neither a sample nor a comment. Times of samples are let go.
  static StatusOr<Exposition> Parse(std::string_view text);
  void Add(MetricSample sample) { samples_.push_back(std::move(sample)); }

  // Samples of `name` that have all of `labels`.
  std::vector<const MetricSample*> Of(std::string_view name, const Labels& labels = {}) const;
  // None: there is no such sample.
  std::optional<double> Sum(std::string_view name, const Labels& labels = {}) const;

 private:
  std::vector<MetricSample> samples_;
};

}  // namespace freshet
