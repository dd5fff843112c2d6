// Scalars of JSON (RFC 8259), read from their own text. Each function is total: any bytes in, never a read past
// the end. What "text" is valid UTF-8 is checked by the caller.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace freshet {

enum class JsonNumber : uint8_t {
  kNone,      // not a number of JSON's grammar
  kInteger,   // neither fraction nor exponent
  kFraction,  // one of them
};
// The whole of `text` against the grammar: no plus, no leading zeros, no "1." and no ".5".
JsonNumber ClassifyNumber(std::string_view text);

// nullopt beyond int64. `text` is a kInteger.
std::optional<int64_t> ReadInt64(std::string_view text);
// The nearest double; too small is 0, nullopt where it overflows. `text` is a number.
std::optional<double> ReadDouble(std::string_view text);

// Appends what stands between the quotes of a string with its escapes resolved. False where an escape is not JSON's, or a
// surrogate stands alone: there is no text that it could mean.
bool Unescape(std::string_view between_quotes, std::string& out);

// Appends the bytes of standard, padded base64 (RFC 4648, section 4); false where `text` is not that.
bool DecodeBase64(std::string_view text, std::string& out);

}  // namespace freshet
