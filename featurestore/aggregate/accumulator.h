// What is stored of a window's events: accumulators, each a commutative monoid.
//
//   identity   a value-initialised accumulator, all of whose bytes are 0: no event
//   Add        one event's value, with its place in the order of events
//   Combine    the accumulator of both sets of events; associative and commutative, so panes combine in any order
//   Encode     the stored form; Decode of it gives the same accumulator
//
// An accumulator is a plain struct (numeric.h, ordered.h); AccumulatorOps is its table of functions, so that
// a pane can hold any mixture of them in flat memory. They may be moved by memcpy: no pointers into themselves.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "featurestore/base/coding.h"
#include "featurestore/base/time.h"
#include "featurestore/model/event.h"
#include "featurestore/model/value.h"

namespace freshet {

// Stored rows hold a pane's accumulators in the order of these numbers: never renumber.
enum class AccumulatorKind : uint8_t {
  kRowCount = 1,
  kValueCount = 2,
  kSum = 3,
  kMoments = 4,
  kMin = 5,
  kMax = 6,
  kFirst = 7,
  kLast = 8,
  kFourMoments = 9,
  kMinBy = 10,
  kMaxBy = 11,
  kFirstTime = 12,
  kLastTime = 13,
  kDecayedCount = 14,
  kDecayedSum = 15,
  kQuantiles = 16,
  kDistinct = 17,
  kFirstN = 18,
  kLastN = 19,
  kLastDistinctN = 20,
  kTopK = 21,
  kHistogram = 22,
  kKeyedCount = 23,
  kKeyedSum = 24,
};
std::string_view AccumulatorKindName(AccumulatorKind kind);  // "sum"

// Fields of which lists are kept side by side.
inline constexpr size_t kColumnsMost = 8;

// What decides an accumulator's state beside the events; all 0 where its kind takes none.
struct AccumulatorArguments {
  uint32_t exact_to = 0;       // kQuantiles, kDistinct, kTopK: so many values are kept as they are
  double error = 0;            // past exact_to
  Duration half_life;          // kDecayedCount, kDecayedSum
  uint32_t n = 0;              // kFirstN, kLastN, kLastDistinctN: so many are kept
  uint32_t max_keys = 0;       // kKeyedCount, kKeyedSum
  std::vector<double> bounds;  // kHistogram: rising
  // Of the values that are kept: of the columns of kFirstN and kLastN, the keys of kKeyedCount and kKeyedSum, else of the field.
  // AccumulatorSet fills them in; Type{} behind the last.
  std::array<Type, kColumnsMost + 1> types{};
  friend auto operator<=>(const AccumulatorArguments&, const AccumulatorArguments&) = default;
};

// What one event brings. Borrowed for the time of one Add.
struct Added {
  const Value& value;     // of the field; null where the kind reads none, else never
  const Value& order_by;  // kMinBy, kMaxBy; kKeyedCount, kKeyedSum: the key. Never null there
  const Position& at;
  const AccumulatorArguments& arguments;
  std::span<const Value> columns = {};  // kFirstN, kLastN: of each field, or null
};

// Of a stored accumulator: a time near the ones inside, so that times are written as small differences.
// The same for Encode and Decode.
struct CodingContext {
  Timestamp base;
  const AccumulatorArguments* arguments = nullptr;  // of its kind, where that takes any
};

template <typename A>
concept Accumulator = requires(A a, const A& b, const Added& added, ByteWriter& out, ByteReader& in,
                               const CodingContext& context) {
  A{};
  // Add(added), or where the value and its place are enough Add(value, position).
  requires requires { a.Add(added); } || requires {
    a.Add(added.value, added.at);
  };
  a.Combine(b);  // of the same arguments; b stays as it was
  // The same, but texts may be borrowed from b, which then outlives a.
  a.CombineBorrowed(b);
  b.Encode(out, context);
  // Into an identity. Marks `in` bad where the bytes cannot be; texts may be borrowed from them.
  a.Decode(in, context);
  { b.heap_bytes() } -> std::convertible_to<size_t>;
};

// The table of one accumulator type. `destroy` is null where nothing is to be done.
struct AccumulatorOps {
  AccumulatorKind kind;
  uint32_t size;
  uint32_t align;
  void (*destroy)(void* a);
  void (*add)(void* a, const Added& added);
  void (*combine)(void* a, const void* b);
  void (*combine_borrowed)(void* a, const void* b);
  void (*encode)(const void* a, ByteWriter& out, const CodingContext& context);
  void (*decode)(void* a, ByteReader& in, const CodingContext& context);
  size_t (*heap_bytes)(const void* a);
  bool has_text;  // may borrow from the bytes it was decoded from
  // Bytes that honest data reaches; texts counted as kAssumedTextBytes. The least is 1.
  uint64_t (*encoded_max)(const AccumulatorArguments& arguments);
  uint64_t (*encoded_one)(const AccumulatorArguments& arguments);  // after one event
};

inline constexpr uint32_t kAssumedTextBytes = 16;

// Of events, whatever is in them: it reads no field, or keeps nulls. kDecayedCount may be either.
constexpr bool TakesNoField(AccumulatorKind kind) {
  return kind == AccumulatorKind::kRowCount || kind == AccumulatorKind::kFirstTime ||
         kind == AccumulatorKind::kLastTime || kind == AccumulatorKind::kFirstN ||
         kind == AccumulatorKind::kLastN;
}
constexpr bool KeepsEvents(AccumulatorKind kind) {
  return kind == AccumulatorKind::kFirstN || kind == AccumulatorKind::kLastN;
}
// Its order_by is the key.
constexpr bool IsKeyed(AccumulatorKind kind) {
  return kind == AccumulatorKind::kKeyedCount || kind == AccumulatorKind::kKeyedSum;
}

// Null where the kind does not work over those types; `order_by` is for kMinBy and kMaxBy and those that are keyed.
const AccumulatorOps* FindAccumulator(AccumulatorKind kind, std::optional<Type> of,
                                      std::optional<Type> order_by = std::nullopt);

}  // namespace freshet
