#include "tests/property/arguments.h"

#include <vector>

namespace freshet::property {

std::string ArgumentsOf(const std::string& aggregate, Random* random) {
  const auto one_of = [random](const std::vector<std::string>& choices) {
    return random == nullptr ? choices[0] : random->OneOf(choices);
  };
  if (aggregate == "min_by" || aggregate == "max_by") {
    // By k, which has few values, ties are frequent.
    return ", order_by: " + one_of({"k", "k", "n", "x", "y", "s", "z", "b", "t"});
  }
  if (aggregate == "quantile") {
    std::string text = ", q: " + one_of({"0.5", "0.01", "0.05", "0.07", "0.25", "0.3", "0.55",
                                         "0.9", "0.95", "0.99", "0.999"});
    const std::string exact_to = one_of({"", "1", "4", "16", "64"});
    if (!exact_to.empty()) text += ", exact_to: " + exact_to;
    const std::string error = one_of({"", "0.01", "0.05", "0.002"});
    if (!error.empty()) text += ", error: " + error;
    return text;
  }
  if (aggregate == "count_distinct") {
    const std::string exact_to = one_of({"", "1", "2", "4", "16", "64"});
    std::string text = exact_to.empty() ? "" : ", exact_to: " + exact_to;
    const std::string error = one_of({"", "0.02", "0.05"});
    if (!error.empty()) text += ", error: " + error;
    return text;
  }
  if (aggregate == "first_n" || aggregate == "last_n" || aggregate == "last_distinct_n") {
    return ", n: " + one_of({"3", "1", "2", "5", "40"});
  }
  if (aggregate.starts_with("top_k")) {
    // So few are exact that the sketch, which holds six at least, has to let values go.
    return ", " +
           one_of({"k: 3", "k: 1, exact_to: 1", "k: 1, exact_to: 2", "k: 4, exact_to: 5",
                   "k: 6, exact_to: 12", "k: 40"}) +
           (aggregate == "top_k counts" ? ", counts: true" : "");
  }
  if (aggregate == "histogram bounds") {
    return ", bounds: [" +
           one_of({"-1, 0, 1", "0", "-50.5, -2, 0.25, 50", "1000000000000", "-1e30, 1e30",
                   "-9223372036854775808, 9223372036854775807"}) +
           "]";
  }
  if (aggregate == "histogram" || aggregate.ends_with(" by")) {
    std::string text;
    if (aggregate != "histogram") {
      text = ", by: " + one_of({"k", "k", "k", "s", "b", "n", "x", "y", "z", "t"});
    }
    const std::string max_keys = one_of({"", "1", "2", "3", "20"});
    return max_keys.empty() ? text : text + ", max_keys: " + max_keys;
  }
  if (aggregate == "rate") {
    const std::string per = one_of({"", "1s", "1m", "7ms", "1h"});
    return per.empty() ? "" : ", per: " + per;
  }
  if (aggregate.starts_with("decayed_")) {
    return ", half_life: " + one_of({"1h", "10ms", "1s", "90s", "1d", "7d"});
  }
  return "";
}

}  // namespace freshet::property
