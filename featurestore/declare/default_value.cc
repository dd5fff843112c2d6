#include "featurestore/declare/default_value.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>

#include "featurestore/declare/scalar_forms.h"
#include "featurestore/model/packed.h"

namespace freshet {
namespace {

// What YAML reads as something else than text where it stands without quotes: 7, 1.5e3, 0x1f, true, .inf.
bool ReadsAsOther(const YamlNode& node) {
  if (node.quoted) return false;
  std::string lower(node.text);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  if (lower == "true" || lower == "false") return true;
  const std::string_view number =
      std::string_view(lower).substr(lower.find_first_of("+-") == 0 ? 1 : 0);
  if (number == ".inf" || lower == ".nan") return true;
  if (number.size() > 2 && (number.starts_with("0x") || number.starts_with("0o"))) {
    return number.find_first_not_of("0123456789abcdef", 2) == std::string_view::npos;
  }
  return ReadReal(node.text).has_value();
}

}  // namespace

std::optional<DefaultValue> ReadDefault(const YamlNode& node, Type type) {
  if (!IsScalar(type)) {
    const bool fits = IsMap(type)    ? node.kind == YamlNode::Kind::kMap && node.entries.empty()
                      : IsList(type) ? node.kind == YamlNode::Kind::kList && node.items.empty()
                                     : false;
    if (!fits) return std::nullopt;
    std::string packed;
    PackedWriter(type, 0, packed);
    return DefaultValue(std::move(packed));
  }
  if (node.kind != YamlNode::Kind::kScalar) return std::nullopt;
  switch (type) {
    case Type::kBool:
      if (node.quoted || (node.text != "true" && node.text != "false")) return std::nullopt;
      return DefaultValue(node.text == "true");
    case Type::kInt64: {
      const auto value = ReadInteger(node.text);
      if (node.quoted || !value.ok()) return std::nullopt;
      return DefaultValue(*value);
    }
    case Type::kDouble:
    case Type::kFloat: {
      const auto value = node.quoted ? std::nullopt : ReadReal(node.text);
      if (!value) return std::nullopt;
      if (type == Type::kDouble) return DefaultValue(*value);
      // Beyond the greatest float the conversion has no defined result.
      if (std::fabs(*value) > std::numeric_limits<float>::max()) return std::nullopt;
      return DefaultValue(static_cast<double>(static_cast<float>(*value)));
    }
    case Type::kString:
      if (ReadsAsOther(node)) return std::nullopt;
      return DefaultValue(node.text);
    case Type::kBytes:
      if (auto bytes = ReadBase64(node.text)) return DefaultValue(*std::move(bytes));
      return std::nullopt;
    case Type::kTimestamp:
      if (const auto time = ParseTimestamp(node.text)) return DefaultValue(*time);
      return std::nullopt;
  }
  return std::nullopt;
}

std::string_view ExampleOf(Type type) {
  switch (type) {
    case Type::kBool:
      return "true or false";
    case Type::kInt64:
      return "a whole number";
    case Type::kDouble:
      return "a number";
    case Type::kFloat:
      return "a number up to 3.4e38";
    case Type::kString:
      return "a text, in quotes where it looks like something else";
    case Type::kBytes:
      return "bytes in base64";
    case Type::kTimestamp:
      return "a time such as 2013-01-01T00:00:00Z";
  }
  if (IsMap(type)) return "{}, the empty map";
  if (IsList(type)) return "[], the empty list";
  return "none: a vector without a value is NaN in all its elements";
}

std::string ShownDefault(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kList) return node.items.empty() ? "[]" : "[…]";
  if (node.kind == YamlNode::Kind::kMap) return node.entries.empty() ? "{}" : "{…}";
  return node.Shown();
}

}  // namespace freshet
