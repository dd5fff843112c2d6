// UTF-8 as the standard has it: no overlong forms, no surrogates, nothing above U+10FFFF. JSON, protobuf and PostgreSQL's parser
// refuse those, so text that this lets pass can be given to all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace freshet {

// Bytes of the character at `pos` (1 to 4), which is within the text; 0 where none stands there.
inline size_t Utf8Length(std::string_view text, size_t pos) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[pos + i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first < 0xc2   ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0 || length > text.size() - pos) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (length == 2) return 2;
  const uint8_t second = byte(1);
  const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool surrogate = first == 0xed && second >= 0xa0;
  const bool beyond = first == 0xf4 && second >= 0x90;
  return overlong || surrogate || beyond ? 0 : length;
}

// Where the first byte stands that is no UTF-8; npos: there is none.
size_t FindInvalidUtf8(std::string_view text);

// Its beginning, at most so many bytes and not cut inside of a character. Of text that is no UTF-8 at that place, so many bytes.
std::string_view Utf8Prefix(std::string_view text, size_t max_bytes);

// For messages: the text, or its beginning and an ellipsis.
std::string Shortened(std::string_view text, size_t max_bytes);

}  // namespace freshet
