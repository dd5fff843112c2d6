#include "featurestore/aggregate/kept_value.h"

#include "featurestore/aggregate/ordered.h"
#include "featurestore/aggregate/time_span.h"
#include "featurestore/base/hash.h"

namespace freshet {
namespace {

template <typename T>
uint64_t HashBytes(T v) {
  char bytes[sizeof v];
  std::memcpy(bytes, &v, sizeof v);
  return Hash64({bytes, sizeof v});
}

}  // namespace

void WriteKept(ByteWriter& out, Type type, const Value& value, Timestamp base) {
  if (IsText(type)) {
    out.Varint(value.is_null() ? 0 : value.as_text().size() + 1);
    if (!value.is_null()) out.Raw(value.as_text());
    return;
  }
  WithStored(type, [&](auto stored) {
    if constexpr (!kIsText<decltype(stored)>) {
      if (!value.is_null()) stored.Set(value);
      stored.Encode(!value.is_null(), out, {base});
    }
  });
}

Value ReadKept(ByteReader& in, Type type, Timestamp base) {
  if (IsText(type)) {
    const uint64_t size = in.Varint();
    if (size == 0) return {};
    const std::string_view text = in.Raw(size - 1);
    if (text.size() > UINT32_MAX) in.MarkBad();
    return in.ok() ? Value::Text(text) : Value();
  }
  Value value;
  WithStored(type, [&](auto stored) {
    if constexpr (!kIsText<decltype(stored)>) {
      if (stored.Decode(in, {base})) value = stored.value();
    }
  });
  return value;
}

uint32_t KeptBytesMax(Type type) {
  if (IsText(type)) return 1 + kAssumedTextBytes;
  if (type == Type::kBool) return 1;
  return type == Type::kDouble || type == Type::kFloat ? 9 : 10;
}

uint64_t HashOf(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kBool:
      return HashBytes<int64_t>(value.as_bool() ? 1 : 0);
    case Value::Kind::kInt64:
      return HashBytes(value.as_int64());
    case Value::Kind::kTimestamp:
      return HashBytes(value.as_time().us);
    case Value::Kind::kDouble:
      return HashBytes(value.as_double() + 0.0);  // one zero
    case Value::Kind::kText:
      return Hash64(value.as_text());
    case Value::Kind::kPacked:
      return Hash64(value.as_packed());
    case Value::Kind::kNull:
      break;
  }
  return 0;
}

void WritePlaceAfter(ByteWriter& out, const Coordinates& before, const Coordinates& here) {
  const bool moved = here.incarnation != before.incarnation;
  out.Varint(ZigZag(int64_t{here.partition} - before.partition) * 2 + (moved ? 1 : 0));
  if (moved) out.Varint(here.incarnation);
  // Unsigned: offsets of damaged rows may be anything.
  out.Signed(static_cast<int64_t>(static_cast<uint64_t>(here.offset) -
                                  static_cast<uint64_t>(before.offset)));
}

Coordinates ReadPlaceAfter(ByteReader& in, const Coordinates& before) {
  Coordinates here = before;
  const uint64_t where = in.Varint();
  const int64_t partition = before.partition + UnZigZag(where / 2);
  if (partition < INT32_MIN || partition > INT32_MAX) in.MarkBad();
  here.partition = static_cast<int32_t>(partition);
  if (where % 2 == 1) {
    const uint64_t incarnation = in.Varint();
    if (incarnation > UINT32_MAX) in.MarkBad();
    here.incarnation = static_cast<uint32_t>(incarnation);
  }
  here.offset = static_cast<int64_t>(static_cast<uint64_t>(before.offset) +
                                     static_cast<uint64_t>(in.Signed()));
  return here;
}

void WritePositionAfter(ByteWriter& out, const Position& before, const Position& here) {
  WriteTimeSpan(out, before.time - here.time);
  WritePlaceAfter(out, before.at, here.at);
}

Position ReadPositionAfter(ByteReader& in, const Position& before) {
  Position here;
  here.time = before.time - ReadTimeSpan(in);
  if (!IsEventTime(here.time)) in.MarkBad();
  here.at = ReadPlaceAfter(in, before.at);
  return here;
}

}  // namespace freshet
