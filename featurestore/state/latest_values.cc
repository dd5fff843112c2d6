#include "featurestore/state/latest_values.h"

#include <cmath>

#include "featurestore/aggregate/time_span.h"
#include "featurestore/model/packed.h"

namespace freshet {
namespace {

// The first byte of all, for what may have to stand before the fields one day.
constexpr uint8_t kNothingBefore = 0;

// Of a field.
constexpr uint8_t kNeverSet = 0;
constexpr uint8_t kNull = 1;
constexpr uint8_t kValue = 2;
constexpr uint8_t kSamePosition = 4;  // beside kNull and kValue: as that of the field before

constexpr uint64_t kPositionMax = 9 + 5 + 5 + 10;

void WriteValue(Type type, const Value& value, Timestamp newest, ByteWriter& out) {
  switch (type) {
    case Type::kBool:
      return out.Byte(value.as_bool() ? 1 : 0);
    case Type::kInt64:
      return out.Signed(value.as_int64());
    case Type::kDouble:
    case Type::kFloat:
      return out.Double(value.as_double());
    case Type::kTimestamp:
      return WriteTimeSpan(out, newest - value.as_time());
    case Type::kString:
    case Type::kBytes:
      return out.LengthPrefixed(value.as_text());
  }
  out.LengthPrefixed(value.as_packed());
}

bool IsPackedOf(const LatestLayout::Field& field, std::string_view bytes) {
  const PackedReader in(bytes);
  if (!in.ok() || in.type() != field.type) return false;
  return field.type != kFloatVector || in.size() == field.vector_size;
}

Value ReadValue(const LatestLayout::Field& field, Timestamp newest, ByteReader& in) {
  switch (field.type) {
    case Type::kBool: {
      const uint8_t bit = in.Byte();
      if (bit > 1) in.MarkBad();
      return Value::Bool(bit == 1);
    }
    case Type::kInt64:
      return Value::Int64(in.Signed());
    case Type::kDouble:
    case Type::kFloat: {
      const double number = in.Double();
      if (!std::isfinite(number)) in.MarkBad();
      return Value::Double(number);
    }
    case Type::kTimestamp: {
      int64_t us = 0;
      const Duration before = ReadTimeSpan(in);
      if (__builtin_sub_overflow(newest.us, before.us, &us) || us < kMinEventTime.us ||
          us > kMaxEventTime.us) {
        in.MarkBad();
        us = 0;
      }
      return Value::Time({us});
    }
    case Type::kString:
    case Type::kBytes:
      return Value::Text(in.LengthPrefixed());
  }
  const std::string_view packed = in.LengthPrefixed();
  if (!IsPackedOf(field, packed)) in.MarkBad();
  return Value::Packed(packed);
}

void WritePosition(const Position& position, Timestamp newest, ByteWriter& out) {
  WriteTimeSpan(out, newest - position.time);
  out.Varint(position.at.incarnation);
  out.Signed(position.at.partition);
  out.Signed(position.at.offset);
}

Position ReadPosition(Timestamp newest, ByteReader& in) {
  Position position;
  const Duration before = ReadTimeSpan(in);
  const uint64_t incarnation = in.Varint();
  const int64_t partition = in.Signed();
  position.at.offset = in.Signed();
  if (before < Duration{} || before > newest - kMinEventTime || incarnation > UINT32_MAX ||
      partition < INT32_MIN || partition > INT32_MAX) {
    in.MarkBad();
    return position;
  }
  position.time = newest - before;
  position.at.incarnation = static_cast<uint32_t>(incarnation);
  position.at.partition = static_cast<int32_t>(partition);
  return position;
}

uint64_t ValueMax(const LatestLayout::Field& field, uint64_t text_bytes) {
  switch (field.type) {
    case Type::kBool:
      return 1;
    case Type::kInt64:
    case Type::kTimestamp:
      return 10;
    case Type::kDouble:
    case Type::kFloat:
      return 9;
    default:
      return field.type == kFloatVector ? 7 + 4 * uint64_t{field.vector_size} : 1 + text_bytes;
  }
}

}  // namespace

uint64_t LatestLayout::encoded_max(uint64_t text_bytes) const {
  uint64_t bytes = 1;
  for (const Field& field : fields) bytes += 1 + kPositionMax + ValueMax(field, text_bytes);
  return bytes;
}

uint64_t LatestLayout::encoded_one(uint64_t text_bytes) const {
  uint64_t bytes = 1 + kPositionMax;
  for (const Field& field : fields) bytes += 1 + ValueMax(field, text_bytes);
  return bytes;
}

bool LatestValues::Apply(const Event& event) {
  bool changed = false;
  const Position position = event.position();
  for (size_t i = 0; i < fields_.size(); ++i) {
    const Value& value = event.fields[layout_.fields[i].field];
    Kept& kept = fields_[i];
    if (value.is_absent() || (kept.set && position <= kept.at)) continue;
    kept.set = true;
    kept.at = position;
    kept.value = value;
    if (value.kind() == Value::Kind::kText) {
      kept.owned = value.as_text();
      kept.value = Value::Text(kept.owned);
    } else if (value.kind() == Value::Kind::kPacked) {
      kept.owned = value.as_packed();
      kept.value = Value::Packed(kept.owned);
    }
    changed = true;
  }
  return changed;
}

void LatestValues::Delete(Timestamp time) {
  for (Kept& kept : fields_) {
    if (kept.set && kept.at.time <= time) kept = Kept();
  }
}

void LatestValues::Encode(ByteWriter& out, Timestamp newest) const {
  out.Byte(kNothingBefore);
  const Position* before = nullptr;
  for (size_t i = 0; i < fields_.size(); ++i) {
    const Kept& kept = fields_[i];
    if (!kept.set) {
      out.Byte(kNeverSet);
      continue;
    }
    const bool same = before != nullptr && *before == kept.at;
    out.Byte((kept.value.is_null() ? kNull : kValue) | (same ? kSamePosition : 0));
    if (!same) WritePosition(kept.at, newest, out);
    before = &kept.at;
    if (!kept.value.is_null()) WriteValue(layout_.fields[i].type, kept.value, newest, out);
  }
}

void LatestValues::Decode(ByteReader& in, Timestamp newest) {
  if (in.Byte() != kNothingBefore) in.MarkBad();
  const Position* before = nullptr;
  for (size_t i = 0; i < fields_.size() && in.ok(); ++i) {
    const uint8_t how = in.Byte();
    if (how == kNeverSet) continue;
    Kept& kept = fields_[i];
    kept.set = true;
    const bool same = (how & kSamePosition) != 0;
    const uint8_t what = how & ~kSamePosition;
    if ((what != kNull && what != kValue) || (same && before == nullptr)) return in.MarkBad();
    kept.at = same ? *before : ReadPosition(newest, in);
    // One writing a row.
    if (!same && before != nullptr && *before == kept.at) return in.MarkBad();
    before = &kept.at;
    kept.value = what == kNull ? Value() : ReadValue(layout_.fields[i], newest, in);
  }
}

Cell LatestValues::Finish(uint32_t index, Timestamp q, const std::optional<Duration>& ttl) const {
  const Kept& kept = fields_[index];
  const bool expired = kept.set && ttl && q - kept.at.time > *ttl;
  if (!kept.set || expired || kept.value.is_null()) return {.status = CellStatus::kNullValue};
  return {.status = CellStatus::kPresent, .value = kept.value};
}

size_t LatestValues::memory_bytes() const {
  size_t total = sizeof(LatestValues) + fields_.capacity() * sizeof(Kept);
  for (const Kept& kept : fields_) total += kept.owned.capacity();
  return total;
}

}  // namespace freshet
