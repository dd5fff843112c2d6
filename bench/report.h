// What every benchmark prints (docs/architecture.md, Benchmarks): one JSON object a line on standard output, then a table on
// standard error. Freshet and its baseline run in turn, A B A B; the ratio is the median of the pairs' ratios, so that what the machine
// does to both cancels out.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace freshet::bench {

inline double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

// One case: pairs of measurements of the same thing. Fields that only one side has (WAL bytes, latencies) go to `more`.
struct Case {
  std::string bench;
  std::string name;
  std::string what;
  std::string unit;
  std::vector<double> freshet;
  std::vector<double> baseline;
  std::vector<std::pair<std::string, double>> more;

  std::vector<double> Ratios() const {
    std::vector<double> ratios;
    for (size_t i = 0; i < std::min(freshet.size(), baseline.size()); ++i) {
      ratios.push_back(freshet[i] / baseline[i]);
    }
    return ratios;
  }
};

// Measures A and B in turn, `pairs` times, after one of each that does not count.
inline void Interleave(Case& result, int pairs, const std::function<double()>& freshet,
                       const std::function<double()>& baseline) {
  freshet();
  baseline();
  for (int i = 0; i < pairs; ++i) {
    result.freshet.push_back(freshet());
    result.baseline.push_back(baseline());
  }
}

inline void Print(const Case& result) {
  const std::vector<double> ratios = result.Ratios();
  const auto [least, greatest] = std::minmax_element(ratios.begin(), ratios.end());
  std::string more;
  for (const auto& [name, value] : result.more)
    more += fmt::format(", \"{}\": {:.6g}", name, value);
  fmt::print(
      "{{\"bench\": \"{}\", \"case\": \"{}\", \"what\": \"{}\", \"freshet\": {:.6g}, \"baseline\": "
      "{:.6g}, "
      "\"ratio\": {:.3f}, \"ratio_min\": {:.3f}, \"ratio_max\": {:.3f}, \"unit\": \"{}\", "
      "\"runs\": {}, \"rocksdb\": \"{}\"{}}}\n",
      result.bench, result.name, result.what, Median(result.freshet), Median(result.baseline),
      Median(ratios), *least, *greatest, result.unit, ratios.size(), FRESHET_ROCKSDB_BUILD, more);
  std::fflush(stdout);
  fmt::print(stderr, "{:<22} {:>14} {:>14} {:>8} {:>17}  {}\n", "case", "freshet", "baseline",
             "ratio", "spread", "unit");
  fmt::print(stderr, "{:<22} {:>14.6g} {:>14.6g} {:>8.3f} {:>8.3f}–{:<8.3f}  {}\n", result.name,
             Median(result.freshet), Median(result.baseline), Median(ratios), *least, *greatest,
             result.unit);
  for (const auto& [name, value] : result.more) fmt::print(stderr, "  {}: {:.6g}\n", name, value);
}

}  // namespace freshet::bench
