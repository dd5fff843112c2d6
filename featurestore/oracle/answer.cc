// Statuses of a row's cells, and when two answers agree. Each block begins with the sentence of docs/semantics.md that it is.
#include <algorithm>
#include <cmath>
#include <limits>

#include "featurestore/oracle/aggregates.h"
#include "featurestore/oracle/collections.h"
#include "featurestore/oracle/cover.h"
#include "featurestore/oracle/latest.h"
#include "featurestore/oracle/oracle.h"

namespace freshet::oracle {

bool Agrees(const Expected& expected, CellStatus status, const Value& value) {
  if (expected.undetermined) {
    if (status == CellStatus::kNullValue) return value.is_null();
    return status == CellStatus::kPresent && value.kind() == Value::Kind::kDouble;
  }
  if (status != expected.status) return false;
  if (expected.collection) return AgreesWith(*expected.collection, value);
  if (value.kind() != expected.value.kind()) return false;
  if (expected.sketch_error) {
    return std::fabs(value.number() - expected.value.number()) <= *expected.sketch_error;
  }
  if (!expected.within) return value == expected.value;
  const double got = value.as_double();
  // Below the least normal double there are fewer digits than any relative bound asks for.
  const double bound = std::max(*expected.within, std::numeric_limits<double>::min());
  if (!expected.variance) return std::fabs(got - expected.value.as_double()) <= bound;
  return got >= 0 && std::fabs(got * got - *expected.variance) <= bound;
}

bool Agrees(const Expected& expected, const Cell& cell) {
  // No value is never degraded; where it is open whether there is one, so is this.
  const bool no_value = expected.undetermined && cell.status == CellStatus::kNullValue;
  return Agrees(expected, cell.status, cell.value) &&
         cell.degraded == (expected.degraded && !no_value);
}

namespace {

bool HasNoPast(const FeatureView& view) {
  return std::none_of(view.features.begin(), view.features.end(), [](const Feature& feature) {
    return feature.window.has_panes() || feature.window.kind == WindowKind::kExact;
  });
}

}  // namespace

ExpectedRow Oracle::Answer(size_t view_index, const KeyValues& key, const AskedAt& asked) const {
  const FeatureView& view = views_[view_index];
  const auto found = rows_[view_index].find(Own(key));
  const EntityRow* row = found == rows_[view_index].end() ? nullptr : &found->second;
  const bool null_key =
      std::any_of(key.begin(), key.end(), [](const Value& k) { return k.is_null(); });
  if (null_key) row = nullptr;
  // "At an as_of before it [a delete]: OUTSIDE_HISTORY".
  const bool before_delete =
      row != nullptr && row->deleted && asked.as_of && *asked.as_of < *row->deleted;
  // "After a delete, until another event: NOT_FOUND."
  if (row != nullptr && row->events.empty()) row = nullptr;

  ExpectedRow answer;
  // "Cells asked for as_of < now − history are OUTSIDE_HISTORY."
  const bool before_history =
      before_delete ||
      (asked.as_of && Wide{asked.as_of->us} < Wide{asked.now.us} - view.history.us);
  if (row != nullptr && !before_history)
    answer.event_time = TimeOfRow(view, row->events, ReadingOf(asked, row->newest));
  // "A row without panes and exact windows keeps no times before that of its newest event, so at an as_of from now on it answers
  // with all that it holds".
  if (row != nullptr && !before_history && asked.as_of && *asked.as_of >= asked.now &&
      HasNoPast(view))
    answer.event_time = row->newest;

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
    // "For kinds without panes (session, rows, lifetime, decayed, latest values) history counts as 0: at any
    // as_of < now they are OUTSIDE_HISTORY, whatever the row holds, row or none": decayed ones are where they are
    // over the lifetime; over panes they have panes. `exact` has none either, but keeps its values and "misses nothing".
    const bool without_past =
        !feature.window.has_panes() && feature.window.kind != WindowKind::kExact;
    if (before_history || (without_past && asked.as_of && *asked.as_of < asked.now)) {
      answer.cells.push_back({.status = CellStatus::kOutsideHistory});
    } else if (of_row != CellStatus::kPresent) {
      // A default fills "NOT_FOUND and OUTSIDE_MAX_AGE cells (the status stays ...)".
      // The built-in 0 of a count by key is an empty map.
      answer.cells.push_back(feature.arguments.by && !feature.default_value
                                 ? EmptyCollection(feature, of_row)
                                 : Expected{.status = of_row, .value = DefaultOf(feature)});
    } else if (view.latest_values) {
      answer.cells.push_back(
          LatestValue(view, feature, row->events, asked.as_of.value_or(asked.now)));
    } else {
      const Reading read = ReadingOf(asked, row->newest);
      answer.cells.push_back(
          Aggregate(feature, Cover(view, feature.window, row->events, read), read));
    }
  }
  return answer;
}

}  // namespace freshet::oracle
