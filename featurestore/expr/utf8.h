// Characters of text that is UTF-8, mostly: of bytes that are not, each counts as one character, and nothing reads past the end.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "featurestore/base/utf8.h"

namespace freshet::expr {

// Bytes of the character at `pos` (1 to 4), which is within the text.
inline size_t CharacterBytes(std::string_view text, size_t pos) {
  return std::max<size_t>(1, Utf8Length(text, pos));
}

// The character of `length` bytes at `pos`; of a stray byte, one that no character has.
inline uint32_t CharacterAt(std::string_view text, size_t pos, size_t length) {
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(text[pos + i]));
  };
  switch (length) {
    case 1:
      return byte(0) < 0x80 ? byte(0) : 0x110000U + byte(0);
    case 2:
      return (byte(0) & 0x1fU) << 6 | (byte(1) & 0x3fU);
    case 3:
      return (byte(0) & 0x0fU) << 12 | (byte(1) & 0x3fU) << 6 | (byte(2) & 0x3fU);
    default:
      return (byte(0) & 0x07U) << 18 | (byte(1) & 0x3fU) << 12 | (byte(2) & 0x3fU) << 6 |
             (byte(3) & 0x3fU);
  }
}

template <typename Out>
void AppendCharacter(uint32_t c, Out& out) {
  if (c >= 0x110000U) {
    out.push_back(static_cast<char>(c - 0x110000U));
  } else if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xc0U | c >> 6));
    out.push_back(static_cast<char>(0x80U | (c & 0x3fU)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xe0U | c >> 12));
    out.push_back(static_cast<char>(0x80U | (c >> 6 & 0x3fU)));
    out.push_back(static_cast<char>(0x80U | (c & 0x3fU)));
  } else {
    out.push_back(static_cast<char>(0xf0U | c >> 18));
    out.push_back(static_cast<char>(0x80U | (c >> 12 & 0x3fU)));
    out.push_back(static_cast<char>(0x80U | (c >> 6 & 0x3fU)));
    out.push_back(static_cast<char>(0x80U | (c & 0x3fU)));
  }
}

}  // namespace freshet::expr
