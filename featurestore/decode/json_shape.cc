#include "featurestore/decode/json_shape.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>

#include "featurestore/decode/json_text.h"

namespace freshet {
namespace {

uint64_t Load64(const char* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
uint32_t Load32(const char* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// memcmp(a, b, n) == 0 for the few bytes between two scalars: the call costs more than the work.
bool Same(const char* a, const char* b, size_t n) {
  if (n >= 8) {
    for (size_t i = 0; i + 8 < n; i += 8) {
      if (Load64(a + i) != Load64(b + i)) return false;
    }
    return Load64(a + n - 8) == Load64(b + n - 8);
  }
  if (n >= 4) return Load32(a) == Load32(b) && Load32(a + n - 4) == Load32(b + n - 4);
  for (size_t i = 0; i < n; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

constexpr uint64_t kOnes = 0x0101010101010101;
constexpr uint64_t kHighs = kOnes * 0x80;
// The high bit of each byte that is below n ≤ 128. Exact up to the first such byte, which is what is asked for.
constexpr uint64_t Below(uint64_t x, uint8_t n) { return (x - kOnes * n) & ~x & kHighs; }

// The first byte at or after p that a plain string does not hold: a quote, a backslash, a control character, or one beyond ASCII.
const char* SkipPlain(const char* p, const char* end) {
  for (; end - p >= 8; p += 8) {
    const uint64_t x = Load64(p);
    const uint64_t stop =
        Below(x, 0x20) | Below(x ^ kOnes * '"', 1) | Below(x ^ kOnes * '\\', 1) | (x & kHighs);
    if (stop != 0) return p + std::countr_zero(stop) / 8;
  }
  while (p != end && *p != '"' && *p != '\\' && static_cast<uint8_t>(*p) >= 0x20 &&
         static_cast<uint8_t>(*p) < 0x80) {
    ++p;
  }
  return p;
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

constexpr std::array<double, 23> kPowersOfTen = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

}  // namespace

bool JsonShapes::Give(const std::vector<uint32_t>& fields, std::string_view token, TextArena& arena,
                      std::span<Value> values) {
  return std::all_of(fields.begin(), fields.end(), [&](uint32_t field) {
    return reader_.Read(field, {token}, arena, values[field], detail_);
  });
}

bool JsonShapes::ReadString(const std::vector<uint32_t>& fields, const char*& p, const char* end,
                            TextArena& arena, std::span<Value> values) {
  const char* const begin = p++;
  p = SkipPlain(p, end);
  if (p != end && static_cast<uint8_t>(*p) >= 0x80) {
    const char* const from = p;
    do {
      p = SkipPlain(p + 1, end);
    } while (p != end && static_cast<uint8_t>(*p) >= 0x80);
    // Quotes are ASCII, so that a string is valid by itself.
    if (!simdjson::validate_utf8(from, static_cast<size_t>(p - from))) return false;
  }
  if (p == end || *p != '"') return false;
  ++p;
  const std::string_view token(begin, static_cast<size_t>(p - begin));
  const Field* const field = fields.size() == 1 ? &reader_.source().fields[fields[0]] : nullptr;
  if (field == nullptr || field->type != Type::kString) return Give(fields, token, arena, values);
  values[fields[0]] = Value::Text(arena.Copy(token.substr(1, token.size() - 2)));
  return true;
}

bool JsonShapes::ReadNumber(const std::vector<uint32_t>& fields, const char*& p, const char* end,
                            TextArena& arena, std::span<Value> values) {
  const char* const begin = p;
  const bool negative = *p == '-';
  if (negative) ++p;
  if (p == end || !IsDigit(*p)) return false;
  uint64_t digits = 0;  // wraps past 19 of them, and is not used then
  const char* const whole = p;
  while (p != end && IsDigit(*p)) digits = digits * 10 + static_cast<uint64_t>(*p++ - '0');
  if (*whole == '0' && p - whole > 1) return false;
  size_t count = static_cast<size_t>(p - whole);
  size_t after_point = 0;
  if (p != end && *p == '.') {
    const char* const fraction = ++p;
    while (p != end && IsDigit(*p)) digits = digits * 10 + static_cast<uint64_t>(*p++ - '0');
    after_point = static_cast<size_t>(p - fraction);
    if (after_point == 0) return false;
    count += after_point;
  }
  bool plain = count <= 18;
  if (p != end && (*p == 'e' || *p == 'E')) {
    plain = false;
    while (p != end && (IsDigit(*p) || *p == 'e' || *p == 'E' || *p == '+' || *p == '-')) ++p;
  }
  const std::string_view token(begin, static_cast<size_t>(p - begin));
  if (!plain && ClassifyNumber(token) == JsonNumber::kNone) return false;
  const Field* const field = fields.size() == 1 ? &reader_.source().fields[fields[0]] : nullptr;
  if (plain && field != nullptr) {
    if (field->type == Type::kInt64 && after_point == 0) {
      const auto magnitude = static_cast<int64_t>(digits);
      values[fields[0]] = Value::Int64(negative ? -magnitude : magnitude);
      return true;
    }
    // Both are doubles exactly, so that their quotient is the double nearest to the text.
    if (field->type == Type::kDouble && digits <= uint64_t{1} << 53) {
      const double magnitude = static_cast<double>(digits) / kPowersOfTen[after_point];
      values[fields[0]] = Value::Double(negative ? -magnitude : magnitude);
      return true;
    }
  }
  return Give(fields, token, arena, values);
}

bool JsonShapes::ReadScalar(const std::vector<uint32_t>& fields, const char*& p, const char* end,
                            TextArena& arena, std::span<Value> values) {
  if (p == end) return false;
  const auto word = [&](std::string_view text) {
    if (!std::string_view(p, static_cast<size_t>(end - p)).starts_with(text)) return false;
    p += text.size();
    return Give(fields, text, arena, values);
  };
  switch (*p) {
    case '"':
      return ReadString(fields, p, end, arena, values);
    case 't':
      return word("true");
    case 'f':
      return word("false");
    case 'n':
      return word("null");
    default:
      return ReadNumber(fields, p, end, arena, values);
  }
}

bool JsonShapes::ReadAs(const Shape& shape, std::string_view text, TextArena& arena,
                        std::span<Value> values) {
  const char* p = text.data();
  const char* const end = p + text.size();
  for (const Slot& slot : shape.slots) {
    const std::string& before = slot.before;
    if (static_cast<size_t>(end - p) < before.size()) return false;
    if (!Same(p, before.data(), before.size())) return false;
    p += before.size();
    if (!ReadScalar(slot.fields, p, end, arena, values)) return false;
  }
  return std::string_view(p, static_cast<size_t>(end - p)) == shape.after;
}

bool JsonShapes::Read(std::string_view text, TextArena& arena, std::span<Value> values) {
  for (size_t i = 0; i < shapes_.size(); ++i) {
    if (ReadAs(shapes_[i], text, arena, values)) {
      if (i > 0)
        std::rotate(shapes_.begin(), shapes_.begin() + static_cast<ptrdiff_t>(i),
                    shapes_.begin() + static_cast<ptrdiff_t>(i) + 1);
      return true;
    }
    // It may have filled some.
    for (Value& value : values) value = Value::Absent();
    (void)reader_.TakeBadCount();
  }
  return false;
}

void JsonShapes::Learn(std::string_view text, std::span<const ScalarPlace> scalars) {
  if (!shapes_.empty() && ++unknown_ < kLearnEvery) return;
  unknown_ = 0;
  Shape shape;
  size_t at = 0;
  for (const ScalarPlace& scalar : scalars) {
    Slot& slot = shape.slots.emplace_back();
    slot.before = text.substr(at, scalar.begin - at);
    if (scalar.fields != nullptr) slot.fields = *scalar.fields;
    at = scalar.end;
  }
  shape.after = text.substr(at);
  // Known, and unread for what its scalars are (an escape).
  if (std::find(shapes_.begin(), shapes_.end(), shape) != shapes_.end()) return;
  if (shapes_.size() == kShapes) shapes_.pop_back();
  shapes_.insert(shapes_.begin(), std::move(shape));
}

}  // namespace freshet
