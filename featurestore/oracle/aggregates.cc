// Each block begins with the sentence of docs/semantics.md that it is.
#include "featurestore/oracle/aggregates.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "featurestore/oracle/collections.h"

namespace freshet::oracle {
namespace {

// An event that counts, and what it brings. In lists: by rising (time, incarnation, partition, offset).
struct Item {
  Timestamp time;
  Value value;     // of the field `of`; without one, of the event itself: true
  Value order_by;  // min_by and max_by
};
using Items = std::vector<Item>;

struct LessValue {
  bool operator()(const Value& a, const Value& b) const { return Value::Compare(a, b) < 0; }
};

Expected Present(Value value) { return {.status = CellStatus::kPresent, .value = value}; }
Expected Error() { return {.status = CellStatus::kError}; }

// "overflow is status ERROR": of doubles too, which have no larger ones to answer with.
Expected PresentWithin(long double value, long double within) {
  const auto rounded = static_cast<double>(value);
  if (!std::isfinite(rounded)) return Error();
  return {.status = CellStatus::kPresent,
          .value = Value::Double(rounded),
          .within = static_cast<double>(within)};
}

// "An empty window: count, sum, rate → 0; all others → NULL_VALUE. A `default` (built in: 0 for count, sum, rate)
// fills empty windows and null ... fields (status then PRESENT)". A null that comes of too few values (variance of
// one) is filled alike.
Expected NoValue(const Feature& feature) {
  if (feature.default_value) return Present(DefaultOf(feature));
  const std::string& name = feature.aggregate;
  if (name == "count" || name == "sum" || name == "rate") {
    return Present(feature.type == Type::kInt64 ? Value::Int64(0) : Value::Double(0));
  }
  return {.status = CellStatus::kNullValue};
}

long double NumberOf(const Value& value) {
  return value.kind() == Value::Kind::kInt64 ? static_cast<long double>(value.as_int64())
                                             : static_cast<long double>(value.as_double());
}

Expected LeastOrGreatest(const Items& items, bool greatest) {
  Value best = items.front().value;
  for (const Item& item : items) {
    const int order = Value::Compare(item.value, best);
    if (greatest ? order > 0 : order < 0) best = item.value;
  }
  return Present(best);
}

// "min_by/max_by ties go to the later (time, partition, offset)."
Expected LeastOrGreatestBy(const Items& items, bool greatest) {
  Item best = items.front();
  for (const Item& item : items) {
    const int order = Value::Compare(item.order_by, best.order_by);
    if (greatest ? order >= 0 : order <= 0) best = item;
  }
  return Present(best.value);
}

// Every sum of doubles, squares and fourth powers that are told apart here is exact in it, or so good as.
__extension__ using Exact = __float128;

// The millionths that `x` is, if it is written with at most six digits after the point and below 2^51 of them: "decimals".
std::optional<__int128> MillionthsOf(const Value& value) {
  const long double x = NumberOf(value);
  if (std::fabs(x) >= 2.2e9L) return std::nullopt;
  const long double whole = std::rint(x * 1e6L);
  if (static_cast<double>(whole / 1e6L) != static_cast<double>(x)) return std::nullopt;
  return static_cast<__int128>(whole);
}

struct DoubleSums {
  Exact sum = 0;
  Exact sizes = 0;                         // Σ|x|
  Exact sizes_of_decimals = 0;             // of those that are
  long double greatest = 0;                // |x|
  std::optional<__int128> millionths = 0;  // of all; none: one is no decimal, or they leave 2^53
  explicit DoubleSums(const Items& items) {
    Exact bound = 0;
    for (const Item& item : items) {
      const long double x = NumberOf(item.value);
      sum += x;
      sizes += std::fabs(x);
      greatest = std::max(greatest, std::fabs(x));
      const auto decimal = MillionthsOf(item.value);
      if (decimal) sizes_of_decimals += std::fabs(x);
      if (decimal && millionths) {
        *millionths += *decimal;
        bound += *decimal < 0 ? -*decimal : *decimal;
      }
      if (!decimal || bound >= Exact(0x1p53L)) millionths.reset();
    }
  }
};

// "while all values are decimals ... it is that of the decimals", else "compensated, to 73 bits at every step": of parts that are
// decimals, each may have been taken for what it is written as.
Expected SumOf(const DoubleSums& s, long double n) {
  if (s.millionths) {
    return Present(Value::Double(static_cast<double>(*s.millionths) / 1e6));
  }
  const auto sum = static_cast<long double>(s.sum);
  return PresentWithin(sum, 0x1p-52L * std::fabs(sum) +
                                n * 0x1p-70L * static_cast<long double>(s.sizes) +
                                0x1p-52L * static_cast<long double>(s.sizes_of_decimals));
}

// sum, mean, and what is of moments: "`variance`, `stddev`: sample, as in SQL (null below two values); `var_pop`,
// `stddev_pop`: population. skewness = m3 / m2^1.5, kurtosis = m4 / m2² − 3, population moments, null where m2 = 0."
Expected Numeric(const Feature& feature, const Items& items) {
  const std::string& name = feature.aggregate;
  const auto n = static_cast<long double>(items.size());
  const bool integers = items.front().value.kind() == Value::Kind::kInt64;
  __int128 integer_sum = 0;
  if (integers) {
    for (const Item& item : items) integer_sum += item.value.as_int64();
  }
  if (name == "sum" && integers) {
    // "Integer sums accumulate in 128 bits and are checked when finished: overflow is status ERROR."
    if (integer_sum < INT64_MIN || integer_sum > INT64_MAX) return Error();
    return Present(Value::Int64(static_cast<int64_t>(integer_sum)));
  }
  const DoubleSums sums(items);
  if (name == "sum") return SumOf(sums, n);
  const Exact exact_mean = (integers ? Exact(integer_sum) : sums.sum) / Exact(n);
  const auto mean = static_cast<long double>(exact_mean);
  if (name == "mean") {
    if (integers) return PresentWithin(mean, 0x1p-51L * std::fabs(mean));
    Expected sum = SumOf(sums, n);
    if (sum.status != CellStatus::kPresent) return sum;
    return PresentWithin(static_cast<long double>(sum.value.as_double()) / n,
                         sum.within.value_or(0) / n + 0x1p-51L * std::fabs(mean));
  }

  Exact exact_squares = 0;  // of distances from the mean
  Exact exact_cubes = 0;
  Exact exact_fourths = 0;
  long double sizes_of_cubes = 0;
  bool all_equal = true;
  for (const Item& item : items) {
    const Exact distance = Exact(NumberOf(item.value)) - exact_mean;
    exact_squares += distance * distance;
    exact_cubes += distance * distance * distance;
    exact_fourths += distance * distance * distance * distance;
    const auto size = std::fabs(static_cast<long double>(distance));
    sizes_of_cubes += size * size * size;
    all_equal = all_equal && item.value == items.front().value;
  }
  const auto squares = static_cast<long double>(exact_squares);
  const auto cubes = static_cast<long double>(exact_cubes);
  const auto fourths = static_cast<long double>(exact_fourths);
  // "of values further than that from their mean the answer is ERROR": a power that is no double.
  const auto overflows = [](long double sum) { return !std::isfinite(static_cast<double>(sum)); };
  // What the mean is known to, of 73 bits at every step.
  const long double unknown = n * 0x1p-69L * sums.greatest;
  if (name == "skewness" || name == "kurtosis") {
    if (all_equal) return NoValue(feature);  // m2 = 0, without rounding
    if (overflows(name == "skewness" ? sizes_of_cubes : fourths)) return Error();
    const long double m2 = squares / n;
    // "below 1e-75 the digits run out": of powers that are hardly doubles any more. And where values lie closer together than
    // ten digits of what the mean is known to.
    const auto runs_out = [](long double sum) { return sum < 1e-290L; };
    const bool small = runs_out(squares) || runs_out(name == "skewness" ? sizes_of_cubes : fourths);
    if (small || std::sqrt(m2) <= 1e10L * unknown) {
      return {.status = CellStatus::kPresent, .undetermined = true};
    }
    const long double value =
        name == "skewness" ? cubes / n / (m2 * std::sqrt(m2)) : fourths / n / (m2 * m2) - 3;
    return PresentWithin(value, 1e-9L * std::max(1.0L, std::fabs(value)));
  }
  const bool sample = name == "variance" || name == "stddev";
  const bool root = name == "stddev" || name == "stddev_pop";
  if (sample && items.size() < 2) return NoValue(feature);
  if (overflows(squares)) return Error();
  const long double variance = squares / (sample ? n - 1 : n);
  Expected expected =
      PresentWithin(root ? std::sqrt(variance) : variance,
                    1e-11L * variance + 4 * unknown * std::sqrt(variance) + 4 * unknown * unknown);
  if (root && expected.within) expected.variance = static_cast<double>(variance);
  return expected;
}

// "HyperLogLog ... has so many registers that `error` is 2.4 standard errors". Allowed are six: less than one answer in
// 10^8 lies beyond, and what is wrong altogether does.
Expected CountDistinct(const Feature& feature, const Items& items) {
  std::set<Value, LessValue> distinct;
  for (const Item& item : items) distinct.insert(item.value);
  Expected expected = Present(Value::Int64(static_cast<int64_t>(distinct.size())));
  if (distinct.size() > feature.arguments.exact_to) {
    // Of few values the error is how many share a register with another: of 60 in 16384 more than 4 do in one of 10^7.
    const double standard_error = feature.arguments.error / 2.4;
    expected.sketch_error =
        std::max(4.0, 6 * standard_error * static_cast<double>(distinct.size()));
  }
  return expected;
}

// "quantile(q), exact: the least value with rank ≥ max(1, ceil(q·n)), not interpolated. Past `exact_to` values a
// DDSketch-like log histogram, ... within `error` relative of that value."
Expected Quantile(const Feature& feature, const Items& items) {
  std::vector<Value> sorted;
  for (const Item& item : items) sorted.push_back(item.value);
  std::sort(sorted.begin(), sorted.end(), LessValue());
  // Decision 0007: "ranks are ceil(q · n) in doubles, as PostgreSQL's percentile_disc": 0.07 of 100 is the eighth, since
  // the product is a little more than 7.
  const double product = feature.arguments.q * static_cast<double>(sorted.size());
  const auto rank = static_cast<size_t>(std::max(1.0, std::ceil(product)));
  const auto value = static_cast<double>(NumberOf(sorted[rank - 1]));
  Expected expected = Present(Value::Double(value));
  if (sorted.size() > feature.arguments.exact_to) {
    expected.sketch_error = feature.arguments.error * std::fabs(value) * (1 + 1e-9);
  }
  return expected;
}

// "Decay runs to max(q, newest)": so that what lies a little ahead of now does not grow. At an as_of before the newest
// event to q alone, since an answer "never contains what came after q", and when the newest came is of that.
Expected Decayed(const Feature& feature, const Items& items, const Reading& read) {
  const bool to_q = read.leave_out_own &&
                    (feature.window.has_panes() || feature.window.kind == WindowKind::kExact);
  const Wide end = to_q ? read.q : std::max<Wide>(read.q, read.newest.us);
  const auto half_lives = [&](Wide us) {
    return static_cast<long double>(us) / static_cast<long double>(feature.arguments.half_life.us);
  };
  const Wide last = items.back().time.us;
  long double count =
      0;  // decayed to the last of the events, so that a mean is one whatever passed since
  long double sum = 0;
  long double sum_of_sizes = 0;
  for (const Item& item : items) {
    const long double weight = std::exp2(-half_lives(last - item.time.us));
    const bool counts_only = feature.aggregate == "decayed_count";
    const long double x = counts_only ? 1 : NumberOf(item.value);
    count += weight;
    sum += weight * x;
    sum_of_sizes += weight * std::fabs(x);
  }
  if (feature.aggregate == "decayed_mean")
    return PresentWithin(sum / count, 1e-13L * sum_of_sizes / count);
  const long double since = std::exp2(-half_lives(end - last));
  constexpr long double kBelowNormalDoubles = 1e-290L;
  return PresentWithin(sum * since, 1e-13L * sum_of_sizes * since + kBelowNormalDoubles);
}

Expected Exactly(long double value) {
  return PresentWithin(value,
                       std::fabs(value) * 1e-15L);  // a division or two
}

Expected AnyOrEvery(const Items& items, bool every) {
  for (const Item& item : items) {
    if (item.value.as_bool() != every) return Present(Value::Bool(!every));
  }
  return Present(Value::Bool(every));
}

Expected OfItems(const Feature& feature, const Items& items, const Covered& covered,
                 const Reading& read) {
  const std::string& name = feature.aggregate;
  if (name == "count") return Present(Value::Int64(static_cast<int64_t>(items.size())));
  if (name == "first") return Present(items.front().value);
  if (name == "last") return Present(items.back().value);
  if (name == "min" || name == "max") return LeastOrGreatest(items, name == "max");
  if (name == "min_by" || name == "max_by") return LeastOrGreatestBy(items, name == "max_by");
  if (name == "any" || name == "every") return AnyOrEvery(items, name == "every");
  if (name == "count_distinct") return CountDistinct(feature, items);
  if (name == "quantile") return Quantile(feature, items);
  if (name == "rate") {
    // "`rate` divides by W however much has passed"; "events a `per` over the window's length".
    return Exactly(static_cast<long double>(items.size()) *
                   static_cast<long double>(feature.arguments.per.us) /
                   static_cast<long double>(covered.length));
  }
  if (name == "time_since_first" || name == "time_since_last") {
    // "seconds from the window's first or last event to the read's time; 0 where that event is a little ahead of the
    // reader's clock".
    const Timestamp since = name == "time_since_first" ? items.front().time : items.back().time;
    return Exactly(static_cast<long double>(std::max<Wide>(0, read.q - since.us)) / 1e6L);
  }
  if (name.starts_with("decayed_")) return Decayed(feature, items, read);
  return Numeric(feature, items);
}

}  // namespace

bool Answers(std::string_view aggregate) {
  constexpr std::array<std::string_view, 30> kAnswered = {"count",
                                                          "sum",
                                                          "mean",
                                                          "variance",
                                                          "stddev",
                                                          "var_pop",
                                                          "stddev_pop",
                                                          "skewness",
                                                          "kurtosis",
                                                          "min",
                                                          "max",
                                                          "first",
                                                          "last",
                                                          "min_by",
                                                          "max_by",
                                                          "any",
                                                          "every",
                                                          "quantile",
                                                          "rate",
                                                          "decayed_count",
                                                          "decayed_sum",
                                                          "decayed_mean",
                                                          "time_since_first",
                                                          "count_distinct",
                                                          "time_since_last",
                                                          "first_n",
                                                          "last_n",
                                                          "last_distinct_n",
                                                          "top_k",
                                                          "histogram"};
  return std::find(kAnswered.begin(), kAnswered.end(), aggregate) != kAnswered.end();
}

Value DefaultOf(const Feature& feature) {
  if (!feature.default_value) return {};
  const bool scalar = IsScalar(feature.type);
  struct ToValue {
    bool scalar;
    Value operator()(bool v) const { return Value::Bool(v); }
    Value operator()(int64_t v) const { return Value::Int64(v); }
    Value operator()(double v) const { return Value::Double(v); }
    Value operator()(const std::string& v) const {
      return scalar ? Value::Text(v) : Value::Packed(v);
    }
    Value operator()(Timestamp v) const { return Value::Time(v); }
  };
  return std::visit(ToValue{scalar}, *feature.default_value);
}

Expected Aggregate(const Feature& feature, const Covered& covered, const Reading& read) {
  if (GivesCollection(feature)) {
    std::vector<const Kept*> counted;
    for (const Kept* event : covered.events) {
      if (Passes(feature.where, event->fields)) counted.push_back(event);
    }
    Expected expected = AggregateCollection(feature, counted);
    expected.degraded |= covered.degraded;
    expected.degraded &= expected.status == CellStatus::kPresent;
    return expected;
  }
  // "Nulls are skipped (`count` without `of` counts rows). A window that holds only nulls is empty."
  Items items;
  for (const Kept* event : covered.events) {
    // "a feature's `where` that is not true still touches [the row]", and is not counted.
    if (!Passes(feature.where, event->fields)) continue;
    const std::string& name = feature.aggregate;
    const bool counts = name == "count" || name == "count_distinct" || name == "decayed_count";
    const auto field = [&](std::optional<uint32_t> index) {
      if (!index) return Value::Bool(true);
      const Value& value = event->fields[*index];
      return counts && !KeepsEvents(feature.window) ? value : Short(value);
    };
    const Item item{event->time, field(feature.of), field(feature.arguments.order_by)};
    if (!item.value.is_null() && !item.order_by.is_null()) items.push_back(item);
  }
  Expected expected = items.empty() ? NoValue(feature) : OfItems(feature, items, covered, read);
  // "a flag DEGRADED beside PRESENT".
  expected.degraded = covered.degraded && expected.status == CellStatus::kPresent;
  expected.values = items.size();
  return expected;
}

}  // namespace freshet::oracle
