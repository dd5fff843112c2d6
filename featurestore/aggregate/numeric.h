// Accumulators of numbers: counts, exact integer sums, compensated double sums, moments.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "featurestore/aggregate/accumulator.h"

namespace freshet {

// An integer that may be absent, in one varint: absent 0, v ≥ 0 as v + 1, v < 0 as itself.
inline void WriteOptionalInt(ByteWriter& out, bool any, __int128 v) {
  out.Signed128(!any ? 0 : (v < 0 ? v : v + 1));
}
inline bool ReadOptionalInt(ByteReader& in, __int128& v) {
  v = in.Signed128();
  if (v > 0) {
    --v;
    return true;
  }
  return v < 0;
}

// Leading bytes of a double that are not zeros at its end: 0 to 8.
inline int SignificantBytes(uint64_t bits) {
  return bits == 0 ? 0 : 8 - std::countr_zero(bits) / 8;
}
inline void WriteLeadingBytes(ByteWriter& out, uint64_t bits, int count) {
  for (int i = 0; i < count; ++i) out.Byte(static_cast<uint8_t>(bits >> (56 - 8 * i)));
}
inline uint64_t ReadLeadingBytes(ByteReader& in, int count) {
  uint64_t bits = 0;
  for (int i = 0; i < count; ++i) bits |= static_cast<uint64_t>(in.Byte()) << (56 - 8 * i);
  return bits;
}

// Counts and sums of integers end where no log comes to, and stay there: damaged bytes may bring them near it, and one that
// wrapped around would be stored in a form that is refused when it is read again.
inline constexpr uint64_t kCountMost = INT64_MAX;
inline uint64_t SumOfCounts(uint64_t a, uint64_t b) { return std::min(a + b, kCountMost); }
inline uint64_t ReadCount(ByteReader& in) {
  const uint64_t n = in.Varint();
  if (n <= kCountMost) return n;
  in.MarkBad();
  return 0;
}

inline constexpr uint32_t kCountMax = 6;  // bytes of one, of 10^12: honest data reaches no more

// Of events, or of values that are not null.
struct Count {
  uint64_t n = 0;

  void Add(const Value&, const Position&) { n = SumOfCounts(n, 1); }
  void Combine(const Count& b) { n = SumOfCounts(n, b.n); }
  void CombineBorrowed(const Count& b) { Combine(b); }
  void Encode(ByteWriter& out, const CodingContext&) const { out.Varint(n); }
  void Decode(ByteReader& in, const CodingContext&) { n = ReadCount(in); }
  size_t heap_bytes() const { return 0; }
  friend bool operator==(const Count&, const Count&) = default;
};

// 128 bits hold any sum of as many int64 as are ever counted: overflow is judged once, when a window is finished.
struct IntSum {
  // Two words rather than one __int128, whose alignment would pad every pane.
  uint64_t low = 0;
  int64_t high = 0;
  bool any = false;

  __int128 total() const {
    return static_cast<__int128>(static_cast<unsigned __int128>(static_cast<uint64_t>(high)) << 64 |
                                 low);
  }
  void Add(const Value& value, const Position&) { AddTotal(value.as_int64()); }
  void Combine(const IntSum& b) {
    if (b.any) AddTotal(b.total());
  }
  void CombineBorrowed(const IntSum& b) { Combine(b); }
  void Encode(ByteWriter& out, const CodingContext&) const { WriteOptionalInt(out, any, total()); }
  void Decode(ByteReader& in, const CodingContext&) {
    __int128 v = 0;
    const bool read = ReadOptionalInt(in, v);
    if (v > kMost || v < -kMost) return in.MarkBad();
    any = read;
    if (any) Set(v);
  }
  size_t heap_bytes() const { return 0; }
  friend bool operator==(const IntSum&, const IntSum&) = default;

 private:
  static constexpr __int128 kMost = static_cast<__int128>(1) << 126;

  void AddTotal(__int128 v) {
    Set(std::clamp(total() + v, -kMost, kMost));
    any = true;
  }
  void Set(__int128 v) {
    low = static_cast<uint64_t>(v);
    high = static_cast<int64_t>(v >> 64);
  }
};

// The sum and what rounding left out of it (Neumaier's compensation, renormalised after every step, so that it
// stays below the sum's last place). The compensation keeps its 20 leading bits: 73 bits in all are more
// than any answer needs, and it takes 4 stored bytes rather than 8.
struct DoubleSum {
  double sum = 0;
  double compensation = 0;
  bool any = false;

