// Bytes of stored values and keys. Everything that Freshet stores is written and read through these two
// classes, so that a truncated or damaged value is an error in one place and never a read past the end.
//
// Integers are LEB128 varints (signed ones zigzag first) or fixed little-endian; ordered forms are
// big-endian and compare as bytes the way the values compare.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "featurestore/base/decimal.h"

namespace freshet {

constexpr uint64_t ZigZag(int64_t v) {
  return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63);
}
constexpr int64_t UnZigZag(uint64_t v) {
  return static_cast<int64_t>(v >> 1) ^ -static_cast<int64_t>(v & 1);
}

// Leading bytes of a double that are not zeros at its end: 0 to 8.
inline int SignificantBytes(uint64_t bits) {
  return bits == 0 ? 0 : 8 - std::countr_zero(bits) / 8;
}

// Appends to a string that it borrows.
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void Byte(uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void Raw(std::string_view bytes) { out_.append(bytes); }
  void Varint(uint64_t v) {
    while (v >= 0x80) {
      Byte(static_cast<uint8_t>(v | 0x80));
      v >>= 7;
    }
    Byte(static_cast<uint8_t>(v));
  }
  void Signed(int64_t v) { Varint(ZigZag(v)); }
  // 128 bits, zigzag, as a varint of up to 19 bytes.
  void Signed128(__int128 v) {
    auto z = (static_cast<unsigned __int128>(v) << 1) ^ static_cast<unsigned __int128>(v >> 127);
    while (z >= 0x80) {
      Byte(static_cast<uint8_t>(z | 0x80));
      z >>= 7;
    }
    Byte(static_cast<uint8_t>(z));
  }
  void Fixed16(uint16_t v) { Fixed(v); }
  void Fixed32(uint32_t v) { Fixed(v); }
  void Fixed64(uint64_t v) { Fixed(v); }
  // Bits of a double from the first byte on, `count` of them: those that are left out are zeros.
  void LeadingBytes(uint64_t bits, int count) {
    for (int i = 0; i < count; ++i) Byte(static_cast<uint8_t>(bits >> (56 - 8 * i)));
  }
  // A double in 1 to 9 bytes, the shorter of two forms (the decimal one where they tie): a count of 0 to 8 and that many of its
  // leading bytes, the zero ones at its end left out; or of a short decimal (base/decimal.h) a byte with its scale and the low bits
  // of its mantissa, zigzag, and a varint of the rest. 12.34 takes 3 bytes.
  void Double(double v) {
    const auto bits = std::bit_cast<uint64_t>(v);
    const int count = SignificantBytes(bits);
    if (const auto millionths = Millionths(v)) {
      const Decimal decimal = Decimal::OfMillionths(*millionths);
      if (DecimalBytes(decimal, 4) <= 1 + count) {
        return WriteDecimal(decimal, 0x80 | static_cast<unsigned>(decimal.hundreds) << 5, 4);
      }
    }
    Byte(static_cast<uint8_t>(count));
    LeadingBytes(bits, count);
  }
  // `lead` | a bit that says whether more follows, and as many low bits of the mantissa below it as said.
  void WriteDecimal(const Decimal& decimal, unsigned lead, int low_bits) {
    const uint64_t z = ZigZag(decimal.mantissa);
    const uint64_t low = z & ((1U << low_bits) - 1);
    const uint64_t rest = z >> low_bits;
    Byte(static_cast<uint8_t>(lead | (rest != 0 ? 1U << low_bits : 0) | low));
    if (rest != 0) Varint(rest);
  }
  static int DecimalBytes(const Decimal& decimal, int low_bits) {
    const uint64_t rest = ZigZag(decimal.mantissa) >> low_bits;
    return 1 + (static_cast<int>(std::bit_width(rest)) + 6) / 7;
  }
  void LengthPrefixed(std::string_view bytes) {
    Varint(bytes.size());
    Raw(bytes);
  }
  // Compares as bytes like the value.
  void Ordered64(int64_t v) {
    const uint64_t flipped = static_cast<uint64_t>(v) ^ (uint64_t{1} << 63);
    for (int shift = 56; shift >= 0; shift -= 8) Byte(static_cast<uint8_t>(flipped >> shift));
  }
  void Ordered32(uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8) Byte(static_cast<uint8_t>(v >> shift));
  }
  // Text of any bytes that compares as bytes like the text and ends itself: 0x00 → 0x00 0xff, end 0x00 0x01.
  void OrderedText(std::string_view text) {
    for (const char c : text) {
      out_.push_back(c);
      if (c == '\0') out_.push_back('\xff');
    }
    out_.append(std::string_view("\0\x01", 2));
  }

 private:
  template <typename T>
  void Fixed(T v) {
    char bytes[sizeof v];
    std::memcpy(bytes, &v, sizeof v);
    out_.append(bytes, sizeof v);
  }
  std::string& out_;
};

