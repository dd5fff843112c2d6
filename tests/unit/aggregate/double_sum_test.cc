// Sums of doubles: exact while they are short decimals, compensated else.
#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "featurestore/aggregate/numeric.h"

namespace freshet {
namespace {

DoubleSum SumOf(const std::vector<double>& values) {
  DoubleSum sum;
  for (const double v : values) sum.Add(Value::Double(v), {});
  return sum;
}

std::string BytesOf(const DoubleSum& sum) {
  std::string bytes;
  ByteWriter out(bytes);
  sum.Encode(out, {});
  return bytes;
}

DoubleSum ReadBack(const DoubleSum& sum) {
  const std::string bytes = BytesOf(sum);
  ByteReader in(bytes);
  DoubleSum read;
  read.Decode(in, {});
  REQUIRE(in.AtEnd());
  return read;
}

TEST_CASE("decimals add up as they are written") {
  CHECK(SumOf(std::vector<double>(10, 0.1)).total() == 1);
  CHECK(SumOf({0.1, 0.2}).total() == 0.3);
  CHECK(SumOf({12.34, -12.34}).total() == 0);
  CHECK(SumOf({1e6, 0.000001}).total() == 1000000.000001);
  CHECK(SumOf({-0.0}).total() == 0);
  CHECK_FALSE(std::signbit(SumOf({-0.0}).total()));
  CHECK(BytesOf(SumOf({12.34, 55.1})).size() == 3);
  CHECK(BytesOf({}).size() == 1);
}

TEST_CASE("in whatever order and parts, decimals give the same bytes") {
  CHECK(rc::check([](const std::vector<std::pair<int32_t, uint8_t>>& drawn, uint8_t at) {
    std::vector<double> values;
    __int128 millionths = 0;
    for (const auto& [mantissa, scale] : drawn) {
      const int digits = scale % 7;
      values.push_back(mantissa / std::pow(10, digits));
      millionths +=
          static_cast<__int128>(mantissa) * static_cast<int64_t>(std::pow(10, 6 - digits));
    }
    const DoubleSum whole = SumOf(values);
    const size_t cut = values.empty() ? 0 : at % values.size();
    DoubleSum parts = SumOf({values.begin() + static_cast<ptrdiff_t>(cut), values.end()});
    const DoubleSum rest = SumOf({values.begin(), values.begin() + static_cast<ptrdiff_t>(cut)});
    parts.Combine(rest);
    RC_ASSERT(ReadBack(whole) == whole);
    const double exact = static_cast<double>(millionths) / kMillion;
    const bool small =
        std::all_of(values.begin(), values.end(), [](double v) { return std::abs(v) < 2e9 / 100; });
    if (small) {
      RC_ASSERT(BytesOf(parts) == BytesOf(whole));
      RC_ASSERT(whole.total() == exact);
    }
    RC_ASSERT(std::abs(whole.total() - exact) <= 1e-15 * std::max(1.0, std::abs(exact)));
  }));
}

TEST_CASE("a sum leaves decimals without loss") {
  DoubleSum sum = SumOf({0.1, 0.2});
  sum.Add(Value::Double(1.0 / 3), {});
  CHECK(sum.form == DoubleSum::Form::kBinary);
  CHECK(sum.total() == 0.3 + 1.0 / 3);
  CHECK(ReadBack(sum) == sum);
  sum = SumOf({2199999999.999999, 2199999999.999999, 2199999999.999999, 2199999999.999999});
  CHECK(sum.form == DoubleSum::Form::kDecimal);
  CHECK(ReadBack(sum) == sum);
  sum.Combine(SumOf({-2199999999.999999}));
  CHECK(ReadBack(sum).total() == 6599999999.999997);
  // By size: 2^53 millionths are some 9e9.
  sum = SumOf(std::vector<double>(10, 2.1e9));
  CHECK(sum.form == DoubleSum::Form::kBinary);
  CHECK(sum.total() == 2.1e10);
  DoubleSum cents = SumOf({0.01});
  cents.Combine(sum);
  CHECK(cents.total() == 21000000000.01);
  sum.Combine(SumOf({0.01}));
  CHECK(sum.total() == 21000000000.01);
  // What one side cannot hold, the other does.
  DoubleSum both = SumOf({5e-324});
  both.Combine(SumOf({0.25}));
  CHECK(both.total() == 0.25);
  DoubleSum large = SumOf({1e300});
  large.Combine(SumOf({-0.5}));
  large.Add(Value::Double(-1e300), {});
  CHECK(std::isfinite(large.total()));
}

TEST_CASE("damaged bytes of a sum are refused") {
  for (const std::string& bytes :
       {std::string("\x0d"), std::string("\x0e"), std::string("\x9c"), std::string("\x99\x80"),
        std::string("\x9c\xff\xff\xff\xff\xff\xff\xff\xff\x7f")}) {
    ByteReader in(bytes);
    DoubleSum sum;
    sum.Decode(in, {});
    CHECK_FALSE(in.ok());
    CHECK_FALSE(sum.any());
  }
}

}  // namespace
}  // namespace freshet
