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

// The 20 leading bits of what one double leaves out beside another: in both there are 73, and it takes 4 stored bytes rather than 8.
// `+ 0.0`: a lone minus sign would take stored bytes.
inline double LeadingDigits(double rest) {
  return std::bit_cast<double>(std::bit_cast<uint64_t>(rest) & ~uint64_t{0xffffffff}) + 0.0;
}

// While all values are short decimals (base/decimal.h), their sum is one, exactly. Else the sum and what rounding left out of it
// (Neumaier's compensation, renormalised after every step, so that it stays below the sum's last place).
struct DoubleSum {
  enum class Form : uint8_t { kNone, kDecimal, kBinary };
  double sum = 0;           // of kDecimal in millionths, a whole number below 2^53
  double compensation = 0;  // of kBinary
  Form form = Form::kNone;

  static DoubleSum Binary(double sum) { return {sum, 0, Form::kBinary}; }
  bool any() const { return form != Form::kNone; }
  double total() const { return form == Form::kDecimal ? sum / kMillion : sum + compensation; }
  void Add(const Value& value, const Position&) {
    const double v = value.number() + 0.0;  // of -0.0 0.0
    if (form != Form::kBinary) {
      if (const auto millionths = Millionths(v); millionths && AddDecimal(*millionths)) return;
      LeaveDecimals();
    }
    AddTotal(v, 0);
  }
  void Combine(DoubleSum b) {
    if (!b.any()) return;
    if (b.form == Form::kDecimal) {
      if (form != Form::kBinary && AddDecimal(b.sum)) return;
      b.LeaveDecimals();
    }
    LeaveDecimals();
    AddTotal(b.sum, b.compensation);
  }
  void CombineBorrowed(const DoubleSum& b) { Combine(b); }
  // One byte holds both lengths: sum in the low four bits, compensation in the high ones; 0x0f: no value. Of decimals the low
  // four bits are 9 to 12.
  void Encode(ByteWriter& out, const CodingContext&) const {
    if (form == Form::kNone) return out.Byte(kNone);
    if (form == Form::kDecimal) return EncodeDecimal(out);
    const auto sum_bits = std::bit_cast<uint64_t>(sum);
    const auto compensation_bits = std::bit_cast<uint64_t>(compensation);
    const int sum_bytes = SignificantBytes(sum_bits);
    const int compensation_bytes = SignificantBytes(compensation_bits);
    out.Byte(static_cast<uint8_t>(sum_bytes | compensation_bytes << 4));
    out.LeadingBytes(sum_bits, sum_bytes);
    out.LeadingBytes(compensation_bits, compensation_bytes);
  }
  void Decode(ByteReader& in, const CodingContext&) {
    const uint8_t lead = in.Byte();
    const int low = lead & 0xf;
    if (lead == kNone || !in.ok()) return;
    if (low >= kFirstScale && low <= kFirstScale + Decimal::kMostHundreds) {
      // The mantissa's low bits stand above the scale.
      const Decimal decimal = in.ReadDecimal(lead >> 4, low - kFirstScale, 3);
      if (!in.ok()) return;
      sum = decimal.millionths();
      form = Form::kDecimal;
      return;
    }
    if (low > 8 || lead >> 4 > 8) return in.MarkBad();
    sum = std::bit_cast<double>(in.LeadingBytes(low));
    compensation = std::bit_cast<double>(in.LeadingBytes(lead >> 4));
    form = Form::kBinary;
  }
  size_t heap_bytes() const { return 0; }
  friend bool operator==(const DoubleSum&, const DoubleSum&) = default;

 private:
  static constexpr uint8_t kNone = 0x0f;
  static constexpr int kFirstScale = 9;

