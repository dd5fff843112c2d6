// Types of fields and features, and one value of any of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "featurestore/base/time.h"

namespace freshet {

// Numbers are stored in catalogs and hashed into versions: never renumber.
enum class Type : uint8_t {
  kBool = 1,
  kInt64 = 2,
  kDouble = 3,
  kFloat = 4,  // a double, rounded to float when decoded
  kString = 5,
  kBytes = 6,  // in JSON: base64
  kTimestamp = 7,
};

std::string_view TypeName(Type type);  // as declarations write it: "int64"
std::optional<Type> TypeFromName(std::string_view name);
constexpr bool IsNumeric(Type t) {
  return t == Type::kInt64 || t == Type::kDouble || t == Type::kFloat;
}
constexpr bool IsText(Type t) { return t == Type::kString || t == Type::kBytes; }

// A value or null; 16 bytes, trivially copyable. Text is borrowed: valid as long as what it was read from.
class Value {
 public:
  enum class Kind : uint8_t { kNull, kBool, kInt64, kDouble, kText, kTimestamp };

  constexpr Value() = default;  // null
  static constexpr Value Bool(bool v) { return Value(Kind::kBool, v ? 1 : 0); }
  static constexpr Value Int64(int64_t v) { return Value(Kind::kInt64, v); }
  static constexpr Value Double(double v) {
    Value value;
    value.kind_ = Kind::kDouble;
    value.double_ = v;
    return value;
  }
  static constexpr Value Text(std::string_view v) {
    Value value;
    value.kind_ = Kind::kText;
    value.text_ = v.data();
    value.text_size_ = static_cast<uint32_t>(v.size());
    return value;
  }
  static constexpr Value Time(Timestamp v) { return Value(Kind::kTimestamp, v.us); }

  constexpr Kind kind() const { return kind_; }
  constexpr bool is_null() const { return kind_ == Kind::kNull; }
  // Each asks for the kind that the value has.
  constexpr bool as_bool() const { return int64_ != 0; }
  constexpr int64_t as_int64() const { return int64_; }
  constexpr double as_double() const { return double_; }
  constexpr std::string_view as_text() const { return {text_, text_size_}; }
  constexpr Timestamp as_time() const { return {int64_}; }
  // An int64 or a double, as a double.
  constexpr double number() const {
    return kind_ == Kind::kInt64 ? static_cast<double>(int64_) : double_;
  }

  // Same kind and same value; null equals null.
  friend bool operator==(const Value& a, const Value& b);
  // The order of min and max, within one kind: false < true, numbers, bytes of text, time.
  static int Compare(const Value& a, const Value& b);

 private:
  constexpr Value(Kind kind, int64_t v) : kind_(kind), int64_(v) {}

  Kind kind_ = Kind::kNull;
  uint32_t text_size_ = 0;
  // clang-tidy takes members of an anonymous union for public ones. NOLINTBEGIN(readability-identifier-naming)
  union {
    int64_t int64_ = 0;
    double double_;
    const char* text_;
  };
  // NOLINTEND(readability-identifier-naming)
};

// For people and logs: JSON's spelling, text quoted.
std::string ToDebugString(const Value& value);

}  // namespace freshet
