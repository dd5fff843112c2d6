#include "featurestore/scenario/request_keys.h"

#include <cstring>

#include "featurestore/declare/scalar_forms.h"

namespace freshet {

RequestKeys::RequestKeys(const Plan& plan, const Named& keys, const Named& inputs) {
  Add(keys, plan.keys, columns_);
  Add(inputs, plan.inputs, inputs_);
}

void RequestKeys::Add(const Named& given, std::span<const PlanKey> planned,
                      std::vector<RequestColumn>& to) {
  for (const auto& [name, node] : given) {
    Type type = Type::kString;
    for (const PlanKey& key : planned) {
      if (key.name == name) type = key.type;
    }
    RequestColumn column = ColumnOf(node, type);
    column.name = name;
    to.push_back(column);
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
  const bool null = node.kind == YamlNode::Kind::kNull;
  if (null) column.nulls = std::string_view("\1", 1);
  const auto eight_bytes = [](const auto& number) {
    std::string bytes(8, '\0');
    std::memcpy(bytes.data(), &number, 8);
    return bytes;
  };
  if (type == Type::kDouble || type == Type::kFloat) {
    if (const auto number = null ? std::optional<double>(0) : ReadReal(node.text)) {
      return packed(RequestColumn::Form::kDouble, "double_le", eight_bytes(*number));
    }
  } else if (type == Type::kInt64) {
    if (const auto number = null ? StatusOr<int64_t>(0) : ReadInteger(node.text); number.ok()) {
      return packed(RequestColumn::Form::kInt64, "int64_le", eight_bytes(*number));
    }
  } else if (type == Type::kBool) {
    if (null || node.text == "true" || node.text == "false") {
      return packed(RequestColumn::Form::kBool, "bool_u8",
                    std::string(1, node.text == "true" ? '\1' : '\0'));
    }
  }
  const auto bytes = type == Type::kBytes ? ReadBase64(node.text) : std::nullopt;
  column.form = RequestColumn::Form::kStrings;
  column.wire_name = "strings";
  column.strings = {&pointers_.emplace_back(&texts_.emplace_back(bytes.value_or(node.text))), 1};
  return column;
}

}  // namespace freshet
