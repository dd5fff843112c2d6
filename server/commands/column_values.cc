#include "server/commands/column_values.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;

template <typename Number>
Number ReadAt(std::string_view bytes, size_t index) {
  Number number;
  std::memcpy(&number, bytes.data() + index * sizeof(Number), sizeof(Number));
  return number;
}

// JSON has no words for them.
Json NumberAsJson(double number) {
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
  return number;
}

// A float's shortest text, read back as a double: 0.1, not 0.10000000149011612.
Json FloatAsJson(float number) {
  if (!std::isfinite(number)) return NumberAsJson(number);
  return std::strtod(fmt::format("{}", number).c_str(), nullptr);
}

// n + 1 of them, beginning at 0, never falling, ending at most at `most`.
bool AreOffsets(std::string_view offsets, size_t n, size_t most) {
  if (offsets.size() != (n + 1) * sizeof(uint32_t) || ReadAt<uint32_t>(offsets, 0) != 0) {
    return false;
  }
  for (size_t i = 0; i < n; ++i) {
    if (ReadAt<uint32_t>(offsets, i) > ReadAt<uint32_t>(offsets, i + 1)) return false;
  }
  return ReadAt<uint32_t>(offsets, n) <= most;
}

// By the last offset.
size_t ElementsIn(std::string_view offsets) {
  return offsets.size() < sizeof(uint32_t)
             ? 0
             : ReadAt<uint32_t>(offsets, offsets.size() / sizeof(uint32_t) - 1);
}

}  // namespace

ColumnValues::ColumnValues(const v1::Column& column, Type type)
    : form_(column.values_case()), type_(type) {
  switch (form_) {
    case v1::Column::kInt64Le:
      bytes_ = column.int64_le();
      break;
    case v1::Column::kTimestampUsLe:
      bytes_ = column.timestamp_us_le();
      break;
    case v1::Column::kDoubleLe:
      bytes_ = column.double_le();
      break;
    case v1::Column::kFloatLe:
      bytes_ = column.float_le();
      break;
    case v1::Column::kBoolU8:
      bytes_ = column.bool_u8();
      break;
    case v1::Column::kText:
      bytes_ = column.text().data();
      offsets_ = column.text().offsets();
      break;
    default:
      break;
  }
}

std::optional<ColumnValues> ColumnValues::Of(const v1::Column& column, Type type, size_t size) {
  ColumnValues values(column, type);
  const auto of = [](const v1::Column& part, Type part_type,
                     size_t count) -> std::shared_ptr<const ColumnValues> {
    if (!IsScalar(part_type)) return nullptr;  // lists of lists are none of ours
    auto part_values = Of(part, part_type, count);
    return part_values ? std::make_shared<const ColumnValues>(*std::move(part_values)) : nullptr;
  };
  size_t elements = 0;
  switch (values.form_) {
    case v1::Column::kList:
      if (!IsList(type)) return std::nullopt;
      values.offsets_ = column.list().offsets();
      elements = ElementsIn(values.offsets_);
      values.nulls_ = column.list().elements().nulls();
      if (!values.nulls_.empty() && values.nulls_.size() != elements) return std::nullopt;
      values.elements_ = of(column.list().elements(), ElementOf(type), elements);
      break;
    case v1::Column::kFixedList:
      if (type != kFloatVector) return std::nullopt;
      values.vector_size_ = column.fixed_list().size();
      values.elements_ =
          of(column.fixed_list().elements(), Type::kFloat, size * values.vector_size_);
      return values.elements_ ? std::optional(std::move(values)) : std::nullopt;
    case v1::Column::kMap:
      if (!IsMap(type)) return std::nullopt;
      values.offsets_ = column.map().offsets();
      elements = ElementsIn(values.offsets_);
      values.elements_ = of(column.map().keys(), ElementOf(type), elements);
      values.mapped_ = of(column.map().values(), MappedOf(type), elements);
      if (!values.mapped_) return std::nullopt;
      break;
    default:
      return IsScalar(type) && values.Fits(size) ? std::optional(std::move(values)) : std::nullopt;
  }
  if (!values.elements_ || !AreOffsets(values.offsets_, size, elements)) return std::nullopt;
  return values;
}

bool ColumnValues::Fits(size_t size) const {
  switch (form_) {
    case v1::Column::kBoolU8:
      return bytes_.size() == size;
    case v1::Column::kFloatLe:
      return bytes_.size() == size * sizeof(float);
    case v1::Column::kText:
      return AreOffsets(offsets_, size, bytes_.size());
    case v1::Column::kInt64Le:
    case v1::Column::kTimestampUsLe:
    case v1::Column::kDoubleLe:
      return bytes_.size() == size * sizeof(int64_t);
    default:
      return false;
  }
}

Json ColumnValues::At(size_t index) const {
  switch (form_) {
    case v1::Column::kInt64Le:
      return ReadAt<int64_t>(bytes_, index);
    case v1::Column::kTimestampUsLe:
      return FormatTimestamp({ReadAt<int64_t>(bytes_, index)});
    case v1::Column::kDoubleLe:
      return NumberAsJson(ReadAt<double>(bytes_, index));
    case v1::Column::kFloatLe:
      return FloatAsJson(ReadAt<float>(bytes_, index));
    case v1::Column::kBoolU8:
      return bytes_[index] != 0;
    case v1::Column::kText:
      return TextAt(index);
    default:
      return ListAt(index);
  }
}

Json ColumnValues::TextAt(size_t index) const {
  const uint32_t begin = ReadAt<uint32_t>(offsets_, index);
  const std::string_view text = bytes_.substr(begin, ReadAt<uint32_t>(offsets_, index + 1) - begin);
  if (type_ != Type::kBytes) return std::string(text);
  std::string encoded;
  absl::Base64Escape(absl::string_view(text.data(), text.size()), &encoded);
  return encoded;
}

Json ColumnValues::ListAt(size_t index) const {
  size_t begin = index * vector_size_;
  size_t end = begin + vector_size_;
  if (!offsets_.empty()) {
    begin = ReadAt<uint32_t>(offsets_, index);
    end = ReadAt<uint32_t>(offsets_, index + 1);
  }
  Json json = mapped_ ? Json::object() : Json::array();
  for (size_t i = begin; i < end; ++i) {
    if (mapped_) {
      const Json key = elements_->At(i);
      json[key.is_string() ? key.get<std::string>() : key.dump()] = mapped_->At(i);
    } else {
      json.push_back(!nulls_.empty() && nulls_[i] != 0 ? Json(nullptr) : elements_->At(i));
    }
  }
  return json;
}

}  // namespace freshet
