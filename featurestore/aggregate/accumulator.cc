#include "featurestore/aggregate/accumulator.h"

#include <new>
#include <type_traits>

#include "featurestore/aggregate/bounded_histogram.h"
#include "featurestore/aggregate/decayed.h"
#include "featurestore/aggregate/distinct.h"
#include "featurestore/aggregate/event_list.h"
#include "featurestore/aggregate/event_times.h"
#include "featurestore/aggregate/four_moments.h"
#include "featurestore/aggregate/keyed.h"
#include "featurestore/aggregate/numeric.h"
#include "featurestore/aggregate/ordered.h"
#include "featurestore/aggregate/quantiles.h"
#include "featurestore/aggregate/ranked.h"
#include "featurestore/aggregate/top_k.h"

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
using Bound = uint64_t (*)(const AccumulatorArguments& arguments);
template <uint32_t kBytes>
constexpr Bound kAtMost = [](const AccumulatorArguments&) -> uint64_t { return kBytes; };

template <Accumulator A, AccumulatorKind kKind, Bound kEncodedMax, bool kHasText = false>
const AccumulatorOps* TableOf() {
  static_assert(alignof(A) <= 8, "panes are aligned to 8 bytes");
  static constexpr AccumulatorOps kTable = {
      .kind = kKind,
      .size = sizeof(A),
      .align = alignof(A),
      .destroy = std::is_trivially_destructible_v<A> ? nullptr : +[](void* a) { As<A>(a).~A(); },
      .add =
          [](void* a, const Added& added) {
            if constexpr (requires { As<A>(a).Add(added); }) {
              As<A>(a).Add(added);
            } else {
              As<A>(a).Add(added.value, added.at);
            }
          },
      .combine = [](void* a, const void* b) { As<A>(a).Combine(As<A>(b)); },
      .combine_borrowed = [](void* a, const void* b) { As<A>(a).CombineBorrowed(As<A>(b)); },
      .encode = [](const void* a, ByteWriter& out,
                   const CodingContext& context) { As<A>(a).Encode(out, context); },
      .decode = [](void* a, ByteReader& in,
                   const CodingContext& context) { As<A>(a).Decode(in, context); },
      .heap_bytes = [](const void* a) -> size_t { return As<A>(a).heap_bytes(); },
      .has_text = kHasText,
      .encoded_max = kEncodedMax,
      .encoded_one = [](const AccumulatorArguments& arguments) -> uint64_t {
        if constexpr (requires { A::EncodedOne(arguments); }) return A::EncodedOne(arguments);
        return kEncodedMax(arguments);
      },
  };
  return &kTable;
}

// Of one that knows how many bytes it takes, and may keep texts.
template <typename A, AccumulatorKind kKind, bool kHasText = true>
const AccumulatorOps* TableOfMany() {
  return TableOf<A, kKind, &A::EncodedMax, kHasText>();
}

// Worst cases, of bytes that honest data reaches: a sum of 10^24, a time a year away.
constexpr uint32_t kIntSumMax = 12;
constexpr uint32_t kDoubleSumMax = 1 + 8 + 4;
constexpr uint32_t kMomentsMax = kCountMax + 9 + 5 + 9;
constexpr uint32_t kPositionMax = 7 + 1 + 2 + 6;
constexpr uint32_t kTimeMax = 7;
constexpr uint32_t kFourMomentsMax = kCountMax + 9 + 5 + 3 * 9;
constexpr uint32_t kDecayedMax = kDoubleSumMax + 5;

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
    case AccumulatorKind::kFourMoments:
      return "four_moments";
    case AccumulatorKind::kMinBy:
      return "min_by";
    case AccumulatorKind::kMaxBy:
      return "max_by";
    case AccumulatorKind::kFirstTime:
      return "first_time";
    case AccumulatorKind::kLastTime:
      return "last_time";
    case AccumulatorKind::kDecayedCount:
      return "decayed_count";
    case AccumulatorKind::kDecayedSum:
      return "decayed_sum";
    case AccumulatorKind::kQuantiles:
      return "quantiles";
    case AccumulatorKind::kDistinct:
      return "distinct";
    case AccumulatorKind::kFirstN:
      return "first_n";
    case AccumulatorKind::kLastN:
      return "last_n";
    case AccumulatorKind::kLastDistinctN:
      return "last_distinct_n";
    case AccumulatorKind::kTopK:
      return "top_k";
    case AccumulatorKind::kHistogram:
      return "histogram";
    case AccumulatorKind::kKeyedCount:
      return "counts";
    case AccumulatorKind::kKeyedSum:
      return "sums";
  }
  return "?";
}

