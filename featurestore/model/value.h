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
  // 16 + the element's type: lists. 32 + the key's type: maps to int64; 48 + it: maps to double. 64: kFloatVector.
};
inline constexpr Type kFloatVector =
    Type{64};  // list<float>[N]: embeddings; N stands beside the type

// Every type that is made of others is one of these; none nests.
constexpr Type ListOf(Type element) { return static_cast<Type>(16 + static_cast<int>(element)); }
constexpr Type MapOf(Type key, bool to_double) {
  return static_cast<Type>((to_double ? 48 : 32) + static_cast<int>(key));
}
constexpr bool IsList(Type t) { return t > Type{16} && t < Type{32}; }
constexpr bool IsMap(Type t) { return t > Type{32} && t < Type{64}; }
constexpr bool IsScalar(Type t) { return t < Type{16}; }
// Of a list its element's, of a map its key's; of a vector float.
constexpr Type ElementOf(Type t) {
  return t == kFloatVector ? Type::kFloat : static_cast<Type>(static_cast<int>(t) % 16);
}
constexpr Type MappedOf(Type t) { return t > Type{48} ? Type::kDouble : Type::kInt64; }

// As declarations write it: "int64", "list<string>", "map<string, double>", "list<float>[]".
std::string_view TypeName(Type type);
std::optional<Type> TypeFromName(std::string_view name);
constexpr bool IsNumeric(Type t) {
  return t == Type::kInt64 || t == Type::kDouble || t == Type::kFloat;
}
constexpr bool IsText(Type t) { return t == Type::kString || t == Type::kBytes; }

// A value or null; 16 bytes, trivially copyable. Text and packed bytes are borrowed: valid as long as what they were read from.
class Value {
 public:
  // kPacked: a list, vector or map, as packed.h writes it.
  enum class Kind : uint8_t { kNull, kBool, kInt64, kDouble, kText, kTimestamp, kPacked };

  constexpr Value() = default;  // null
  // A field that its record does not have: null to everyone but latest-value views, which leave what they hold.
  static constexpr Value Absent() {
    Value value;
    value.text_size_ = 1;
    return value;
  }
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
  static constexpr Value Packed(std::string_view bytes) {
    Value value = Text(bytes);
    value.kind_ = Kind::kPacked;
    return value;
  }
  static constexpr Value Time(Timestamp v) { return Value(Kind::kTimestamp, v.us); }

  constexpr Kind kind() const { return kind_; }
  constexpr bool is_null() const { return kind_ == Kind::kNull; }
  constexpr bool is_absent() const { return kind_ == Kind::kNull && text_size_ == 1; }
  // Each asks for the kind that the value has.
  constexpr bool as_bool() const { return int64_ != 0; }
  constexpr int64_t as_int64() const { return int64_; }
  constexpr double as_double() const { return double_; }
  constexpr std::string_view as_text() const { return {text_, text_size_}; }
  constexpr std::string_view as_packed() const { return {text_, text_size_}; }
  constexpr Timestamp as_time() const { return {int64_}; }
  // An int64 or a double, as a double.
  constexpr double number() const {
    return kind_ == Kind::kInt64 ? static_cast<double>(int64_) : double_;
  }

  // Same kind and same value; null equals null, absent or not.
  friend bool operator==(const Value& a, const Value& b);
  // The order of min and max, within one kind: false < true, numbers, bytes of text, time. Of packed ones only equality means
  // something.
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
