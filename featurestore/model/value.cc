#include "featurestore/model/value.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace freshet {
namespace {

constexpr std::array<std::pair<Type, std::string_view>, 7> kTypeNames = {{
    {Type::kBool, "bool"},
    {Type::kInt64, "int64"},
    {Type::kDouble, "double"},
    {Type::kFloat, "float"},
    {Type::kString, "string"},
    {Type::kBytes, "bytes"},
    {Type::kTimestamp, "timestamp"},
}};

static_assert(sizeof(Value) == 16);

template <typename T>
int ThreeWay(const T& a, const T& b) {
  return a < b ? -1 : (b < a ? 1 : 0);
}

}  // namespace

std::string_view TypeName(Type type) {
  for (const auto& [candidate, name] : kTypeNames) {
    if (candidate == type) return name;
  }
  return "?";
}

std::optional<Type> TypeFromName(std::string_view name) {
  for (const auto& [type, candidate] : kTypeNames) {
    if (candidate == name) return type;
  }
  return std::nullopt;
}

bool operator==(const Value& a, const Value& b) {
  return a.kind_ == b.kind_ && Value::Compare(a, b) == 0;
}

int Value::Compare(const Value& a, const Value& b) {
  switch (a.kind_) {
    case Kind::kNull:
      return 0;
    case Kind::kDouble:
      return ThreeWay(a.double_, b.double_);
    case Kind::kText:
      return ThreeWay(a.as_text(), b.as_text());
    default:
      return ThreeWay(a.int64_, b.int64_);
  }
}

std::string ToDebugString(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      return "null";
    case Value::Kind::kBool:
      return value.as_bool() ? "true" : "false";
    case Value::Kind::kInt64:
      return fmt::format("{}", value.as_int64());
    case Value::Kind::kDouble:
      return fmt::format("{}", value.as_double());
    case Value::Kind::kText:
      return fmt::format("\"{}\"", value.as_text());
    case Value::Kind::kTimestamp:
      return FormatTimestamp(value.as_time());
  }
  return "?";
}

}  // namespace freshet
