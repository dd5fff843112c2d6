#include "featurestore/model/entity_key.h"

#include "featurestore/base/coding.h"

namespace freshet {

bool AppendEntityKey(std::span<const Value> values, std::string& out) {
  const size_t before = out.size();
  ByteWriter writer(out);
  for (const Value& value : values) {
    switch (value.kind()) {
      case Value::Kind::kText:
        writer.OrderedText(value.as_text());
        break;
      case Value::Kind::kInt64:
        writer.Ordered64(value.as_int64());
        break;
      case Value::Kind::kTimestamp:
        writer.Ordered64(value.as_time().us);
        break;
      case Value::Kind::kBool:
        writer.Byte(value.as_bool() ? 1 : 0);
        break;
      case Value::Kind::kNull:
      case Value::Kind::kDouble:  // declarations refuse these as keys
      case Value::Kind::kPacked:
        out.resize(before);
        return false;
    }
  }
  return true;
}

StatusOr<EntityKeyValues> ParseEntityKey(std::span<const Type> types, std::string_view bytes) {
  EntityKeyValues key;
  key.texts.reserve(types.size());
  ByteReader reader(bytes);
  for (const Type type : types) {
    switch (type) {
      case Type::kString:
      case Type::kBytes:
        key.texts.push_back(reader.OrderedText());
        key.values.push_back(Value::Text(key.texts.back()));
        break;
      case Type::kInt64:
        key.values.push_back(Value::Int64(reader.Ordered64()));
        break;
      case Type::kTimestamp:
        key.values.push_back(Value::Time({reader.Ordered64()}));
        break;
      case Type::kBool:
        key.values.push_back(Value::Bool(reader.Byte() != 0));
        break;
      case Type::kDouble:
      case Type::kFloat:
        return Internal("a key of type {} cannot be", TypeName(type));
    }
  }
  if (!reader.AtEnd()) return DataLoss("an entity key of {} bytes is damaged", bytes.size());
  return key;
}

}  // namespace freshet
