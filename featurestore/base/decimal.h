// Doubles that were written as short decimals, as most amounts, rates and places are: 12.34 is the double nearest to 12,340,000
// millionths. As such they are stored in a few bytes and add up exactly.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <optional>

namespace freshet {

inline constexpr double kMillion = 1e6;

// How many millionths `v` is, if it is the double nearest to a whole number of them below 2^51; none for others and for -0.0. Of a
// result m, m / 1e6 has the bits of `v`.
inline std::optional<double> Millionths(double v) {
  constexpr double kMost = 2.2e9;  // 2^51 millionths are more
  // Added and taken away again, it rounds to whole numbers.
  constexpr double kRounds = 0x1.8p52;
  if (!(std::abs(v) < kMost)) return std::nullopt;
  const double whole = (v * kMillion + kRounds) - kRounds;
  if (std::bit_cast<uint64_t>(whole / kMillion) != std::bit_cast<uint64_t>(v)) return std::nullopt;
  return whole;
}

// A whole number of 10^-2s: `mantissa` / 100^`hundreds`.
struct Decimal {
  int64_t mantissa = 0;
  int hundreds = 0;  // 0 to 3

  static constexpr int kMostHundreds = 3;
  static constexpr double kPower[] = {1, 1e2, 1e4, 1e6};

  // The same number with the fewest digits, of a whole number of millionths below 2^53.
  static Decimal OfMillionths(double millionths) {
    Decimal d{static_cast<int64_t>(millionths), kMostHundreds};
    while (d.hundreds > 0 && d.mantissa % 100 == 0) {
      d.mantissa /= 100;
      --d.hundreds;
    }
    return d;
  }
  // Both are exact, for a mantissa below 2^53 of which the value is below 2^53 millionths.
  double millionths() const {
    return static_cast<double>(mantissa) * kPower[kMostHundreds - hundreds];
  }
  double value() const { return static_cast<double>(mantissa) / kPower[hundreds]; }
};

}  // namespace freshet
