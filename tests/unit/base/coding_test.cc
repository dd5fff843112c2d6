#include "featurestore/base/coding.h"

#include <rapidcheck.h>

#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

namespace freshet {
namespace {

TEST_CASE("what ByteWriter writes ByteReader reads back") {
  CHECK(rc::check(
      [](uint64_t u, int64_t s, double d, const std::string& text, int64_t high, uint64_t low) {
        const __int128 wide = (static_cast<__int128>(high) << 64) | low;
        std::string bytes;
        ByteWriter writer(bytes);
        writer.Varint(u);
        writer.Signed(s);
        writer.Double(d);
        writer.LengthPrefixed(text);
        writer.Signed128(wide);
        writer.Ordered64(s);
        writer.OrderedText(text);
        writer.Fixed64(u);
        ByteReader reader(bytes);
        RC_ASSERT(reader.Varint() == u);
        RC_ASSERT(reader.Signed() == s);
        RC_ASSERT(reader.Double() == d);
        RC_ASSERT(reader.LengthPrefixed() == text);
        RC_ASSERT(reader.Signed128() == wide);
        RC_ASSERT(reader.Ordered64() == s);
        RC_ASSERT(reader.OrderedText() == text);
        RC_ASSERT(reader.Fixed64() == u);
        RC_ASSERT(reader.AtEnd());
      }));
}

TEST_CASE("every truncation is an error and never a read past the end") {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.Varint(1u << 30);
  writer.Double(3.14159);
  writer.LengthPrefixed("freshet");
  writer.OrderedText("a");
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    ByteReader reader(std::string_view(bytes).substr(0, cut));
    reader.Varint();
    reader.Double();
    reader.LengthPrefixed();
    reader.OrderedText();
    CHECK_FALSE(reader.ok());
  }
}

TEST_CASE("ordered forms compare as bytes the way the values compare") {
  CHECK(rc::check([](int64_t a, int64_t b, const std::string& s, const std::string& t) {
    std::string first, second;
    ByteWriter(first).Ordered64(a);
    ByteWriter(second).Ordered64(b);
    RC_ASSERT((first < second) == (a < b));
    first.clear();
    second.clear();
    ByteWriter(first).OrderedText(s);
    ByteWriter(second).OrderedText(t);
    RC_ASSERT((first < second) == (s < t));
  }));
}

std::string DoubleBytes(double v) {
  std::string bytes;
  ByteWriter(bytes).Double(v);
  return bytes;
}

TEST_CASE("doubles with few significant bytes or few decimal digits are short") {
  CHECK(DoubleBytes(0.0).size() == 1);
  CHECK(DoubleBytes(-0.0).size() == 2);
  CHECK(DoubleBytes(7).size() == 1);
  CHECK(DoubleBytes(-1).size() == 1);
  CHECK(DoubleBytes(12.5).size() == 3);
  CHECK(DoubleBytes(12.34).size() == 3);
  CHECK(DoubleBytes(-0.01).size() == 1);
  CHECK(DoubleBytes(52.520008).size() == 5);
  CHECK(DoubleBytes(0x1p50).size() == 3);
  CHECK(DoubleBytes(1.0 / 3).size() == 9);
  CHECK(DoubleBytes(1e-300).size() == 9);
}

TEST_CASE("every double is read back with the bits that were written") {
  const auto same = [](double v) {
    const std::string bytes = DoubleBytes(v);
    ByteReader reader(bytes);
    const double read = reader.Double();
    return reader.AtEnd() && std::bit_cast<uint64_t>(read) == std::bit_cast<uint64_t>(v) &&
           bytes.size() <= 1 + static_cast<size_t>(SignificantBytes(std::bit_cast<uint64_t>(v)));
  };
  CHECK(rc::check([&](uint64_t bits) { RC_ASSERT(same(std::bit_cast<double>(bits))); }));
  // Decimals of any size, and the doubles beside them.
  CHECK(rc::check([&](int64_t any, uint32_t shift, uint8_t digits) {
    const auto mantissa = static_cast<double>(any >> (shift % 64));
    const double v = mantissa / std::pow(10, digits % 9);
    RC_ASSERT(same(v));
    RC_ASSERT(same(std::nextafter(v, 1e300)));
    RC_ASSERT(same(std::nextafter(v, -1e300)));
  }));
  for (const double v : {0.0, -0.0, 2.2e9, 2199999999.999999, 2.3e9, 0x1p51, 1e-6, 1e-7, 5e-324}) {
    CHECK(same(v));
    CHECK(same(-v));
  }
}

TEST_CASE("a decimal's mantissa that nobody writes is refused") {
  for (const int hundreds : {0, 1, 2, 3}) {
    std::string bytes(1, static_cast<char>(0x90 | hundreds << 5));
    ByteWriter(bytes).Varint(uint64_t{1} << 50);
    ByteReader reader(bytes);
    (void)reader.Double();
    CHECK_FALSE(reader.ok());
  }
}

}  // namespace
}  // namespace freshet
