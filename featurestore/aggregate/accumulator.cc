#include "featurestore/aggregate/accumulator.h"

#include <new>
#include <type_traits>

#include "featurestore/aggregate/numeric.h"
#include "featurestore/aggregate/ordered.h"

namespace freshet {
namespace {

template <Accumulator A>
A& As(void* place) {
  return *static_cast<A*>(place);
}
template <Accumulator A>
const A& As(const void* place) {
  return *static_cast<const A*>(place);
}

// The table of A, made once.
template <Accumulator A, AccumulatorKind kKind, uint32_t kEncodedMax, bool kHasText = false>
const AccumulatorOps* TableOf() {
  static_assert(alignof(A) <= 8, "panes are aligned to 8 bytes");
  static constexpr AccumulatorOps kTable = {
      .kind = kKind,
      .size = sizeof(A),
      .align = alignof(A),
      .destroy = std::is_trivially_destructible_v<A> ? nullptr : +[](void* a) { As<A>(a).~A(); },
      .add = [](void* a, const Value& value, const Position& at) { As<A>(a).Add(value, at); },
      .combine = [](void* a, const void* b) { As<A>(a).Combine(As<A>(b)); },
      .combine_borrowed = [](void* a, const void* b) { As<A>(a).CombineBorrowed(As<A>(b)); },
      .encode = [](const void* a, ByteWriter& out,
                   const CodingContext& context) { As<A>(a).Encode(out, context); },
      .decode = [](void* a, ByteReader& in,
                   const CodingContext& context) { As<A>(a).Decode(in, context); },
      .heap_bytes = [](const void* a) -> size_t { return As<A>(a).heap_bytes(); },
      .has_text = kHasText,
      .encoded_max = kEncodedMax,
  };
  return &kTable;
}

// Worst cases, of bytes that honest data reaches: a count of 10^12, a sum of 10^24, a time a year away.
constexpr uint32_t kCountMax = 6;
constexpr uint32_t kIntSumMax = 12;
constexpr uint32_t kDoubleSumMax = 1 + 8 + 4;
constexpr uint32_t kMomentsMax = kCountMax + 9 + 9;
constexpr uint32_t kPositionMax = 7 + 1 + 2 + 6;

template <typename S>
constexpr uint32_t StoredMax() {
  if constexpr (kIsText<S>) return 1 + kAssumedTextBytes;
  if constexpr (std::is_same_v<S, StoredBool>) return 1;
  if constexpr (std::is_same_v<S, StoredDouble>) return 9;
  return 10;
}

}  // namespace

std::string_view AccumulatorKindName(AccumulatorKind kind) {
  switch (kind) {
    case AccumulatorKind::kRowCount:
      return "rows";
    case AccumulatorKind::kValueCount:
      return "count";
    case AccumulatorKind::kSum:
      return "sum";
    case AccumulatorKind::kMoments:
      return "moments";
    case AccumulatorKind::kMin:
      return "min";
    case AccumulatorKind::kMax:
      return "max";
    case AccumulatorKind::kFirst:
      return "first";
    case AccumulatorKind::kLast:
      return "last";
  }
  return "?";
}

const AccumulatorOps* FindAccumulator(AccumulatorKind kind, std::optional<Type> of) {
  if (kind == AccumulatorKind::kRowCount) {
    return of ? nullptr : TableOf<Count, AccumulatorKind::kRowCount, kCountMax>();
  }
  if (!of) return nullptr;
  switch (kind) {
    case AccumulatorKind::kValueCount:
      return TableOf<Count, AccumulatorKind::kValueCount, kCountMax>();
    case AccumulatorKind::kSum:
      if (!IsNumeric(*of)) return nullptr;
      if (*of == Type::kInt64) return TableOf<IntSum, AccumulatorKind::kSum, kIntSumMax>();
      return TableOf<DoubleSum, AccumulatorKind::kSum, kDoubleSumMax>();
    case AccumulatorKind::kMoments:
      if (!IsNumeric(*of)) return nullptr;
      return TableOf<Moments, AccumulatorKind::kMoments, kMomentsMax>();
    case AccumulatorKind::kMin:
      return WithStored(*of, []<typename S>(const S&) {
        return TableOf<Extreme<S, false>, AccumulatorKind::kMin, StoredMax<S>(), kIsText<S>>();
      });
    case AccumulatorKind::kMax:
      return WithStored(*of, []<typename S>(const S&) {
        return TableOf<Extreme<S, true>, AccumulatorKind::kMax, StoredMax<S>(), kIsText<S>>();
      });
    case AccumulatorKind::kFirst:
      return WithStored(*of, []<typename S>(const S&) {
        return TableOf<Positioned<S, false>, AccumulatorKind::kFirst, StoredMax<S>() + kPositionMax,
                       kIsText<S>>();
      });
    case AccumulatorKind::kLast:
      return WithStored(*of, []<typename S>(const S&) {
        return TableOf<Positioned<S, true>, AccumulatorKind::kLast, StoredMax<S>() + kPositionMax,
                       kIsText<S>>();
      });
    case AccumulatorKind::kRowCount:
      break;
  }
  return nullptr;
}

}  // namespace freshet
