// For skewness and kurtosis: count, mean and the sums of the second, third and fourth powers of distances from
// it. Added to and combined by Pébay's formulas (Sandia report SAND2008-6212), so nothing is ever the difference of
// two sums of powers. The fourth powers bound what works: distances within 1e-75 to 1e75.
#pragma once

#include <cmath>
#include <cstdint>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/numeric.h"

namespace freshet {

struct FourMoments {
  uint64_t n = 0;
  RunningMean mean;
  double m2 = 0;
  double m3 = 0;
  double m4 = 0;

  void Add(const Value& value, const Position&) {
    const RunningMean x = RunningMean::Of(value);
    if (n == 0) {
      // Apart: one value has no distance from itself, and that of a great one from 0 would be squared beyond the doubles.
      n = 1;
      mean = x;
      return;
    }
    const double before = static_cast<double>(n);
    n = SumOfCounts(n, 1);
    const double after = static_cast<double>(n);
    const double delta = mean.DistanceOf(x);
    const double step = delta / after;
    const double square = step * step;
    const double term = delta * step * before;
    mean.Move(step);
    m4 += term * square * (after * after - 3 * after + 3) + 6 * square * m2 - 4 * step * m3;
    m3 += term * step * (after - 2) - 3 * step * m2;
    m2 += term;
  }
  void Combine(const FourMoments& b) {
    if (b.n == 0) return;
    if (n == 0) {
      *this = b;
      return;
    }
    const double delta = mean.DistanceOf(b.mean);
    const double all = static_cast<double>(n) + static_cast<double>(b.n);
    const double pa =
        static_cast<double>(n) / all;  // shares: products of counts would outgrow 53 bits
    const double pb = static_cast<double>(b.n) / all;
    const double between = delta * delta * pa * pb * all;  // what the means' distance adds to m2
    m4 += b.m4 + between * delta * delta * (pa * pa - pa * pb + pb * pb) +
          6 * delta * delta * (pa * pa * b.m2 + pb * pb * m2) + 4 * delta * (pa * b.m3 - pb * m3);
    m3 += b.m3 + between * delta * (pa - pb) + 3 * delta * (pa * b.m2 - pb * m2);
    m2 += b.m2 + between;
    mean.Move(delta * pb);
    n = SumOfCounts(n, b.n);
  }
  void CombineBorrowed(const FourMoments& b) { Combine(b); }
  void Encode(ByteWriter& out, const CodingContext&) const {
    out.Varint(n);
    if (n == 0) return;
    out.Double(mean.nearest);
    out.Double(mean.rest);
    if (n == 1) return;
    out.Double(m2);
    out.Double(m3);
    out.Double(m4);
  }
  void Decode(ByteReader& in, const CodingContext&) {
    n = ReadCount(in);
    if (n == 0) return;
    mean.nearest = in.Double();
    mean.rest = in.Double();
    if (n == 1) return;
    m2 = in.Double();
    m3 = in.Double();
    m4 = in.Double();
  }
  size_t heap_bytes() const { return 0; }

  // Population moments. Only where m2 > 0. Divided step by step: m2² leaves the doubles before the answer does.
  double skewness() const { return m3 / m2 / std::sqrt(m2) * std::sqrt(static_cast<double>(n)); }
  double kurtosis() const { return m4 / m2 / m2 * static_cast<double>(n) - 3; }
};

}  // namespace freshet
