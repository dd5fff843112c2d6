// Reading at a time. Each block begins with the sentence of docs/semantics.md that it is.
//
// Why nothing that was offered is ever dropped here, though a real row evicts: a read at q is answered only if
// q ≥ now − history, and no row is newer than now + max_future_skew (later events were refused; with
// `clock: event_time` skew is 0 and now is never less than the newest event). So N, the row's newest, is
// ≤ q + history + skew, and the eviction bound floor_h(N − W − history − skew) is ≤ floor_h(q − W), the lowest pane
// that a window of reach W covers at q. That is so for every h alike, since floor is monotonic, and at every earlier
// time too, since N only grows: whatever a row dropped or refused as late lies below every window that may
// still be asked for. (It rests on clocks: a broker whose LogAppendTime runs ahead of the server's wall clock can
// make N > now + skew; then a row may lack at the window's tail what the oracle still counts.) The exceptions
// are the two places below that name newest: runs of events, and which pane tells the row's age.
#include <algorithm>
#include <cmath>

#include "featurestore/oracle/oracle.h"

namespace freshet::oracle {
namespace {

// Time as wide as it takes: nothing here saturates.
using Wide = __int128;

// "floor_h(t) = the greatest multiple of h (plus `offset`) ≤ t"
Wide Floor(Wide t, Duration h, Duration offset) {
  const Wide from_offset = t - offset.us;
  Wide remainder = from_offset % h.us;
  if (remainder < 0) remainder += h.us;
  return t - remainder;
}

struct Reading {
  Wide q;              // the time of the read
  bool leave_out_own;  // the pane holding q does not count
};

Reading ReadingOf(const AskedAt& asked, Timestamp newest) {
  // "One request has one now. `as_of` replaces it".
  // "With `as_of` q before the row's newest event, the pane holding q is left out".
  if (asked.as_of) return {asked.as_of->us, *asked.as_of < newest};
  return {asked.now.us, false};
}

// Whether the event at `t` counts for a window with panes.
bool Covers(const Window& window, Wide t, const Reading& read) {
  const Wide own_pane =
      Floor(read.q, window.hop, window.offset);           // where the pane holding q starts
  const Wide pane = Floor(t, window.hop, window.offset);  // where the pane holding t starts
  // "At `now`, all applied events count up to the pane holding now".
  if (pane > own_pane) return false;
  if (pane == own_pane && read.leave_out_own) return false;
  if (window.kind == WindowKind::kSliding) {
    // "all panes from floor_h(q − W) to the one holding q"
    return pane >= Floor(read.q - window.length.us, window.hop, window.offset);
  }
  const Wide bucket = Floor(read.q, window.length, window.offset);
  if (window.completed)
    return t >= bucket - window.length.us && t < bucket;  // "[floor_W(q) − W, floor_W(q))"
  return t >= bucket;                                     // "[floor_W(q), q], the running bucket"
}

Value DefaultOf(const Feature& feature) {
  if (!feature.default_value) return {};
  struct ToValue {
    Value operator()(bool v) const { return Value::Bool(v); }
    Value operator()(int64_t v) const { return Value::Int64(v); }
    Value operator()(double v) const { return Value::Double(v); }
    Value operator()(const std::string& v) const { return Value::Text(v); }
    Value operator()(Timestamp v) const { return Value::Time(v); }
  };
  return std::visit(ToValue{}, *feature.default_value);
}

Expected Present(Value value) { return {CellStatus::kPresent, value, {}, {}}; }

// "overflow is status ERROR": of doubles too, which have no larger ones to answer with.
Expected PresentWithin(long double value, long double scale) {
  if (!std::isfinite(static_cast<double>(value))) return {CellStatus::kError, {}, {}, {}};
  return {CellStatus::kPresent,
          Value::Double(static_cast<double>(value)),
          static_cast<double>(scale),
          {}};
}

// "An empty window: count, sum → 0; all others → NULL_VALUE. A `default` fills empty windows and null ... fields
// (status then PRESENT)". A null that comes of too few values (variance of one) is filled alike.
Expected NoValue(const Feature& feature) {
  if (feature.default_value) return Present(DefaultOf(feature));
  if (feature.aggregate == "count" || feature.aggregate == "sum") {
    return Present(feature.type == Type::kInt64 ? Value::Int64(0) : Value::Double(0));
  }
  return {CellStatus::kNullValue, {}, {}, {}};
}

// The values in the order of (time, incarnation, partition, offset), none of them null.
Expected Aggregate(const Feature& feature, const std::vector<Value>& values) {
  const std::string& name = feature.aggregate;
  if (name == "count") return Present(Value::Int64(static_cast<int64_t>(values.size())));
  if (name == "first") return Present(values.front());
  if (name == "last") return Present(values.back());
  if (name == "min" || name == "max") {
    Value best = values.front();
    for (const Value& value : values) {
      const int order = Value::Compare(value, best);
      if (name == "min" ? order < 0 : order > 0) best = value;
    }
    return Present(best);
  }

  const auto n = static_cast<long double>(values.size());
  const bool integers = values.front().kind() == Value::Kind::kInt64;
  __int128 integer_sum = 0;
  long double sum = 0;
  long double sum_of_sizes = 0;    // Σ|x|
  long double sum_of_squares = 0;  // Σx²
  for (const Value& value : values) {
    if (integers) integer_sum += value.as_int64();
    const auto x = integers ? static_cast<long double>(value.as_int64())
                            : static_cast<long double>(value.as_double());
    sum += x;
    sum_of_sizes += std::fabs(x);
    sum_of_squares += x * x;
  }
  if (name == "sum" && integers) {
    // "Integer sums accumulate in 128 bits and are checked when finished: overflow is status ERROR."
    if (integer_sum < INT64_MIN || integer_sum > INT64_MAX) return {CellStatus::kError, {}, {}, {}};
    return Present(Value::Int64(static_cast<int64_t>(integer_sum)));
  }
  if (integers) sum = static_cast<long double>(integer_sum);
  if (name == "sum") return PresentWithin(sum, sum_of_sizes);
  const long double mean = sum / n;
  if (name == "mean") return PresentWithin(mean, sum_of_sizes / n);

  // "`variance`, `stddev`: sample, as in SQL (null below two values); `var_pop`, `stddev_pop`: population."
  const bool sample = name == "variance" || name == "stddev";
  const bool root = name == "stddev" || name == "stddev_pop";
  if (sample && values.size() < 2) return NoValue(feature);
  long double squares_from_mean = 0;
  for (const Value& value : values) {
    const auto x = integers ? static_cast<long double>(value.as_int64())
                            : static_cast<long double>(value.as_double());
    squares_from_mean += (x - mean) * (x - mean);
  }
  const long double variance = squares_from_mean / (sample ? n - 1 : n);
  const long double scale = sum_of_squares / n;
  Expected expected = PresentWithin(root ? std::sqrt(variance) : variance, scale);
  if (root && expected.scale) expected.variance = static_cast<double>(variance);
  return expected;
}

}  // namespace

bool Agrees(const Expected& expected, CellStatus status, const Value& value) {
  if (status != expected.status) return false;
  if (value.kind() != expected.value.kind()) return false;
  if (!expected.scale) return value == expected.value;
  const double got = value.as_double();
  const double bound = 1e-9 * *expected.scale;
  if (!expected.variance) return std::fabs(got - expected.value.as_double()) <= bound;
  return got >= 0 && std::fabs(got * got - *expected.variance) <= bound;
}

std::optional<Timestamp> Oracle::TimeOfRow(const FeatureView& view, const EntityRow& row,
                                           const AskedAt& asked) const {
  const Reading read = ReadingOf(asked, row.newest);
  // "greatest event that touched its row"
  if (!read.leave_out_own) return row.newest;
  // "Row age and event times are then of the newest pane that ends at or before q; with none, NOT_FOUND. In a view
  // with history every pane keeps its greatest event time, and every event that touches the row makes its pane, also
  // where no feature counts it." And: "A row evicts panes that start before
  // floor_h(newest − W − history − max_future_skew)", W the longest window that shares the panes.
  std::optional<Timestamp> newest_seen;
  for (const Feature& with_panes : view.features) {
    if (!with_panes.window.has_panes()) continue;
    const Duration hop = with_panes.window.hop;
    const Duration offset = with_panes.window.offset;
    Wide longest = 0;
    for (const Feature& other : view.features) {
      if (!other.window.has_panes() || other.window.hop != hop) continue;
      if ((other.window.offset.us - offset.us) % hop.us != 0) continue;
      longest = std::max<Wide>(longest, other.window.reach().us);
    }
    const Wide bound = Floor(
        Wide{row.newest.us} - longest - view.history.us - view.max_future_skew.us, hop, offset);
    for (const RowEvent& kept : row.events) {
      const Wide pane = Floor(kept.event->time.us, hop, offset);
      if (pane < bound || pane + hop.us > read.q) continue;
      newest_seen = std::max(newest_seen.value_or(kept.event->time), kept.event->time);
    }
  }
  return newest_seen;
}

Expected Oracle::Finish(const FeatureView& view, const Feature& feature, const EntityRow& row,
                        const AskedAt& asked) const {
  const Reading read = ReadingOf(asked, row.newest);
  std::vector<const RowEvent*> in_order;
  for (const RowEvent& kept : row.events) {
    if (feature.window.has_panes()) {
      if (Covers(feature.window, kept.event->time.us, read)) in_order.push_back(&kept);
    } else if (!view.ttl || !kept.too_late_for_runs) {
      in_order.push_back(&kept);  // "lifetime: every event"
    }
  }
  // "Ties in time are broken by (incarnation, partition, offset)."
  std::sort(in_order.begin(), in_order.end(), [](const RowEvent* a, const RowEvent* b) {
    return Position{a->event->time, a->event->at} < Position{b->event->time, b->event->at};
  });
  size_t from = 0;
  if (!feature.window.has_panes() && view.ttl) {
    // "lifetime: in a view with a ttl, the last run of events whose neighbours are at most ttl apart"
    from = in_order.empty() ? 0 : in_order.size() - 1;
    while (from > 0 && Wide{in_order[from]->event->time.us} - in_order[from - 1]->event->time.us <=
                           view.ttl->us) {
      --from;
    }
  }
  // "Nulls are skipped (`count` without `of` counts rows). A window that holds only nulls is empty."
  std::vector<Value> values;
  for (size_t i = from; i < in_order.size(); ++i) {
    const Value value = feature.of ? in_order[i]->event->fields[*feature.of] : Value::Bool(true);
    if (!value.is_null()) values.push_back(value);
  }
  if (values.empty()) return NoValue(feature);
  return Aggregate(feature, values);
}

ExpectedRow Oracle::Answer(size_t view_index, const KeyValues& key, const AskedAt& asked) const {
  const FeatureView& view = views_[view_index];
  const auto found = rows_[view_index].find(Own(key));
  const EntityRow* row = found == rows_[view_index].end() ? nullptr : &found->second;
  const bool null_key =
      std::any_of(key.begin(), key.end(), [](const Value& k) { return k.is_null(); });
  if (null_key) row = nullptr;

  ExpectedRow answer;
  // "Cells asked for as_of < now − history are OUTSIDE_HISTORY."
  const bool before_history =
      asked.as_of && Wide{asked.as_of->us} < Wide{asked.now.us} - view.history.us;
  if (row != nullptr && !before_history) answer.event_time = TimeOfRow(view, *row, asked);

  // "With a = q − the row's newest event time and grace = max(lateness, 1h): a ≤ ttl: the features' own statuses;
  // ttl < a ≤ ttl + grace: every feature OUTSIDE_MAX_AGE, no stored value; beyond: NOT_FOUND."
  CellStatus of_row = answer.event_time ? CellStatus::kPresent : CellStatus::kNotFound;
  if (answer.event_time && view.ttl) {
    const Wide a = Wide{asked.as_of.value_or(asked.now).us} - answer.event_time->us;
    if (a > view.ttl->us) of_row = CellStatus::kOutsideMaxAge;
    if (a > Wide{view.ttl->us} + view.grace().us) of_row = CellStatus::kNotFound;
  }
  // "Removed by compaction or not: removal never shows."
  if (of_row == CellStatus::kNotFound) answer.event_time = std::nullopt;

  for (const Feature& feature : view.features) {
    // "For kinds without panes (session, rows, lifetime, ...) history counts as 0: at any as_of < now they are
    // OUTSIDE_HISTORY, whatever the row holds, row or none".
    const bool no_panes_and_past =
        !feature.window.has_panes() && asked.as_of && *asked.as_of < asked.now;
    if (before_history || no_panes_and_past) {
      answer.cells.push_back({CellStatus::kOutsideHistory, {}, {}, {}});
    } else if (of_row != CellStatus::kPresent) {
      // A default fills "NOT_FOUND and OUTSIDE_MAX_AGE cells (the status stays ...)".
      answer.cells.push_back({of_row, DefaultOf(feature), {}, {}});
    } else {
      answer.cells.push_back(Finish(view, feature, *row, asked));
    }
  }
  return answer;
}

}  // namespace freshet::oracle
