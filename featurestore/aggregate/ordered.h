// Accumulators that keep one of the values: the least, the greatest, the first, the last.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/numeric.h"
#include "featurestore/aggregate/time_span.h"

namespace freshet {

// How a value of one type is kept. Each can be absent (the identity), which takes one stored byte.

struct StoredInt {
  int64_t v = 0;
  void Set(const Value& value) { v = value.as_int64(); }
  Value value() const { return Value::Int64(v); }
  void Encode(bool any, ByteWriter& out, const CodingContext&) const {
    WriteOptionalInt(out, any, v);
  }
  bool Decode(ByteReader& in, const CodingContext&) {
    __int128 wide = 0;
    const bool any = ReadOptionalInt(in, wide);
    if (wide < INT64_MIN || wide > INT64_MAX) in.MarkBad();
    v = static_cast<int64_t>(wide);
    return any && in.ok();
  }
};

struct StoredBool {
  bool v = false;
  void Set(const Value& value) { v = value.as_bool(); }
  Value value() const { return Value::Bool(v); }
  void Encode(bool any, ByteWriter& out, const CodingContext&) const {
    out.Byte(!any ? 0 : (v ? 2 : 1));
  }
  bool Decode(ByteReader& in, const CodingContext&) {
    const uint8_t byte = in.Byte();
    if (byte > 2) in.MarkBad();
    v = byte == 2;
    return byte != 0 && in.ok();
  }
};

// Written as its distance from the context's time.
struct StoredTime {
  Timestamp v;
  void Set(const Value& value) { v = value.as_time(); }
  Value value() const { return Value::Time(v); }
  void Encode(bool any, ByteWriter& out, const CodingContext& context) const {
    WriteOptionalInt(out, any, static_cast<__int128>(v.us) - context.base.us);
  }
  bool Decode(ByteReader& in, const CodingContext& context) {
    __int128 distance = 0;
    const bool any = ReadOptionalInt(in, distance);
    // Judged before adding: the distance of damaged bytes may be anything.
    if (distance < INT64_MIN || distance > INT64_MAX) in.MarkBad();
    if (!any || !in.ok()) return false;  // the identity stays all zeros
    v = context.base + Duration{static_cast<int64_t>(distance)};
    if (!IsEventTime(v)) in.MarkBad();
    return in.ok();
  }
};

struct StoredDouble {
  double v = 0;
  // -0.0 becomes 0.0: equal values must be one, whichever came first.
  void Set(const Value& value) { v = value.as_double() + 0.0; }
  Value value() const { return Value::Double(v); }
  // As ByteWriter::Double; 0x0f: absent.
  void Encode(bool any, ByteWriter& out, const CodingContext&) const {
    if (any) {
      out.Double(v);
    } else {
      out.Byte(kNone);
    }
  }
  bool Decode(ByteReader& in, const CodingContext&) {
    const uint8_t lead = in.Byte();
    if (lead == kNone) return false;
    v = in.DoubleFrom(lead);
    if (!std::isfinite(v)) in.MarkBad();
    return in.ok();
  }
  static constexpr uint8_t kNone = 0x0f;
};

// Owned, or borrowed from the bytes it was decoded from. Copies of a borrowed text are borrowed.
class StoredText {
 public:
  StoredText() = default;
  StoredText(const StoredText& b) { *this = b; }
  StoredText& operator=(const StoredText& b) {
    if (this == &b) return *this;
    if (b.owned_) {
      Own(b.view());
    } else {
      Borrow(b);
    }
    return *this;
  }
  ~StoredText() { Free(); }

  void Set(const Value& value) { Own(value.as_text()); }
  void Borrow(const StoredText& b) {
    Free();
    data_ = b.data_;
    size_ = b.size_;
    owned_ = false;
  }
  Value value() const { return Value::Text(view()); }
  std::string_view view() const { return {data_, size_}; }
  size_t heap_bytes() const { return owned_ ? size_ : 0; }

  // Absent 0, else size + 1 and the bytes.
  void Encode(bool any, ByteWriter& out, const CodingContext&) const {
    out.Varint(any ? uint64_t{size_} + 1 : 0);
    if (any) out.Raw(view());
  }
  bool Decode(ByteReader& in, const CodingContext&) {
    const uint64_t size = in.Varint();
    if (size == 0) return false;
    const std::string_view bytes = in.Raw(size - 1);
    if (bytes.size() > UINT32_MAX) in.MarkBad();
    if (!in.ok()) return false;
    Free();
    data_ = bytes.data();
    size_ = static_cast<uint32_t>(bytes.size());
    owned_ = false;
    return true;
  }

