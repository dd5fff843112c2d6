#include "featurestore/scenario/request_keys.h"

#include <cstring>

#include "featurestore/declare/scalar_forms.h"

namespace freshet {

RequestKeys::RequestKeys(const Plan& plan,
                         const std::vector<std::pair<std::string, YamlNode>>& keys) {
  for (const auto& [name, node] : keys) {
    Type type = Type::kString;
    for (const PlanKey& key : plan.keys) {
      if (key.name == name) type = key.type;
    }
    RequestColumn column = ColumnOf(node, type);
    column.name = name;
    columns_.push_back(column);
  }
}

RequestColumn RequestKeys::ColumnOf(const YamlNode& node, Type type) {
  RequestColumn column;
  const auto packed = [&](RequestColumn::Form form, std::string_view wire_name, std::string bytes) {
    column.form = form;
    column.wire_name = wire_name;
    column.packed = texts_.emplace_back(std::move(bytes));
    return column;
  };
  if (node.kind != YamlNode::Kind::kNull) {
    if (const auto number = ReadInteger(node.text); type == Type::kInt64 && number.ok()) {
      std::string bytes(8, '\0');
      std::memcpy(bytes.data(), &*number, 8);
      return packed(RequestColumn::Form::kInt64, "int64_le", std::move(bytes));
    }
    if (type == Type::kBool && (node.text == "true" || node.text == "false")) {
      return packed(RequestColumn::Form::kBool, "bool_u8",
                    std::string(1, node.text == "true" ? '\1' : '\0'));
    }
  }
  column.form = RequestColumn::Form::kStrings;
  column.wire_name = "strings";
  column.strings = {&pointers_.emplace_back(&texts_.emplace_back(node.text)), 1};
  if (node.kind == YamlNode::Kind::kNull) column.nulls = std::string_view("\1", 1);
  return column;
}

}  // namespace freshet