namespace {

const AccumulatorOps* FindOfRows(AccumulatorKind kind) {
  switch (kind) {
    case AccumulatorKind::kRowCount:
      return TableOf<Count, AccumulatorKind::kRowCount, kAtMost<kCountMax>>();
    case AccumulatorKind::kFirstTime:
      return TableOf<EventTime<false>, AccumulatorKind::kFirstTime, kAtMost<kTimeMax>>();
    case AccumulatorKind::kLastTime:
      return TableOf<EventTime<true>, AccumulatorKind::kLastTime, kAtMost<kTimeMax>>();
    case AccumulatorKind::kDecayedCount:
      return TableOf<Decayed<true>, AccumulatorKind::kDecayedCount, kAtMost<kDecayedMax>>();
    case AccumulatorKind::kFirstN:
      return TableOfMany<EventList<false>, AccumulatorKind::kFirstN>();
    case AccumulatorKind::kLastN:
      return TableOfMany<EventList<true>, AccumulatorKind::kLastN>();
    default:
      return nullptr;
  }
}

const AccumulatorOps* FindKeyed(AccumulatorKind kind, std::optional<Type> of) {
  if (kind == AccumulatorKind::kKeyedCount) {
    return TableOfMany<Keyed<Count>, AccumulatorKind::kKeyedCount>();
  }
  if (!of || !IsNumeric(*of)) return nullptr;
  if (*of == Type::kInt64) return TableOfMany<Keyed<IntSum>, AccumulatorKind::kKeyedSum>();
  return TableOfMany<Keyed<DoubleSum>, AccumulatorKind::kKeyedSum>();
}

// The value of one field where another is least or greatest.
template <bool kGreatest>
const AccumulatorOps* FindRanked(Type of, Type order_by) {
  constexpr AccumulatorKind kKind = kGreatest ? AccumulatorKind::kMaxBy : AccumulatorKind::kMinBy;
  return WithStored(of, [&]<typename S>(const S&) {
    return WithStored(order_by, []<typename K>(const K&) {
      return TableOf < Ranked<S, K, kGreatest>, kKind,
             kAtMost<StoredMax<S>() + StoredMax<K>() + kPositionMax>,
             kIsText<S> || kIsText < K >> ();
    });
  });
}

}  // namespace

const AccumulatorOps* FindAccumulator(AccumulatorKind kind, std::optional<Type> of,
                                      std::optional<Type> order_by) {
  const bool ranked = kind == AccumulatorKind::kMinBy || kind == AccumulatorKind::kMaxBy;
  if ((ranked || IsKeyed(kind)) != order_by.has_value()) return nullptr;
  // What is kept many times is a single value.
  const std::optional<Type> kept = IsKeyed(kind) ? order_by : of;
  const bool many =
      IsKeyed(kind) || kind == AccumulatorKind::kTopK || kind == AccumulatorKind::kLastDistinctN;
  if (many && kept && !IsScalar(*kept)) return nullptr;
  if (IsKeyed(kind)) return FindKeyed(kind, of);
  if (!of) return FindOfRows(kind);
  switch (kind) {
    case AccumulatorKind::kValueCount:
      return TableOf<Count, AccumulatorKind::kValueCount, kAtMost<kCountMax>>();
    case AccumulatorKind::kSum:
      if (!IsNumeric(*of)) return nullptr;
      if (*of == Type::kInt64) return TableOf<IntSum, AccumulatorKind::kSum, kAtMost<kIntSumMax>>();
      return TableOf<DoubleSum, AccumulatorKind::kSum, kAtMost<kDoubleSumMax>>();
    case AccumulatorKind::kMoments:
      if (!IsNumeric(*of)) return nullptr;
      return TableOf<Moments, AccumulatorKind::kMoments, kAtMost<kMomentsMax>>();
    case AccumulatorKind::kMin:
      return WithStored(*of, []<typename S>(const S&) {
        return TableOf<Extreme<S, false>, AccumulatorKind::kMin, kAtMost<StoredMax<S>()>,
                       kIsText<S>>();
      });
    case AccumulatorKind::kMax:
      return WithStored(*of, []<typename S>(const S&) {
        return TableOf<Extreme<S, true>, AccumulatorKind::kMax, kAtMost<StoredMax<S>()>,
                       kIsText<S>>();
      });
    case AccumulatorKind::kFirst:
      return WithStored(*of, []<typename S>(const S&) {
        return TableOf<Positioned<S, false>, AccumulatorKind::kFirst,
                       kAtMost<StoredMax<S>() + kPositionMax>, kIsText<S>>();
      });
    case AccumulatorKind::kLast:
      return WithStored(*of, []<typename S>(const S&) {
        return TableOf<Positioned<S, true>, AccumulatorKind::kLast,
                       kAtMost<StoredMax<S>() + kPositionMax>, kIsText<S>>();
      });
    case AccumulatorKind::kFourMoments:
      if (!IsNumeric(*of)) return nullptr;
      return TableOf<FourMoments, AccumulatorKind::kFourMoments, kAtMost<kFourMomentsMax>>();
    case AccumulatorKind::kMinBy:
      return FindRanked<false>(*of, *order_by);
    case AccumulatorKind::kMaxBy:
      return FindRanked<true>(*of, *order_by);
    case AccumulatorKind::kDecayedCount:
      return TableOf<Decayed<true>, AccumulatorKind::kDecayedCount, kAtMost<kDecayedMax>>();
    case AccumulatorKind::kDecayedSum:
      if (!IsNumeric(*of)) return nullptr;
      return TableOf<Decayed<false>, AccumulatorKind::kDecayedSum, kAtMost<kDecayedMax>>();
    case AccumulatorKind::kQuantiles:
      if (!IsNumeric(*of)) return nullptr;
      return TableOf<Quantiles, AccumulatorKind::kQuantiles, &Quantiles::EncodedMax>();
    case AccumulatorKind::kDistinct:
      return TableOf<Distinct, AccumulatorKind::kDistinct, &Distinct::EncodedMax>();
    case AccumulatorKind::kLastDistinctN:
      return TableOfMany<DistinctList, AccumulatorKind::kLastDistinctN>();
    case AccumulatorKind::kTopK:
      return TableOfMany<TopK, AccumulatorKind::kTopK>();
    case AccumulatorKind::kHistogram:
      if (!IsNumeric(*of)) return nullptr;
      return TableOfMany<BoundedHistogram, AccumulatorKind::kHistogram, false>();
    case AccumulatorKind::kRowCount:
    case AccumulatorKind::kFirstTime:
    case AccumulatorKind::kLastTime:
    case AccumulatorKind::kFirstN:
    case AccumulatorKind::kLastN:
    case AccumulatorKind::kKeyedCount:
    case AccumulatorKind::kKeyedSum:
      break;
  }
  return nullptr;
}

}  // namespace freshet