// Reads what ByteWriter wrote. After the first failure every read gives 0 or empty and ok() stays false:
// read on, then ask once.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes)
      : p_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return ok_; }
  // All was read, and nothing failed.
  bool AtEnd() const { return ok_ && p_ == end_; }
  size_t remaining() const { return static_cast<size_t>(end_ - p_); }

  uint8_t Byte() {
    if (p_ == end_) return Fail<uint8_t>();
    return static_cast<uint8_t>(*p_++);
  }
  uint64_t Varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (p_ == end_) return Fail<uint64_t>();
      const auto byte = static_cast<uint8_t>(*p_++);
      v |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    return Fail<uint64_t>();
  }
  int64_t Signed() { return UnZigZag(Varint()); }
  __int128 Signed128() {
    unsigned __int128 z = 0;
    for (int shift = 0; shift < 133; shift += 7) {
      if (p_ == end_) return Fail<int>();
      const auto byte = static_cast<uint8_t>(*p_++);
      z |= static_cast<unsigned __int128>(byte & 0x7f) << shift;
      if (byte < 0x80) return static_cast<__int128>(z >> 1) ^ -static_cast<__int128>(z & 1);
    }
    return Fail<int>();
  }
  uint16_t Fixed16() { return Fixed<uint16_t>(); }
  uint32_t Fixed32() { return Fixed<uint32_t>(); }
  uint64_t Fixed64() { return Fixed<uint64_t>(); }
  uint64_t LeadingBytes(int count) {
    if (count > 8 || remaining() < static_cast<size_t>(count)) return Fail<uint64_t>();
    uint64_t bits = 0;
    for (int i = 0; i < count; ++i) {
      bits |= static_cast<uint64_t>(static_cast<uint8_t>(*p_++)) << (56 - 8 * i);
    }
    return bits;
  }
  double Double() { return DoubleFrom(Byte()); }
  // Its first byte was read already.
  double DoubleFrom(uint8_t lead) {
    if (lead < 0x80) return std::bit_cast<double>(LeadingBytes(lead));
    return ReadDecimal(lead, lead >> 5 & 3, 4).value();
  }
  // The rest of WriteDecimal.
  Decimal ReadDecimal(uint8_t lead, int hundreds, int low_bits) {
    const uint64_t rest = (lead >> low_bits & 1) != 0 ? Varint() : 0;
    if (rest >> (54 - low_bits) != 0) return Fail<Decimal>();
    const Decimal decimal{UnZigZag(rest << low_bits | (lead & ((1U << low_bits) - 1))), hundreds};
    if (std::abs(decimal.millionths()) >= 0x1p53) return Fail<Decimal>();
    return decimal;
  }
  std::string_view Raw(size_t count) {
    if (remaining() < count) return Fail<std::string_view>();
    const std::string_view bytes(p_, count);
    p_ += count;
    return bytes;
  }
  std::string_view LengthPrefixed() { return Raw(Varint()); }
  int64_t Ordered64() {
    uint64_t v = 0;
    for (int i = 0; i < 8; ++i) v = v << 8 | Byte();
    return ok_ ? static_cast<int64_t>(v ^ (uint64_t{1} << 63)) : 0;
  }
  uint32_t Ordered32() {
    uint32_t v = 0;
    for (int i = 0; i < 4; ++i) v = v << 8 | Byte();
    return ok_ ? v : 0;
  }
  std::string OrderedText() {
    std::string text;
    while (true) {
      if (p_ == end_) return Fail<std::string>();
      const char c = *p_++;
      if (c != '\0') {
        text.push_back(c);
        continue;
      }
      const uint8_t mark = Byte();
      if (mark == 0x01) return text;
      if (mark != 0xff) return Fail<std::string>();
      text.push_back('\0');
    }
  }
  // For a caller that finds that what it read cannot be.
  void MarkBad() { Fail<int>(); }

 private:
  template <typename T>
  T Fail() {
    ok_ = false;
    p_ = end_;
    return T{};
  }
  template <typename T>
  T Fixed() {
    if (remaining() < sizeof(T)) return Fail<T>();
    T v;
    std::memcpy(&v, p_, sizeof v);
    p_ += sizeof v;
    return v;
  }

  const char* p_;
  const char* end_;
  bool ok_ = true;
};

static_assert(std::endian::native == std::endian::little, "stored formats are little-endian");

}  // namespace freshet