  // False where the sum would leave whole numbers that doubles hold.
  bool AddDecimal(double millionths) {
    const double next = sum + millionths;
    if (std::abs(next) >= 0x1p53) return false;
    sum = next;
    form = Form::kDecimal;
    return true;
  }
  // The same number, as exactly as the other form holds it.
  void LeaveDecimals() {
    if (form == Form::kDecimal) {
      const double nearest = sum / kMillion;
      compensation = LeadingDigits(std::fma(-nearest, kMillion, sum) / kMillion);
      sum = nearest;
    }
    form = Form::kBinary;
  }
  void EncodeDecimal(ByteWriter& out) const {
    const Decimal decimal = Decimal::OfMillionths(sum);
    const uint64_t z = ZigZag(decimal.mantissa);
    const uint64_t rest = z >> 3;
    out.Byte(static_cast<uint8_t>((kFirstScale + decimal.hundreds) | (z & 7) << 4 |
                                  (rest != 0 ? 0x80 : 0)));
    if (rest != 0) out.Varint(rest);
  }
  void AddTotal(double v, double rest) {
    const double raw = sum + v;
    const double lost = std::abs(sum) >= std::abs(v) ? (sum - raw) + v : (v - raw) + sum;
    const double small = compensation + rest + lost;
    sum = raw + small;
    if (!std::isfinite(sum)) {  // overflow: stays so, and is an error when finished
      compensation = 0;
      return;
    }
    compensation = LeadingDigits((raw - sum) + small);
  }
};

// A mean that moves by small steps, with what its double leaves out: of values that lie far from 0 and close together, distances
// from it keep their digits.
struct RunningMean {
  double nearest = 0;
  double rest = 0;

  // Of one value: an int64 of more than 53 bits is in both, too.
  static RunningMean Of(const Value& value) {
    if (value.kind() != Value::Kind::kInt64) return {value.number(), 0};
    const int64_t x = value.as_int64();
    const auto nearest = static_cast<double>(x);
    const auto left = static_cast<__int128>(x) - static_cast<__int128>(nearest);
    return {nearest, static_cast<double>(left)};
  }
  double DistanceOf(const RunningMean& b) const { return (b.nearest - nearest) + (b.rest - rest); }
  void Move(double step) {
    const double raw = nearest + step;
    const double lost =
        std::abs(nearest) >= std::abs(step) ? (nearest - raw) + step : (step - raw) + nearest;
    const double small = rest + lost;
    nearest = raw + small;
    rest = std::isfinite(nearest) ? LeadingDigits((raw - nearest) + small) : 0;
  }
  friend bool operator==(const RunningMean&, const RunningMean&) = default;
};

// Count, mean and sum of squared distances from the mean: Welford's step, Chan's combination. For variances.
struct Moments {
  uint64_t n = 0;
  RunningMean mean;
  double m2 = 0;

  void Add(const Value& value, const Position&) {
    const RunningMean x = RunningMean::Of(value);
    n = SumOfCounts(n, 1);
    if (n == 1) {
      mean = x;
      return;
    }
    const double delta = mean.DistanceOf(x);
    mean.Move(delta / static_cast<double>(n));
    m2 += delta * mean.DistanceOf(x);
  }
  void Combine(const Moments& b) {
    if (b.n == 0) return;
    if (n == 0) {
      *this = b;
      return;
    }
    const double na = static_cast<double>(n);
    const double nb = static_cast<double>(b.n);
    const double delta = mean.DistanceOf(b.mean);
    n = SumOfCounts(n, b.n);
    mean.Move(delta * (nb / (na + nb)));
    m2 += b.m2 + delta * delta * (na * nb / (na + nb));
  }
  void CombineBorrowed(const Moments& b) { Combine(b); }
  void Encode(ByteWriter& out, const CodingContext&) const {
    out.Varint(n);
    if (n == 0) return;
    out.Double(mean.nearest);
    out.Double(mean.rest);
    if (n == 1) return;
    out.Double(m2);
  }
  void Decode(ByteReader& in, const CodingContext&) {
    n = ReadCount(in);
    if (n == 0) return;
    mean.nearest = in.Double();
    mean.rest = in.Double();
    if (n == 1) return;
    m2 = in.Double();
  }
  size_t heap_bytes() const { return 0; }
  friend bool operator==(const Moments&, const Moments&) = default;
};

}  // namespace freshet
