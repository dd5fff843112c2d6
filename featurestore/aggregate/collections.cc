#include "featurestore/aggregate/collections.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "featurestore/aggregate/bounded_histogram.h"
#include "featurestore/aggregate/event_list.h"
#include "featurestore/aggregate/finish.h"
#include "featurestore/aggregate/keyed.h"
#include "featurestore/aggregate/top_k.h"
#include "featurestore/model/packed.h"

namespace freshet {
namespace {

// `element(i)` of each i below size.
template <typename Element>
Cell List(Type of, size_t size, PackedArena& packed, const Element& element) {
  if (size == 0) return Empty();
  PackedWriter writer(ListOf(of), static_cast<uint32_t>(size), packed.Begin());
  for (size_t i = 0; i < size; ++i) writer.Add(element(i));
  return Present(packed.Keep());
}

using Entries = std::vector<std::pair<Value, Value>>;

// By rising key.
Cell Map(Type type, Entries entries, PackedArena& packed) {
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return Value::Compare(a.first, b.first) < 0; });
  PackedWriter writer(type, static_cast<uint32_t>(entries.size()), packed.Begin());
  for (const auto& [key, mapped] : entries) writer.AddEntry(key, mapped);
  return Present(packed.Keep());
}

Value Number(uint64_t count) {
  return Value::Int64(static_cast<int64_t>(std::min<uint64_t>(count, INT64_MAX)));
}

// Null: it overflowed.
Value MappedOf(const Count& count) { return Number(count.n); }
Value MappedOf(const DoubleSum& sum) {
  return std::isfinite(sum.total()) ? Value::Double(sum.total()) : Value();
}
Value MappedOf(const IntSum& sum) {
  const auto total = Int64Of(sum);
  return total ? Value::Int64(*total) : Value();
}

// One key that overflows makes the answer an error.
template <typename A>
Cell FinishKeyed(const Keyed<A>& keyed, const FinishContext& context, const FinishMoment& moment) {
  if (!keyed.any()) return Empty();
  Entries entries;
  entries.reserve(keyed.size());
  for (const auto& entry : keyed.entries()) {
    entries.emplace_back(entry.key.get(), MappedOf(entry.kept));
    if (entries.back().second.is_null()) return Overflow();
  }
  const Type key = context.by ? *context.by : *context.of;
  Cell cell = Map(MapOf(key, std::is_same_v<A, DoubleSum>), std::move(entries), *moment.packed);
  cell.degraded = keyed.dropped();
  return cell;
}

Cell FinishCounts(std::span<const void* const> a, const FinishContext& context,
                  const FinishMoment& moment) {
  return FinishKeyed(As<Keyed<Count>>(a[0]), context, moment);
}

Cell FinishSums(std::span<const void* const> a, const FinishContext& context,
                const FinishMoment& moment) {
  if (context.of == Type::kInt64) return FinishKeyed(As<Keyed<IntSum>>(a[0]), context, moment);
  return FinishKeyed(As<Keyed<DoubleSum>>(a[0]), context, moment);
}

Cell FinishTopKCounts(std::span<const void* const> a, const FinishContext& context,
                      const FinishMoment& moment) {
  const auto& top = As<TopK>(a[0]);
  if (!top.any()) return Empty();
  Entries entries;
  for (const TopK::Counted& counted : top.Top(context.arguments->n)) {
    entries.emplace_back(counted.value, Number(counted.count));
  }
  Cell cell = Map(MapOf(*context.of, false), std::move(entries), *moment.packed);
  cell.degraded = top.degraded();
  return cell;
}

std::optional<Type> Int64OfAny(std::optional<Type> of) {
  return of && !IsScalar(*of) ? std::nullopt : std::optional(Type::kInt64);
}

}  // namespace

std::optional<Type> ElementsOwn(std::optional<Type> of) {
  return of && IsScalar(*of) ? of : std::nullopt;
}

Cell FinishFirstN(std::span<const void* const> a, const FinishContext& context,
                  const FinishMoment& moment) {
  const auto& list = As<EventList<false>>(a[0]);
  return List(*context.of, list.size(), *moment.packed,
              [&](size_t i) { return list.value(i, context.column); });
}

Cell FinishLastN(std::span<const void* const> a, const FinishContext& context,
                 const FinishMoment& moment) {
  const auto& list = As<EventList<true>>(a[0]);
  return List(*context.of, list.size(), *moment.packed,
              [&](size_t i) { return list.value(list.size() - 1 - i, context.column); });
}

Cell FinishLastDistinctN(std::span<const void* const> a, const FinishContext& context,
                         const FinishMoment& moment) {
  const auto& list = As<DistinctList>(a[0]);
  return List(*context.of, list.size(), *moment.packed,
              [&](size_t i) { return list.value(list.size() - 1 - i); });
}

// Past its exact bound it may know of no value that is frequent: an empty list, not an empty window.
Cell FinishTopK(std::span<const void* const> a, const FinishContext& context,
                const FinishMoment& moment) {
  const auto& top = As<TopK>(a[0]);
  if (!top.any()) return Empty();
  const std::vector<TopK::Counted> counted = top.Top(context.arguments->n);
  PackedWriter writer(ListOf(*context.of), static_cast<uint32_t>(counted.size()),
                      moment.packed->Begin());
  for (const TopK::Counted& one : counted) writer.Add(one.value);
  return {
      .status = CellStatus::kPresent, .degraded = top.degraded(), .value = moment.packed->Keep()};
}

Cell FinishHistogram(std::span<const void* const> a, const FinishContext&,
                     const FinishMoment& moment) {
  const HeapArray<uint64_t>& counts = As<BoundedHistogram>(a[0]).counts();
  return List(Type::kInt64, counts.size(), *moment.packed,
              [&](size_t i) { return Number(counts[i]); });
}

const Aggregation kCountBy{.name = "count",
                           .of = OfRule::kOptional,
                           .zero_when_empty = true,
                           .shape = Aggregation::Shape::kMap,
                           .needs = Needs<AccumulatorKind::kKeyedCount>,
                           .finish = FinishCounts,
                           .type_of = Int64OfAny};
const Aggregation kSumBy{.name = "sum",
                         .zero_when_empty = true,
                         .shape = Aggregation::Shape::kMap,
                         .needs = Needs<AccumulatorKind::kKeyedSum>,
                         .finish = FinishSums,
                         .type_of = SumOfNumber};
const Aggregation kTopKCounts{.name = "top_k",
                              .shape = Aggregation::Shape::kMap,
                              .needs = Needs<AccumulatorKind::kTopK>,
                              .finish = FinishTopKCounts,
                              .type_of = Int64OfAny};
const Aggregation kHistogramByValue{.name = "histogram",
                                    .shape = Aggregation::Shape::kMap,
                                    .needs = Needs<AccumulatorKind::kKeyedCount>,
                                    .finish = FinishCounts,
                                    .type_of = Int64OfAny};

}  // namespace freshet
