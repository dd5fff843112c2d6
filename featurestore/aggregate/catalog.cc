#include "featurestore/aggregate/catalog.h"

#include <array>
#include <cmath>

#include "featurestore/aggregate/numeric.h"
#include "featurestore/aggregate/ordered.h"

namespace freshet {
namespace {

Cell Present(Value value) { return {.status = CellStatus::kPresent, .value = value}; }
Cell Empty() { return {.status = CellStatus::kNullValue}; }
Cell Overflow() { return {.status = CellStatus::kError}; }

Cell Real(double v) { return std::isfinite(v) ? Present(Value::Double(v)) : Overflow(); }

template <typename A>
const A& As(const void* accumulator) {
  return *static_cast<const A*>(accumulator);
}

// Types.

std::optional<Type> Int64Always(std::optional<Type>) { return Type::kInt64; }
std::optional<Type> DoubleOfNumber(std::optional<Type> of) {
  return of && IsNumeric(*of) ? std::optional(Type::kDouble) : std::nullopt;
}
std::optional<Type> SumOfNumber(std::optional<Type> of) {
  if (!of || !IsNumeric(*of)) return std::nullopt;
  return *of == Type::kInt64 ? Type::kInt64 : Type::kDouble;
}
std::optional<Type> FieldsOwn(std::optional<Type> of) { return of; }

// Finishing.

Cell FinishCount(std::span<const void* const> a, const FinishContext&) {
  const uint64_t n = As<Count>(a[0]).n;
  return n == 0 ? Empty() : Present(Value::Int64(static_cast<int64_t>(n)));
}

template <typename Sum>
Cell FinishMean(const void* sum, uint64_t n) {
  if (n == 0) return Empty();
  return Real(static_cast<double>(As<Sum>(sum).total()) / static_cast<double>(n));
}

Cell FinishSum(std::span<const void* const> a, const FinishContext& context) {
  if (context.of != Type::kInt64) {
    const auto& sum = As<DoubleSum>(a[0]);
    return sum.any ? Real(sum.total()) : Empty();
  }
  const auto& sum = As<IntSum>(a[0]);
  if (!sum.any) return Empty();
  const __int128 total = sum.total();
  if (total < INT64_MIN || total > INT64_MAX) return Overflow();
  return Present(Value::Int64(static_cast<int64_t>(total)));
}

Cell FinishMean(std::span<const void* const> a, const FinishContext& context) {
  const uint64_t n = As<Count>(a[1]).n;
  return context.of == Type::kInt64 ? FinishMean<IntSum>(a[0], n) : FinishMean<DoubleSum>(a[0], n);
}

template <bool kSample, bool kRoot>
Cell FinishMoments(std::span<const void* const> a, const FinishContext&) {
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
Cell FinishKept(std::span<const void* const> a, const FinishContext& context) {
  return WithStored(*context.of, [&]<typename S>(const S&) {
    const auto& kept = As<A<S, kLater>>(a[0]);
    return kept.any ? Present(kept.value()) : Empty();
  });
}

// Which accumulators.

template <AccumulatorKind... kKinds>
std::vector<AccumulatorKind> Needs(std::optional<Type>) {
  return {kKinds...};
}
std::vector<AccumulatorKind> CountNeeds(std::optional<Type> of) {
  return {of ? AccumulatorKind::kValueCount : AccumulatorKind::kRowCount};
}

constexpr std::string_view kNumber = "an int64, double or float field";
constexpr std::string_view kAny = "a field of any type";

using K = AccumulatorKind;

constexpr std::array kAggregations = {
    Aggregation{.name = "count",
                .summary = "how many events, or with `of` how many values that are not null",
                .of = OfRule::kOptional,
                .zero_when_empty = true,
                .accepts = kAny,
                .needs = CountNeeds,
                .finish = FinishCount,
                .type_of = Int64Always},
    Aggregation{.name = "sum",
                .summary = "the sum: int64 of int64 (exact; overflow is an error), else double",
                .zero_when_empty = true,
                .accepts = kNumber,
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
};

constexpr std::array<std::string_view, 19> kPlanned = {
    "skewness",        "kurtosis",       "min_by",
    "max_by",          "first_n",        "last_n",
    "last_distinct_n", "count_distinct", "quantile",
    "top_k",           "histogram",      "any",
    "every",           "rate",           "decayed_count",
    "decayed_sum",     "decayed_mean",   "time_since_first",
    "time_since_last"};

}  // namespace

std::optional<Type> Aggregation::ResultType(std::optional<Type> field) const {
  if (of == OfRule::kRequired && !field) return std::nullopt;
  if (of == OfRule::kNone && field) return std::nullopt;
  return type_of(field);
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

std::span<const std::string_view> PlannedAggregations() { return kPlanned; }

}  // namespace freshet
