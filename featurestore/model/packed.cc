#include "featurestore/model/packed.h"

#include <array>
#include <bit>

namespace freshet {
namespace {

void Write(Type type, const Value& value, ByteWriter& out) {
  if (IsText(type)) {
    if (value.is_null()) return out.Varint(0);
    out.Varint(value.as_text().size() + 1);
    return out.Raw(value.as_text());
  }
  if (type == Type::kBool) return out.Byte(value.is_null() ? 2 : value.as_bool() ? 1 : 0);
  out.Byte(value.is_null() ? 0 : 1);
  if (value.is_null()) return;
  out.Fixed64(value.kind() == Value::Kind::kDouble      ? std::bit_cast<uint64_t>(value.as_double())
              : value.kind() == Value::Kind::kTimestamp ? static_cast<uint64_t>(value.as_time().us)
                                                        : static_cast<uint64_t>(value.as_int64()));
}

Value Read(Type type, ByteReader& in) {
  if (IsText(type)) {
    const uint64_t size = in.Varint();
    return size == 0 ? Value() : Value::Text(in.Raw(size - 1));
  }
  const uint8_t mark = in.Byte();
  if (type == Type::kBool) return mark > 1 ? Value() : Value::Bool(mark == 1);
  if (mark == 0) return {};
  const uint64_t bits = in.Fixed64();
  if (type == Type::kInt64) return Value::Int64(static_cast<int64_t>(bits));
  if (type == Type::kTimestamp) return Value::Time({static_cast<int64_t>(bits)});
  return Value::Double(std::bit_cast<double>(bits));
}

}  // namespace

PackedWriter::PackedWriter(Type type, uint32_t size, std::string& out) : type_(type), out_(out) {
  out_.Byte(static_cast<uint8_t>(type));
  out_.Varint(size);
}

void PackedWriter::Add(const Value& element) {
  if (type_ == kFloatVector) {
    return out_.Fixed32(std::bit_cast<uint32_t>(static_cast<float>(element.number())));
  }
  Write(ElementOf(type_), element, out_);
}

void PackedWriter::AddEntry(const Value& key, const Value& mapped) {
  Write(ElementOf(type_), key, out_);
  Write(MappedOf(type_), mapped, out_);
}

PackedReader::PackedReader(std::string_view packed)
    : in_(packed), type_(static_cast<Type>(in_.Byte())), size_(0) {
  const uint64_t size = in_.Varint();
  // An element takes at least a byte.
  if (size <= in_.remaining()) {
    size_ = static_cast<uint32_t>(size);
  } else {
    in_.MarkBad();
  }
}

Value PackedReader::Next() {
  if (type_ == kFloatVector) {
    return Value::Double(static_cast<double>(std::bit_cast<float>(in_.Fixed32())));
  }
  const Type type = mapped_next_ ? MappedOf(type_) : ElementOf(type_);
  if (IsMap(type_)) mapped_next_ = !mapped_next_;
  return Read(type, in_);
}

Value EmptyPacked(Type type) {
  static constexpr auto kEmpty = [] {
    std::array<std::array<char, 2>, 128> made{};
    for (size_t t = 0; t < made.size(); ++t) made[t] = {static_cast<char>(t), 0};
    return made;
  }();
  return Value::Packed({kEmpty[static_cast<size_t>(type) % kEmpty.size()].data(), 2});
}

std::string PackedToDebugString(std::string_view packed) {
  PackedReader in(packed);
  const bool map = IsMap(in.type());
  std::string text = map ? "{" : "[";
  for (uint32_t i = 0; i < in.size(); ++i) {
    if (i > 0) text += ", ";
    text += ToDebugString(in.Next());
    if (map) text += ": " + ToDebugString(in.Next());
  }
  return text + (map ? "}" : "]");
}

}  // namespace freshet