 private:
  void Own(std::string_view text) {
    char* copy = text.empty() ? nullptr : new char[text.size()];
    if (copy != nullptr) std::memcpy(copy, text.data(), text.size());
    Free();
    data_ = copy;
    size_ = static_cast<uint32_t>(text.size());
    owned_ = copy != nullptr;
  }
  void Free() {
    if (owned_) delete[] data_;
    owned_ = false;
  }

  const char* data_ = nullptr;
  uint32_t size_ = 0;
  bool owned_ = false;
};

template <typename S>
inline constexpr bool kIsText = std::is_same_v<S, StoredText>;

// The least or the greatest value, in the order of Value::Compare.
template <typename S, bool kGreatest>
struct Extreme {
  S kept;
  bool any = false;

  Value value() const { return any ? kept.value() : Value(); }
  void Add(const Value& value, const Position&) {
    if (!Beats(value)) return;
    kept.Set(value);
    any = true;
  }
  void Combine(const Extreme& b) {
    if (!b.any || !Beats(b.kept.value())) return;
    kept = b.kept;
    any = true;
  }
  void CombineBorrowed(const Extreme& b) {
    if constexpr (kIsText<S>) {
      if (!b.any || !Beats(b.kept.value())) return;
      kept.Borrow(b.kept);
      any = true;
    } else {
      Combine(b);
    }
  }
  void Encode(ByteWriter& out, const CodingContext& context) const {
    kept.Encode(any, out, context);
  }
  void Decode(ByteReader& in, const CodingContext& context) { any = kept.Decode(in, context); }
  size_t heap_bytes() const {
    if constexpr (kIsText<S>) return kept.heap_bytes();
    return 0;
  }

 private:
  bool Beats(const Value& value) const {
    if (!any) return true;
    const int order = Value::Compare(value, kept.value());
    return kGreatest ? order > 0 : order < 0;
  }
};

inline void WritePosition(ByteWriter& out, const Position& at, const CodingContext& context) {
  WriteTimeSpan(out, at.time - context.base);
  out.Varint(at.at.incarnation);
  out.Signed(at.at.partition);
  out.Signed(at.at.offset);
}
inline Position ReadPosition(ByteReader& in, const CodingContext& context) {
  Position at;
  at.time = context.base + ReadTimeSpan(in);
  if (!IsEventTime(at.time)) in.MarkBad();
  const uint64_t incarnation = in.Varint();
  const int64_t partition = in.Signed();
  if (incarnation > UINT32_MAX || partition < INT32_MIN || partition > INT32_MAX) in.MarkBad();
  at.at.incarnation = static_cast<uint32_t>(incarnation);
  at.at.partition = static_cast<int32_t>(partition);
  at.at.offset = in.Signed();
  return at;
}

// The value of the first or the last event by (time, incarnation, partition, offset).
template <typename S, bool kLatest>
struct Positioned {
  S kept;
  bool any = false;
  Position at;

  Value value() const { return any ? kept.value() : Value(); }
  void Add(const Value& value, const Position& position) {
    if (!Beats(position)) return;
    kept.Set(value);
    at = position;
    any = true;
  }
  void Combine(const Positioned& b) {
    if (!b.any || !Beats(b.at)) return;
    kept = b.kept;
    at = b.at;
    any = true;
  }
  void CombineBorrowed(const Positioned& b) {
    if constexpr (kIsText<S>) {
      if (!b.any || !Beats(b.at)) return;
      kept.Borrow(b.kept);
      at = b.at;
      any = true;
    } else {
      Combine(b);
    }
  }
  void Encode(ByteWriter& out, const CodingContext& context) const {
    kept.Encode(any, out, context);
    if (any) WritePosition(out, at, context);
  }
  void Decode(ByteReader& in, const CodingContext& context) {
    any = kept.Decode(in, context);
    if (any) at = ReadPosition(in, context);
  }
  size_t heap_bytes() const {
    if constexpr (kIsText<S>) return kept.heap_bytes();
    return 0;
  }

 private:
  bool Beats(const Position& position) const {
    if (!any) return true;
    return kLatest ? position > at : position < at;
  }
};

// Calls `call` with a default-made holder of values of `type`, so that a template can be chosen by it.
template <typename Call>
auto WithStored(Type type, const Call& call) {
  switch (type) {
    case Type::kBool:
      return call(StoredBool{});
    case Type::kInt64:
      return call(StoredInt{});
    case Type::kDouble:
    case Type::kFloat:
      return call(StoredDouble{});
    case Type::kTimestamp:
      return call(StoredTime{});
    case Type::kString:
    case Type::kBytes:
      break;
  }
  return call(StoredText{});
}

}  // namespace freshet
