#include "featurestore/decode/json_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace freshet {
namespace {

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }

const char* SkipDigits(const char* p, const char* end) {
  while (p != end && IsDigit(*p)) ++p;
  return p;
}

// Four hexadecimal digits; nullopt for anything else.
std::optional<uint32_t> Hex4(std::string_view text) {
  if (text.size() < 4) return std::nullopt;
  uint32_t code = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + 4, code, 16);
  if (error != std::errc() || end != text.data() + 4) return std::nullopt;
  return code;
}

void AppendUtf8(uint32_t code, std::string& out) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6);
    put(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  } else {
    put(0xf0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3f));
    put(0x80 | (code >> 6 & 0x3f));
    put(0x80 | (code & 0x3f));
  }
}

char SimpleEscape(char c) {
  switch (c) {
    case '"':
    case '\\':
    case '/':
      return c;
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return '\0';
  }
}

constexpr std::array<int8_t, 256> MakeBase64Table() {
  std::array<int8_t, 256> table{};
  for (auto& entry : table) entry = -1;
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  return table;
}
constexpr std::array<int8_t, 256> kBase64 = MakeBase64Table();

}  // namespace

JsonNumber ClassifyNumber(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  if (p != end && *p == '-') ++p;
  if (p == end || !IsDigit(*p)) return JsonNumber::kNone;
  p = *p == '0' ? p + 1 : SkipDigits(p, end);
  if (p == end) return JsonNumber::kInteger;
  if (*p == '.') {
    const char* const first = ++p;
    p = SkipDigits(p, end);
    if (p == first) return JsonNumber::kNone;
  }
  if (p != end && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p != end && (*p == '+' || *p == '-')) ++p;
    const char* const first = p;
    p = SkipDigits(p, end);
    if (p == first) return JsonNumber::kNone;
  }
  return p == end ? JsonNumber::kFraction : JsonNumber::kNone;
}

std::optional<int64_t> ReadInt64(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<double> ReadDouble(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc()) return value;
  if (error != std::errc::result_out_of_range) return std::nullopt;
  // from_chars does not say which way it is out of range; strtod does, and this is rare.
  value = std::strtod(std::string(text).c_str(), nullptr);
  if (!std::isfinite(value)) return std::nullopt;
  return value;
}

bool Unescape(std::string_view between_quotes, std::string& out) {
  std::string_view rest = between_quotes;
  while (true) {
    const size_t slash = rest.find('\\');
    out.append(rest.substr(0, slash));
    if (slash == std::string_view::npos) return true;
    rest.remove_prefix(slash + 1);
    if (rest.empty()) return false;
    const char kind = rest.front();
    rest.remove_prefix(1);
    if (kind != 'u') {
      const char c = SimpleEscape(kind);
      if (c == '\0') return false;
      out.push_back(c);
      continue;
    }
    auto code = Hex4(rest);
    if (!code) return false;
    rest.remove_prefix(4);
    if (*code >= 0xdc00 && *code < 0xe000) return false;
    if (*code >= 0xd800 && *code < 0xdc00) {
      if (rest.substr(0, 2) != "\\u") return false;
      const auto low = Hex4(rest.substr(2));
      if (!low || *low < 0xdc00 || *low >= 0xe000) return false;
      rest.remove_prefix(6);
      code = 0x10000 + ((*code - 0xd800) << 10) + (*low - 0xdc00);
    }
    AppendUtf8(*code, out);
  }
}

bool DecodeBase64(std::string_view text, std::string& out) {
  if (text.size() % 4 != 0) return false;
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  const std::string_view digits = text.substr(0, text.size() - padding);
  uint32_t bits = 0;
  int held = 0;
  for (const char c : digits) {
    const int8_t digit = kBase64[static_cast<uint8_t>(c)];
    if (digit < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    held += 6;
    if (held >= 8) {
      held -= 8;
      out.push_back(static_cast<char>(bits >> held));
    }
  }
  // Bits left over belong to no byte: equal bytes have one spelling only.
  return (bits & ((1u << held) - 1)) == 0;
}

}  // namespace freshet
