#include "featurestore/aggregate/catalog.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include "featurestore/aggregate/collections.h"
#include "featurestore/aggregate/decayed.h"
#include "featurestore/aggregate/distinct.h"
#include "featurestore/aggregate/event_times.h"
#include "featurestore/aggregate/finish.h"
#include "featurestore/aggregate/four_moments.h"
#include "featurestore/aggregate/numeric.h"
#include "featurestore/aggregate/ordered.h"
#include "featurestore/aggregate/quantiles.h"
#include "featurestore/aggregate/ranked.h"

namespace freshet {
namespace {

Cell Real(double v) { return std::isfinite(v) ? Present(Value::Double(v)) : Overflow(); }

// Types.

std::optional<Type> Int64Always(std::optional<Type>) { return Type::kInt64; }
std::optional<Type> DoubleOfNumber(std::optional<Type> of) {
  return of && IsNumeric(*of) ? std::optional(Type::kDouble) : std::nullopt;
}
std::optional<Type> Int64OfNumber(std::optional<Type> of) {
  return of && IsNumeric(*of) ? std::optional(Type::kInt64) : std::nullopt;
}
std::optional<Type> DoubleAlways(std::optional<Type>) { return Type::kDouble; }
std::optional<Type> BoolOfBool(std::optional<Type> of) {
  return of == Type::kBool ? of : std::nullopt;
}
std::optional<Type> FieldsOwn(std::optional<Type> of) { return of; }

// Finishing.

Cell FinishCount(std::span<const void* const> a, const FinishContext&, const FinishMoment&) {
  const uint64_t n = As<Count>(a[0]).n;
  return n == 0 ? Empty() : Present(Value::Int64(static_cast<int64_t>(n)));
}

template <typename Sum>
Cell FinishMean(const void* sum, uint64_t n) {
  if (n == 0) return Empty();
  return Real(static_cast<double>(As<Sum>(sum).total()) / static_cast<double>(n));
}

Cell FinishSum(std::span<const void* const> a, const FinishContext& context, const FinishMoment&) {
  if (context.of != Type::kInt64) {
    const auto& sum = As<DoubleSum>(a[0]);
    return sum.any() ? Real(sum.total()) : Empty();
  }
  const auto& sum = As<IntSum>(a[0]);
  if (!sum.any) return Empty();
  const auto total = Int64Of(sum);
  return total ? Present(Value::Int64(*total)) : Overflow();
}

Cell FinishMean(std::span<const void* const> a, const FinishContext& context, const FinishMoment&) {
  const uint64_t n = As<Count>(a[1]).n;
  return context.of == Type::kInt64 ? FinishMean<IntSum>(a[0], n) : FinishMean<DoubleSum>(a[0], n);
}

template <bool kSample, bool kRoot>
Cell FinishMoments(std::span<const void* const> a, const FinishContext&, const FinishMoment&) {
  const auto& m = As<Moments>(a[0]);
  if (m.n < (kSample ? 2 : 1)) return Empty();
  if (m.n > 1 && !std::isfinite(m.m2)) return Overflow();
  // A single value has no distance from itself; rounding may leave one just below 0.
  const double m2 = m.n == 1 || m.m2 < 0 ? 0 : m.m2;
  const double variance = m2 / static_cast<double>(kSample ? m.n - 1 : m.n);
  return Real(kRoot ? std::sqrt(variance) : variance);
}

// Of an accumulator that keeps one of the values.
template <template <typename, bool> typename A, bool kLater>
Cell FinishKept(std::span<const void* const> a, const FinishContext& context, const FinishMoment&) {
  return WithStored(*context.of, [&]<typename S>(const S&) {
    const auto& kept = As<A<S, kLater>>(a[0]);
    return kept.any ? Present(kept.value()) : Empty();
  });
}

template <bool kGreatest>
Cell FinishRanked(std::span<const void* const> a, const FinishContext& context,
                  const FinishMoment&) {
  return WithStored(*context.of, [&]<typename S>(const S&) {
    return WithStored(*context.order_by, [&]<typename K>(const K&) {
      const auto& ranked = As<Ranked<S, K, kGreatest>>(a[0]);
      return ranked.any ? Present(ranked.kept.value()) : Empty();
    });
  });
}

template <bool kKurtosis>
Cell FinishShape(std::span<const void* const> a, const FinishContext&, const FinishMoment&) {
  const auto& m = As<FourMoments>(a[0]);
  if (m.n == 0 || m.m2 == 0) return Empty();
  return Real(kKurtosis ? m.kurtosis() : m.skewness());
}

Cell FinishDistinct(std::span<const void* const> a, const FinishContext&, const FinishMoment&) {
  const auto& distinct = As<Distinct>(a[0]);
  if (!distinct.any()) return Empty();
  const std::optional<uint64_t> estimate = distinct.Estimate();
  return estimate ? Present(Value::Int64(static_cast<int64_t>(*estimate))) : Overflow();
}

Cell FinishQuantile(std::span<const void* const> a, const FinishContext& context,
                    const FinishMoment&) {
  const auto& quantiles = As<Quantiles>(a[0]);
  if (quantiles.n() == 0) return Empty();
  Cell cell = Present(Value::Double(quantiles.At(context.arguments->q)));
  cell.degraded = quantiles.degraded();
  return cell;
}

Cell FinishRate(std::span<const void* const> a, const FinishContext& context, const FinishMoment&) {
  const uint64_t n = As<Count>(a[0]).n;
  if (n == 0) return Empty();
  return Real(static_cast<double>(n) * static_cast<double>(context.arguments->per.us) /
              static_cast<double>(context.length.us));
}

template <bool kCount>
Cell FinishDecayed(std::span<const void* const> a, const FinishContext& context,
                   const FinishMoment& moment) {
  const auto& decayed = As<Decayed<kCount>>(a[0]);
  if (!decayed.any()) return Empty();
  return Real(decayed.At(moment.decay_to(), context.arguments->half_life));
}

// Both have decayed alike: no time enters.
Cell FinishDecayedMean(std::span<const void* const> a, const FinishContext&, const FinishMoment&) {
  const auto& sum = As<Decayed<false>>(a[0]);
  const auto& count = As<Decayed<true>>(a[1]);
  if (!sum.any() || !count.any()) return Empty();
  return Real(Scaled(sum.sum.total() / count.sum.total(), sum.step - count.step));
}

// An event a little ahead of the reader's clock was just now.
template <bool kLatest>
Cell FinishTimeSince(std::span<const void* const> a, const FinishContext&,
                     const FinishMoment& moment) {
  const auto& event = As<EventTime<kLatest>>(a[0]);
  if (!event.any) return Empty();
  const Duration since = std::max(moment.read - event.time, Duration{});
  return Present(Value::Double(static_cast<double>(since.us) / 1e6));
}

// Which accumulators.

std::vector<AccumulatorKind> CountNeeds(std::optional<Type> of) {
  return {of ? AccumulatorKind::kValueCount : AccumulatorKind::kRowCount};
}

constexpr std::string_view kNumber = "an int64, double or float field";
constexpr std::string_view kAny = "a field of any type but lists";
constexpr std::string_view kBool = "a bool field";
constexpr std::string_view kNumberOrMap =
    "an int64, double or float field, and without bounds a field of any type";

using K = AccumulatorKind;

constexpr std::array kAggregations = {
    Aggregation{.name = "count",
                .summary = "how many events, or with `of` how many values that are not null",
                .of = OfRule::kOptional,
                .zero_when_empty = true,
                .accepts = kAny,
                .takes = kArgumentBy | kArgumentMaxKeys,
                .mapped = &kCountBy,
                .needs = CountNeeds,
                .finish = FinishCount,
                .type_of = Int64Always},
    Aggregation{.name = "sum",
                .summary = "the sum: int64 of int64 (exact; overflow is an error), else double",
                .zero_when_empty = true,
                .accepts = kNumber,
                .takes = kArgumentBy | kArgumentMaxKeys,
                .mapped = &kSumBy,
                .needs = Needs<K::kSum>,
                .finish = FinishSum,
                .type_of = SumOfNumber},
    Aggregation{.name = "mean",
                .summary = "the arithmetic mean",
                .accepts = kNumber,
                .needs = Needs<K::kSum, K::kValueCount>,
                .finish = FinishMean,
                .type_of = DoubleOfNumber},
    Aggregation{.name = "min",
                .summary = "the least value; of text by its bytes, false before true",
                .accepts = kAny,
                .needs = Needs<K::kMin>,
                .finish = FinishKept<Extreme, false>,
                .type_of = FieldsOwn},
    Aggregation{.name = "max",
                .summary = "the greatest value; of text by its bytes, false before true",
                .accepts = kAny,
                .needs = Needs<K::kMax>,
                .finish = FinishKept<Extreme, true>,
                .type_of = FieldsOwn},
    Aggregation{.name = "variance",
                .summary = "the sample variance; null below two values",
                .accepts = kNumber,
                .needs = Needs<K::kMoments>,
                .finish = FinishMoments<true, false>,
                .type_of = DoubleOfNumber},
    Aggregation{.name = "stddev",
                .summary = "the sample standard deviation; null below two values",
                .accepts = kNumber,
                .needs = Needs<K::kMoments>,
                .finish = FinishMoments<true, true>,
                .type_of = DoubleOfNumber},
    Aggregation{.name = "var_pop",
                .summary = "the population variance",
                .accepts = kNumber,
                .needs = Needs<K::kMoments>,
                .finish = FinishMoments<false, false>,
                .type_of = DoubleOfNumber},
    Aggregation{.name = "stddev_pop",
                .summary = "the population standard deviation",
                .accepts = kNumber,
                .needs = Needs<K::kMoments>,
                .finish = FinishMoments<false, true>,
                .type_of = DoubleOfNumber},
    Aggregation{.name = "first",
                .summary = "the value of the earliest event that has one",
                .windows_optional = true,
                .accepts = kAny,
                .needs = Needs<K::kFirst>,
                .finish = FinishKept<Positioned, false>,
                .type_of = FieldsOwn},
    Aggregation{.name = "last",
                .summary = "the value of the latest event that has one",
                .windows_optional = true,
                .accepts = kAny,
                .needs = Needs<K::kLast>,
                .finish = FinishKept<Positioned, true>,
                .type_of = FieldsOwn},
    Aggregation{.name = "skewness",
                .summary = "m3 / m2^1.5, population moments; null where all values are equal",
                .accepts = kNumber,
                .needs = Needs<K::kFourMoments>,
                .finish = FinishShape<false>,
                .type_of = DoubleOfNumber},
    Aggregation{.name = "kurtosis",
                .summary = "m4 / m2^2 - 3, population moments; null where all values are equal",
                .accepts = kNumber,
                .needs = Needs<K::kFourMoments>,
                .finish = FinishShape<true>,
                .type_of = DoubleOfNumber},
    Aggregation{.name = "min_by",
                .summary = "the value of the event whose `order_by` is least; of equal ones the "
                           "later event",
                .accepts = kAny,
                .takes = kArgumentOrderBy,
                .needs_arguments = kArgumentOrderBy,
                .needs = Needs<K::kMinBy>,
                .finish = FinishRanked<false>,
                .type_of = FieldsOwn},
    Aggregation{.name = "max_by",
                .summary = "the value of the event whose `order_by` is greatest; of equal ones the "
                           "later event",
                .accepts = kAny,
                .takes = kArgumentOrderBy,
                .needs_arguments = kArgumentOrderBy,
                .needs = Needs<K::kMaxBy>,
                .finish = FinishRanked<true>,
                .type_of = FieldsOwn},
    Aggregation{.name = "count_distinct",
                .summary = "how many different values; exact up to `exact_to`, then estimated",
                .accepts = kAny,
                .takes = kArgumentExactTo | kArgumentError,
                .exact_to = 256,
                .error = 0.02,
                .error_least = 0.01,
                .needs = Needs<K::kDistinct>,
                .finish = FinishDistinct,
                .type_of = Int64Always},
    Aggregation{.name = "quantile",
                .summary = "the least value that a share `q` of the values do not exceed; exact up "
                           "to `exact_to` values, then within `error` of it",
                .accepts = kNumber,
                .takes = kArgumentQ | kArgumentExactTo | kArgumentError,
                .needs_arguments = kArgumentQ,
                .exact_to = 256,
                .error = 0.01,
                .error_least = 0.001,
                .needs = Needs<K::kQuantiles>,
                .finish = FinishQuantile,
                .type_of = DoubleOfNumber},
    Aggregation{.name = "any",
                .summary = "whether one value is true",
                .accepts = kBool,
                .needs = Needs<K::kMax>,
                .finish = FinishKept<Extreme, true>,
                .type_of = BoolOfBool},
    Aggregation{.name = "every",
                .summary = "whether all values are true",
                .accepts = kBool,
                .needs = Needs<K::kMin>,
                .finish = FinishKept<Extreme, false>,
                .type_of = BoolOfBool},
    Aggregation{.name = "rate",
                .summary = "events a `per` (1s) over the window's length",
                .of = OfRule::kNone,
                .zero_when_empty = true,
                .takes = kArgumentPer,
                .needs_length = true,
                .needs = Needs<K::kRowCount>,
                .finish = FinishRate,
                .type_of = DoubleAlways},
    Aggregation{.name = "decayed_count",
                .summary = "events, or values that are not null, each weighing half after every "
                           "`half_life`",
                .of = OfRule::kOptional,
                .windows_optional = true,
                .accepts = kAny,
                .takes = kArgumentHalfLife,
                .needs_arguments = kArgumentHalfLife,
                .needs = Needs<K::kDecayedCount>,
                .finish = FinishDecayed<true>,
                .type_of = DoubleAlways},
    Aggregation{.name = "decayed_sum",
                .summary = "the sum, each value weighing half after every `half_life`",
                .windows_optional = true,
                .accepts = kNumber,
                .takes = kArgumentHalfLife,
                .needs_arguments = kArgumentHalfLife,
                .needs = Needs<K::kDecayedSum>,
                .finish = FinishDecayed<false>,
                .type_of = DoubleOfNumber},
    Aggregation{.name = "decayed_mean",
                .summary = "the mean, each value weighing half after every `half_life`",
                .windows_optional = true,
                .accepts = kNumber,
                .takes = kArgumentHalfLife,
                .needs_arguments = kArgumentHalfLife,
                .needs = Needs<K::kDecayedSum, K::kDecayedCount>,
                .finish = FinishDecayedMean,
                .type_of = DoubleOfNumber},
    Aggregation{.name = "time_since_first",
                .summary = "seconds from the earliest event to the read's time",
                .of = OfRule::kNone,
                .needs = Needs<K::kFirstTime>,
                .finish = FinishTimeSince<false>,
                .type_of = DoubleAlways},
    Aggregation{.name = "time_since_last",
                .summary = "seconds from the latest event to the read's time",
                .of = OfRule::kNone,
                .needs = Needs<K::kLastTime>,
                .finish = FinishTimeSince<true>,
                .type_of = DoubleAlways},
    Aggregation{.name = "first_n",
                .summary =
                    "what a field held in the first `n` events, the oldest first; of several "
                    "fields aligned lists",
                .windows_optional = true,
                .accepts = kAny,
                .takes = kArgumentN,
                .needs_arguments = kArgumentN,
                .of_list = true,
                .shape = Aggregation::Shape::kList,
                .needs = Needs<K::kFirstN>,
                .finish = FinishFirstN,
                .type_of = ElementsOwn},
    Aggregation{.name = "last_n",
                .summary = "what a field held in the last `n` events, the newest first; of several "
                           "fields aligned lists",
                .windows_optional = true,
                .accepts = kAny,
                .takes = kArgumentN,
                .needs_arguments = kArgumentN,
                .of_list = true,
                .shape = Aggregation::Shape::kList,
                .needs = Needs<K::kLastN>,
                .finish = FinishLastN,
                .type_of = ElementsOwn},
    Aggregation{.name = "last_distinct_n",
                .summary = "the `n` different values that came last, the newest first",
                .windows_optional = true,
                .accepts = kAny,
                .takes = kArgumentN,
                .needs_arguments = kArgumentN,
                .shape = Aggregation::Shape::kList,
                .needs = Needs<K::kLastDistinctN>,
                .finish = FinishLastDistinctN,
                .type_of = ElementsOwn},
    Aggregation{.name = "top_k",
                .summary = "the `k` most frequent values, or with counts: true a map to how often; "
                           "exact up to `exact_to` different ones, then by a sketch",
                .accepts = kAny,
                .takes = kArgumentK | kArgumentExactTo | kArgumentCounts,
                .needs_arguments = kArgumentK,
                .exact_to = 1024,
                .shape = Aggregation::Shape::kList,
                .mapped = &kTopKCounts,
                .needs = Needs<K::kTopK>,
                .finish = FinishTopK,
                .type_of = ElementsOwn},
    Aggregation{.name = "histogram",
                .summary = "how many values fell between `bounds`; without bounds a map from each "
                           "value to how often it came",
                .accepts = kNumberOrMap,
                .takes = kArgumentBounds | kArgumentMaxKeys,
                .shape = Aggregation::Shape::kList,
                .mapped = &kHistogramByValue,
                .needs = Needs<K::kHistogram>,
                .finish = FinishHistogram,
                .type_of = Int64OfNumber},
};

}  // namespace

std::optional<Type> Aggregation::ResultType(std::optional<Type> field,
                                            const FeatureArguments& arguments,
                                            std::optional<Type> by) const {
  if (of == OfRule::kRequired && !field) return std::nullopt;
  if (of == OfRule::kNone && field) return std::nullopt;
  if (field && !IsScalar(*field)) return std::nullopt;
  const Aggregation& form = Form(arguments);
  const std::optional<Type> type = form.type_of(field);
  if (!type || form.shape == Shape::kScalar) return type;
  if (form.shape == Shape::kList) return ListOf(*type);
  const std::optional<Type> key = arguments.by ? by : field;
  if (!key || !IsScalar(*key)) return std::nullopt;
  return MapOf(*key, *type == Type::kDouble);
}

Status Aggregation::CheckArguments(const Feature& feature) const {
  const FeatureArguments& given = feature.arguments;
  const bool map = Form(given).shape == Shape::kMap && (takes & kArgumentMaxKeys) != 0;
  const bool sound =
      ((takes & kArgumentOrderBy) != 0) == given.order_by.has_value() &&
      ((takes & kArgumentQ) == 0 || (given.q >= 0 && given.q <= 1)) &&
      ((takes & kArgumentExactTo) == 0 || given.exact_to > 0) &&
      ((takes & kArgumentError) == 0 || (given.error >= error_least && given.error < 1)) &&
      ((takes & kArgumentHalfLife) == 0 || given.half_life.us > 0) &&
      ((takes & kArgumentPer) == 0 || given.per.us > 0) &&
      ((takes & (kArgumentN | kArgumentK)) == 0 || given.n > 0) &&
      ((takes & kArgumentBy) != 0 || !given.by.has_value()) && (!map || given.max_keys > 0) &&
      std::adjacent_find(given.bounds.begin(), given.bounds.end(), std::greater_equal<>()) ==
          given.bounds.end() &&
      (given.of.empty() ||
       (of_list && std::find(given.of.begin(), given.of.end(), feature.of) != given.of.end())) &&
      (!needs_length || HasLength(feature.window));
  if (sound) return OkStatus();
  return Internal("feature {}: the arguments of {} do not fit it", feature.name, name);
}

const Aggregation* FindAggregation(std::string_view name) {
  for (const Aggregation& aggregation : kAggregations) {
    if (aggregation.name == name) return &aggregation;
  }
  return nullptr;
}

std::span<const Aggregation> AllAggregations() { return kAggregations; }

const std::vector<std::string>& AggregationNames() {
  static const auto& names = *new std::vector<std::string>([] {
    std::vector<std::string> made;
    for (const Aggregation& aggregation : kAggregations) made.emplace_back(aggregation.name);
    return made;
  }());
  return names;
}

}  // namespace freshet
