#include "featurestore/base/coding.h"

#include <rapidcheck.h>

#include <catch2/catch.hpp>
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

TEST_CASE("doubles with few significant bytes are short") {
  const auto size = [](double v) {
    std::string bytes;
    ByteWriter(bytes).Double(v);
    return bytes.size();
  };
  CHECK(size(0.0) == 1);
  CHECK(size(12.5) == 3);
  CHECK(size(1e-300) == 9);
}

}  // namespace
}  // namespace freshet
