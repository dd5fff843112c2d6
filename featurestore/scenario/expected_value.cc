#include "featurestore/scenario/expected_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "featurestore/declare/scalar_forms.h"
#include "featurestore/model/packed.h"
#include "featurestore/scenario/json_text.h"

namespace freshet {
namespace {

std::optional<double> ReadNumber(const YamlNode& node) {
  if (node.text == "NaN" || node.text == ".nan") return std::numeric_limits<double>::quiet_NaN();
  return ReadReal(node.text);
}

bool Near(double expected, double got, double tolerance) {
  if (std::isnan(expected) || std::isnan(got)) return std::isnan(expected) && std::isnan(got);
  return std::abs(expected - got) <= tolerance * std::max(1.0, std::abs(expected));
}

std::string ScalarMistake(const YamlNode& expected, Type type) {
  if (expected.kind != YamlNode::Kind::kScalar) {
    return fmt::format("the feature is {}; write one value, or {{ status: … }}", TypeName(type));
  }
  const auto wrong = [&](std::string_view like) {
    return fmt::format("{} is no {}; write {}", expected.Shown(), TypeName(type), like);
  };
  switch (type) {
    case Type::kBool:
      return expected.text == "true" || expected.text == "false" ? "" : wrong("true or false");
    case Type::kInt64:
      return ReadInteger(expected.text).ok() ? "" : wrong("a whole number");
    case Type::kDouble:
    case Type::kFloat:
      return ReadNumber(expected) ? "" : wrong("a number");
    case Type::kTimestamp:
      return ParseTimestamp(expected.text) ? "" : wrong("2026-01-01T10:15:00Z");
    case Type::kBytes:
      return ReadBase64(expected.text) ? "" : wrong("base64");
    default:
      return "";
  }
}

bool ScalarMatches(const YamlNode& expected, Type type, const Value& got, double tolerance) {
  if (got.is_null()) return expected.kind == YamlNode::Kind::kNull;
  if (expected.kind != YamlNode::Kind::kScalar) return false;
  switch (got.kind()) {
    case Value::Kind::kBool:
      return expected.text == (got.as_bool() ? "true" : "false");
    case Value::Kind::kInt64: {
      const auto number = ReadInteger(expected.text);
      return number.ok() && *number == got.as_int64();
    }
    case Value::Kind::kDouble: {
      auto number = ReadNumber(expected);
      // 0.1 stands for the float next to it, which is what was stored and what `freshet get` prints as 0.1.
      if (number && type == Type::kFloat) number = static_cast<float>(*number);
      return number && Near(*number, got.as_double(), tolerance);
    }
    case Value::Kind::kTimestamp:
      return ParseTimestamp(expected.text) == got.as_time();
    case Value::Kind::kText: {
      if (type != Type::kBytes) return expected.text == got.as_text();
      const auto bytes = ReadBase64(expected.text);
      return bytes && *bytes == got.as_text();
    }
    default:
      return false;
  }
}

YamlNode KeyNode(const YamlEntry& entry) {
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.text = entry.key;
  return node;
}

bool MapMatches(const YamlNode& expected, Type type, PackedReader reader, double tolerance) {
  if (expected.kind != YamlNode::Kind::kMap || expected.entries.size() != reader.size())
    return false;
  for (uint32_t i = 0; i < reader.size(); ++i) {
    const Value key = reader.Next();
    const Value mapped = reader.Next();
    const auto found =
        std::find_if(expected.entries.begin(), expected.entries.end(), [&](const YamlEntry& entry) {
          return ScalarMatches(KeyNode(entry), ElementOf(type), key, 0);
        });
    if (found == expected.entries.end() ||
        !ScalarMatches(found->value, MappedOf(type), mapped, tolerance)) {
      return false;
    }
  }
  return reader.ok();
}

}  // namespace

std::string ValueMistake(const YamlNode& expected, Type type) {
  if (expected.kind == YamlNode::Kind::kNull || IsScalar(type)) {
    return expected.kind == YamlNode::Kind::kNull ? "" : ScalarMistake(expected, type);
  }
  if (IsMap(type)) {
    if (expected.kind != YamlNode::Kind::kMap)
      return fmt::format("the feature is {}; write a map", TypeName(type));
    for (const YamlEntry& entry : expected.entries) {
      if (std::string text = ScalarMistake(KeyNode(entry), ElementOf(type)); !text.empty())
        return text;
      if (std::string text = ScalarMistake(entry.value, MappedOf(type)); !text.empty()) return text;
    }
    return "";
  }
  if (expected.kind != YamlNode::Kind::kList)
    return fmt::format("the feature is {}; write a list", TypeName(type));
  for (const YamlNode& item : expected.items) {
    if (item.kind == YamlNode::Kind::kNull) continue;
    if (std::string text = ScalarMistake(item, ElementOf(type)); !text.empty()) return text;
  }
  return "";
}

bool Matches(const YamlNode& expected, Type type, const Value& got, double tolerance) {
  if (got.kind() != Value::Kind::kPacked) return ScalarMatches(expected, type, got, tolerance);
  PackedReader reader(got.as_packed());
  if (IsMap(reader.type())) return MapMatches(expected, reader.type(), reader, tolerance);
  if (expected.kind != YamlNode::Kind::kList || expected.items.size() != reader.size())
    return false;
  for (const YamlNode& item : expected.items) {
    if (!ScalarMatches(item, ElementOf(reader.type()), reader.Next(), tolerance)) return false;
  }
  return reader.ok();
}

std::string ShownValue(Type type, const Value& value) {
  if (value.kind() == Value::Kind::kTimestamp) return FormatTimestamp(value.as_time());
  if (value.kind() == Value::Kind::kText && type == Type::kBytes)
    return fmt::format("{} bytes", value.as_text().size());
  return ToDebugString(value);
}

std::string ShownValue(const YamlNode& expected) {
  if (expected.kind == YamlNode::Kind::kScalar)
    return expected.quoted ? fmt::format("\"{}\"", expected.text) : expected.text;
  std::string out;
  AppendJson(expected, out);
  return out;
}

}  // namespace freshet
