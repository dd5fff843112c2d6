// Values as accumulators of many of them keep them: of any scalar type, which is known when they are stored and read.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "featurestore/base/coding.h"
#include "featurestore/base/time.h"
#include "featurestore/model/event.h"
#include "featurestore/model/value.h"

namespace freshet {

// A longer text is null to whatever keeps texts (docs/decisions/0012): it is no category, and thousands of them would be a row
// of megabytes. Asked here alone; what only counts or hashes a text takes any. A row written before may hold longer ones.
inline constexpr size_t kKeptTextBytesMost = 1024;
inline bool IsKept(const Value& value) {
  return !value.is_null() &&
         (value.kind() != Value::Kind::kText || value.as_text().size() <= kKeptTextBytesMost);
}
inline Value AsKept(const Value& value) { return IsKept(value) ? value : Value(); }

// A value or null; its text owned, or borrowed from the bytes it was decoded from. All zero bytes are null; it may be moved
// by memcpy. A copy of one that borrows, borrows.
class KeptValue {
 public:
  KeptValue() = default;
  KeptValue(const KeptValue& b) { *this = b; }
  KeptValue(KeptValue&& b) noexcept : value_(b.value_), owned_(std::exchange(b.owned_, false)) {}
  KeptValue& operator=(const KeptValue& b) {
    if (this == &b) return *this;
    if (b.owned_) {
      Own(b.value_);
    } else {
      Borrow(b.value_);
    }
    return *this;
  }
  KeptValue& operator=(KeptValue&& b) noexcept {
    std::swap(value_, b.value_);
    std::swap(owned_, b.owned_);
    return *this;
  }
  ~KeptValue() { Free(); }

  const Value& get() const { return value_; }
  void Own(const Value& value) {
    Value own = value;
    // -0.0 becomes 0.0: equal values must be one, whichever came first.
    if (value.kind() == Value::Kind::kDouble) own = Value::Double(value.as_double() + 0.0);
    bool owned = false;
    if (value.kind() == Value::Kind::kText && !value.as_text().empty()) {
      const std::string_view text = value.as_text();
      char* copy = new char[text.size()];
      std::memcpy(copy, text.data(), text.size());
      own = Value::Text({copy, text.size()});
      owned = true;
    }
    Free();
    value_ = own;
    owned_ = owned;
  }
  void Borrow(const Value& value) {
    Free();
    value_ = value;
    owned_ = false;
  }
  void Set(const KeptValue& b, bool borrow) {
    if (borrow) {
      Borrow(b.value_);
    } else {
      *this = b;
    }
  }
  size_t heap_bytes() const { return owned_ ? value_.as_text().size() : 0; }

 private:
  void Free() {
    if (owned_) delete[] value_.as_text().data();
    owned_ = false;
  }

  Value value_;
  bool owned_ = false;
};

// A kept value (docs/storage_format.md) of that type, or null. Times are written as their distance from `base`. Text that is
// read is borrowed from the bytes.
void WriteKept(ByteWriter& out, Type type, const Value& value, Timestamp base);
Value ReadKept(ByteReader& in, Type type, Timestamp base);
// Stored bytes that honest data reaches; texts counted as kAssumedTextBytes.
uint32_t KeptBytesMax(Type type);

// Of a value that is not null: xxh64 of its text, or of 8 bytes little-endian.
uint64_t HashOf(const Value& value);

// Where an event stands in the log, as a difference from another: zigzag(partition) × 2 + whether the incarnation is another |
// that, if so | signed difference of the offsets.
void WritePlaceAfter(ByteWriter& out, const Coordinates& before, const Coordinates& here);
Coordinates ReadPlaceAfter(ByteReader& in, const Coordinates& before);
// The same behind the span of the time of `before` − its own. Marks `in` bad where the time cannot be.
void WritePositionAfter(ByteWriter& out, const Position& before, const Position& here);
Position ReadPositionAfter(ByteReader& in, const Position& before);
inline constexpr uint32_t kPositionAfterLeast = 3;
inline constexpr uint32_t kPositionAfterMax = 7 + 2 + 6;

}  // namespace freshet
