#include "featurestore/serve/answer_lists.h"

#include <cstring>
#include <limits>

#include "featurestore/model/packed.h"
#include "featurestore/serve/packed_column.h"

namespace freshet {
namespace {

template <typename T>
void Append(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

// Where an element is null its place holds 0, NaN or an empty text.
void AppendElement(Type type, const Value& value, AnswerColumn& column) {
  const bool null = value.is_null();
  switch (type) {
    case Type::kBool:
      column.values.push_back(!null && value.as_bool() ? '\1' : '\0');
      return;
    case Type::kInt64:
      return Append(column.values, null ? int64_t{0} : value.as_int64());
    case Type::kTimestamp:
      return Append(column.values, null ? int64_t{0} : value.as_time().us);
    case Type::kDouble:
      return Append(column.values,
                    null ? std::numeric_limits<double>::quiet_NaN() : value.number());
    case Type::kFloat:
      return Append(column.values, null ? std::numeric_limits<float>::quiet_NaN()
                                        : static_cast<float>(value.number()));
    case Type::kString:
    case Type::kBytes:
      if (!null) column.values.append(value.as_text());
      return Append(column.element_offsets, static_cast<uint32_t>(column.values.size()));
  }
}

uint32_t CountOf(Type element, const AnswerColumn& column) {
  if (IsText(element)) return static_cast<uint32_t>(column.element_offsets.size() / 4 - 1);
  return static_cast<uint32_t>(column.values.size() / FixedBytes(element));
}

}  // namespace

bool AppendPacked(Type type, const Value& value, AnswerColumn& column) {
  const Type element = ElementOf(type);
  if (!value.is_null()) {
    if (value.kind() != Value::Kind::kPacked) return false;
    PackedReader in(value.as_packed());
    if (in.type() != type) return false;
    const uint32_t before = CountOf(element, column);
    for (uint32_t i = 0; i < in.size(); ++i) {
      const Value one = in.Next();
      AppendElement(element, one, column);
      if (IsMap(type)) {
        const Value mapped = in.Next();
        if (one.is_null() || mapped.is_null()) return false;
        if (MappedOf(type) == Type::kInt64) {
          Append(column.mapped, mapped.as_int64());
        } else {
          Append(column.mapped, mapped.as_double());
        }
      } else if (one.is_null() && column.nulls.empty()) {
        column.nulls.assign(before + i, '\0');
        column.nulls.push_back('\1');
      } else if (!column.nulls.empty()) {
        column.nulls.push_back(one.is_null() ? '\1' : '\0');
      }
    }
    if (!in.ok()) return false;
  }
  Append(column.offsets, CountOf(element, column));
  return true;
}

bool PutVector(const Value& value, uint32_t size, char* out) {
  if (value.is_null()) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    for (uint32_t i = 0; i < size; ++i) std::memcpy(out + 4 * size_t{i}, &nan, 4);
    return true;
  }
  if (value.kind() != Value::Kind::kPacked) return false;
  // Its floats stand at the end, little-endian already.
  const std::string_view bytes = value.as_packed();
  const PackedReader in(bytes);
  const size_t width = 4 * size_t{size};
  const size_t header = 1 + (size < 1u << 7 ? 1 : size < 1u << 14 ? 2 : 3);
  if (!in.ok() || in.type() != kFloatVector || in.size() != size ||
      bytes.size() != header + width) {
    return false;
  }
  std::memcpy(out, bytes.data() + bytes.size() - width, width);
  return true;
}

ElementRange ElementsOf(Type type, uint32_t vector_size, const AnswerColumn& column, size_t row) {
  const size_t i = column.broadcast ? 0 : row;
  if (type == kFloatVector) {
    return {static_cast<uint32_t>(i * vector_size), static_cast<uint32_t>((i + 1) * vector_size)};
  }
  return {LoadLe<uint32_t>(column.offsets, i), LoadLe<uint32_t>(column.offsets, i + 1)};
}

Value ElementAt(Type type, const AnswerColumn& column, uint32_t element) {
  if (!column.nulls.empty() && column.nulls[element] != 0) return {};
  switch (ElementOf(type)) {
    case Type::kBool:
      return Value::Bool(column.values[element] != 0);
    case Type::kInt64:
      return Value::Int64(LoadLe<int64_t>(column.values, element));
    case Type::kTimestamp:
      return Value::Time({LoadLe<int64_t>(column.values, element)});
    case Type::kDouble:
      return Value::Double(LoadLe<double>(column.values, element));
    case Type::kFloat:
      return Value::Double(LoadLe<float>(column.values, element));
    case Type::kString:
    case Type::kBytes: {
      const auto begin = LoadLe<uint32_t>(column.element_offsets, element);
      const auto end = LoadLe<uint32_t>(column.element_offsets, element + 1);
      return Value::Text(std::string_view(column.values).substr(begin, end - begin));
    }
  }
  return {};
}

Value MappedAt(Type type, const AnswerColumn& column, uint32_t element) {
  if (MappedOf(type) == Type::kInt64) {
    return Value::Int64(LoadLe<int64_t>(column.mapped, element));
  }
  return Value::Double(LoadLe<double>(column.mapped, element));
}

size_t ListBytes(Type type, const AnswerColumn& column, size_t values) {
  const auto elements = LoadLe<uint32_t>(column.offsets, values);
  size_t bytes = 4 * (values + 1) + (column.nulls.empty() ? 0 : elements);
  if (IsMap(type)) bytes += 8 * size_t{elements};
  const Type element = ElementOf(type);
  if (!IsText(element)) return bytes + FixedBytes(element) * elements;
  return bytes + 4 * (size_t{elements} + 1) + LoadLe<uint32_t>(column.element_offsets, elements);
}

}  // namespace freshet
