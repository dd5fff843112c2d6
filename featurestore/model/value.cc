#include "featurestore/model/value.h"

#include <fmt/format.h>

#include <utility>

#include "featurestore/model/packed.h"

namespace freshet {
namespace {

constexpr std::pair<Type, std::string_view> kTypeNames[] = {
    {Type::kBool, "bool"},
    {Type::kInt64, "int64"},
    {Type::kDouble, "double"},
    {Type::kFloat, "float"},
    {Type::kString, "string"},
    {Type::kBytes, "bytes"},
    {Type::kTimestamp, "timestamp"},
    {ListOf(Type::kBool), "list<bool>"},
    {ListOf(Type::kInt64), "list<int64>"},
    {ListOf(Type::kDouble), "list<double>"},
    {ListOf(Type::kFloat), "list<float>"},
    {ListOf(Type::kString), "list<string>"},
    {ListOf(Type::kBytes), "list<bytes>"},
    {ListOf(Type::kTimestamp), "list<timestamp>"},
    {MapOf(Type::kBool, false), "map<bool, int64>"},
    {MapOf(Type::kInt64, false), "map<int64, int64>"},
    {MapOf(Type::kDouble, false), "map<double, int64>"},
    {MapOf(Type::kFloat, false), "map<float, int64>"},
    {MapOf(Type::kString, false), "map<string, int64>"},
    {MapOf(Type::kBytes, false), "map<bytes, int64>"},
    {MapOf(Type::kTimestamp, false), "map<timestamp, int64>"},
    {MapOf(Type::kBool, true), "map<bool, double>"},
    {MapOf(Type::kInt64, true), "map<int64, double>"},
    {MapOf(Type::kDouble, true), "map<double, double>"},
    {MapOf(Type::kFloat, true), "map<float, double>"},
    {MapOf(Type::kString, true), "map<string, double>"},
    {MapOf(Type::kBytes, true), "map<bytes, double>"},
    {MapOf(Type::kTimestamp, true), "map<timestamp, double>"},
    {kFloatVector, "list<float>[]"},
};

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
    case Kind::kPacked:
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
    case Value::Kind::kPacked:
      return PackedToDebugString(value.as_packed());
  }
  return "?";
}

}  // namespace freshet