  double total() const { return sum + compensation; }
  void Add(const Value& value, const Position&) { AddTotal(value.number(), 0); }
  void Combine(const DoubleSum& b) {
    if (b.any) AddTotal(b.sum, b.compensation);
  }
  void CombineBorrowed(const DoubleSum& b) { Combine(b); }
  // One byte holds both lengths: sum in the low four bits, compensation in the high ones; 0x0f: no value.
  void Encode(ByteWriter& out, const CodingContext&) const {
    if (!any) return out.Byte(kNone);
    const auto sum_bits = std::bit_cast<uint64_t>(sum);
    const auto compensation_bits = std::bit_cast<uint64_t>(compensation);
    const int sum_bytes = SignificantBytes(sum_bits);
    const int compensation_bytes = SignificantBytes(compensation_bits);
    out.Byte(static_cast<uint8_t>(sum_bytes | compensation_bytes << 4));
    WriteLeadingBytes(out, sum_bits, sum_bytes);
    WriteLeadingBytes(out, compensation_bits, compensation_bytes);
  }
  void Decode(ByteReader& in, const CodingContext&) {
    const uint8_t lengths = in.Byte();
    any = lengths != kNone;
    if (!any) return;
    if ((lengths & 0xf) > 8 || lengths >> 4 > 8) return in.MarkBad();
    sum = std::bit_cast<double>(ReadLeadingBytes(in, lengths & 0xf));
    compensation = std::bit_cast<double>(ReadLeadingBytes(in, lengths >> 4));
  }
  size_t heap_bytes() const { return 0; }
  friend bool operator==(const DoubleSum&, const DoubleSum&) = default;

 private:
  static constexpr uint8_t kNone = 0x0f;
  static constexpr uint64_t kKeptBits = ~uint64_t{0xffffffff};

  void AddTotal(double v, double rest) {
    any = true;
    const double raw = sum + v;
    const double lost = std::abs(sum) >= std::abs(v) ? (sum - raw) + v : (v - raw) + sum;
    const double small = compensation + rest + lost;
    sum = raw + small;
    if (!std::isfinite(sum)) {  // overflow: stays so, and is an error when finished
      compensation = 0;
      return;
    }
    const double left = (raw - sum) + small;
    // `+ 0.0`: a lone minus sign would take stored bytes.
    compensation = std::bit_cast<double>(std::bit_cast<uint64_t>(left) & kKeptBits) + 0.0;
  }
};

// Count, mean and sum of squared distances from the mean: Welford's step, Chan's combination. For variances.
struct Moments {
  uint64_t n = 0;
  double mean = 0;
  double m2 = 0;

  void Add(const Value& value, const Position&) {
    const double x = value.number();
    n = SumOfCounts(n, 1);
    const double delta = x - mean;
    mean += delta / static_cast<double>(n);
    m2 += delta * (x - mean);
  }
  void Combine(const Moments& b) {
    if (b.n == 0) return;
    if (n == 0) {
      *this = b;
      return;
    }
    const double na = static_cast<double>(n);
    const double nb = static_cast<double>(b.n);
    const double delta = b.mean - mean;
    n = SumOfCounts(n, b.n);
    mean += delta * (nb / (na + nb));
    m2 += b.m2 + delta * delta * (na * nb / (na + nb));
  }
  void CombineBorrowed(const Moments& b) { Combine(b); }
  void Encode(ByteWriter& out, const CodingContext&) const {
    out.Varint(n);
    if (n == 0) return;
    out.Double(mean);
    if (n > 1) out.Double(m2);
  }
  void Decode(ByteReader& in, const CodingContext&) {
    n = ReadCount(in);
    if (n == 0) return;
    mean = in.Double();
    if (n > 1) m2 = in.Double();
  }
  size_t heap_bytes() const { return 0; }
  friend bool operator==(const Moments&, const Moments&) = default;
};

}  // namespace freshet
