// Values of more magnitudes than a quantile's buckets hold: the answer is coarser, says so, and is still near.
#include "featurestore/aggregate/quantiles.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <string>
#include <vector>

namespace freshet {
namespace {

AccumulatorArguments Arguments() {
  AccumulatorArguments arguments;
  arguments.exact_to = 16;
  arguments.error = 0.01;  // 2^6 buckets a power of two
  return arguments;
}

std::string Bytes(const Quantiles& quantiles, const AccumulatorArguments& arguments) {
  std::string bytes;
  ByteWriter out(bytes);
  quantiles.Encode(out, {{}, &arguments});
  return bytes;
}

}  // namespace

// "Values of more magnitudes than 64 · 2^b buckets can hold ... make it coarser, and the answer is then DEGRADED."
TEST_CASE("a quantile over more powers of two than fit is as near as the buckets left") {
  const AccumulatorArguments arguments = Arguments();
  struct Span {
    int powers;    // on each side of 0, all filled
    double error;  // 64 · 2^6 buckets are left 2^b of them a power: half of 2^-b
    bool degraded;
  };
  for (const Span& span : {Span{30, 0.01, false}, Span{60, 0.5 / 32, true},
                           Span{120, 0.5 / 16, true}, Span{500, 0.5 / 4, true}}) {
    std::vector<double> values;
    for (int power = 0; power < span.powers; ++power) {
      for (int part = 0; part < 64; ++part) {
        const double x = std::ldexp(1 + part / 64.0, power - span.powers / 2);
        values.push_back(x);
        values.push_back(-x);
      }
    }
    std::mt19937_64 random(5);
    std::shuffle(values.begin(), values.end(), random);
    Quantiles whole;
    Quantiles parts[3];
    for (size_t i = 0; i < values.size(); ++i) {
      const Added added{Value::Double(values[i]), {}, {}, arguments};
      whole.Add(added);
      parts[i % 3].Add(added);
    }
    Quantiles combined = parts[2];
    combined.Combine(parts[0]);
    combined.Combine(parts[1]);
    INFO(span.powers << " powers of two");
    CHECK(Bytes(combined, arguments) == Bytes(whole, arguments));
    CHECK(whole.degraded() == span.degraded);
    std::sort(values.begin(), values.end());
    for (const double q : {0.001, 0.1, 0.3, 0.49, 0.51, 0.75, 0.999}) {
      const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(values.size())));
      const double exact = values[rank - 1];
      CHECK(std::abs(whole.At(q) - exact) <= span.error * std::abs(exact) * (1 + 1e-9));
    }
  }
}

// "relative to it, or to 1e-307 where it is nearer to 0 than that".
TEST_CASE("a quantile of values below the normal doubles is within its error of 1e-307") {
  const AccumulatorArguments arguments = Arguments();
  for (const double x : {5e-324, 1e-310, 3.4e-310, 1e-308, 2e-308}) {
    Quantiles quantiles;
    for (int i = 0; i < 20; ++i) quantiles.Add({Value::Double(x), {}, {}, arguments});
    INFO(x);
    CHECK(std::abs(quantiles.At(0.5) - x) <= arguments.error * 1e-307);
  }
}

}  // namespace freshet
