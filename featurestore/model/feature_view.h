// Entities and feature views, as declared and resolved: names are indices by now,
// defaults are filled in, and everything was checked. Behaviour stands elsewhere (window, aggregate, state).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "featurestore/base/time.h"
#include "featurestore/model/source.h"
#include "featurestore/model/storage_tuning.h"
#include "featurestore/model/value.h"

namespace freshet {

struct EntityKeyField {
  std::string name;
  Type type = Type::kString;
};

struct Entity {
  std::string name;
  std::vector<EntityKeyField> keys;  // in declared order, which is the order of the key's bytes
  Annotations about;
};

enum class WindowKind : uint8_t {
  kSliding = 1,
  kTumbling = 2,
  kLifetime = 3,
  kHopping = 4,
  kSession = 5,
  kRows = 6,
  kExact = 7,  // sliding, exact: true
};

// Buckets of a calendar in a time zone, whose lengths differ.
enum class CalendarUnit : uint8_t { kNone = 0, kDay = 1, kWeek = 2, kMonth = 3 };

// semantics.md, Windows. Durations are 0 where the kind has none.
struct Window {
  WindowKind kind = WindowKind::kLifetime;
  Duration length;         // of a session: the gap
  Duration hop;            // of its panes; resolved: never 0 where has_panes()
  Duration offset;         // in [0, hop) for sliding and hopping, [0, length) for tumbling
  bool completed = false;  // tumbling: the last bucket that has ended; session: the newest that has
  CalendarUnit calendar = CalendarUnit::kNone;  // tumbling
  std::string time_zone;                        // of the calendar: "Europe/Berlin"
  uint32_t events = 0;                          // rows: n; exact: max_events

  bool has_panes() const {
    return kind == WindowKind::kSliding || kind == WindowKind::kTumbling ||
           kind == WindowKind::kHopping;
  }
  // Kinds for which a view's history counts; for the others it is 0.
  bool has_history() const { return has_panes() || kind == WindowKind::kExact; }
  // How long a row counts is for the declaration to say: no default ttl follows from the window.
  bool needs_ttl() const {
    return kind == WindowKind::kLifetime || kind == WindowKind::kRows ||
           (kind == WindowKind::kSession && completed);
  }
  // How far before the read's time the oldest pane that it may cover can end: W, or 2W for completed buckets. Where the calendar
  // decides, of its longest.
  Duration reach() const { return completed ? Duration{2 * length.us} : length; }
  friend bool operator==(const Window&, const Window&) = default;
};

// An owned default: bool, int64, double, text, bytes or packed bytes (packed.h), or time.
using DefaultValue = std::variant<bool, int64_t, double, std::string, Timestamp>;

// What an aggregation takes beside `of`; each as its catalog entry says. Defaults are filled in.
struct FeatureArguments {
  std::vector<uint32_t>
      of;  // first_n, last_n of several fields: all of them, Feature::of the one that is served
  std::optional<uint32_t> order_by;  // min_by, max_by: the field compared
  double q = 0;                      // quantile
  uint32_t n = 0;                    // first_n, last_n, last_distinct_n; top_k: k
  uint32_t exact_to = 0;  // count_distinct, quantile, top_k: so many values are kept as they are
  double error = 0;       // past exact_to
  Duration half_life;     // decayed_…
  Duration per;           // rate
  std::optional<uint32_t> by;  // count, sum: the field whose values are a map's keys
  uint32_t max_keys = 0;       // of a map
  bool counts = false;         // top_k: a map to the counts
  std::vector<double> bounds;  // histogram
  friend bool operator==(const FeatureArguments&, const FeatureArguments&) = default;
};

// One served feature: one aggregation over one window; in a view of latest values one field (`of`), with neither.
struct Feature {
  std::string name;               // as served: spend_1h
  std::string declared;           // as declared: spend
  std::string aggregate;          // a name of aggregate/catalog.h
  std::optional<uint32_t> of;     // field of the source
  std::optional<uint32_t> where;  // a bool field: other events touch the row and are not counted
  FeatureArguments arguments;
  Window window;
  Type type = Type::kDouble;  // of the answer
  uint32_t vector_size = 0;   // kFloatVector: its number of elements
  // Fills empty windows and nulls, and the values (not the statuses) of NOT_FOUND and OUTSIDE_MAX_AGE.
  // Built in: 0 for count and sum.
  std::optional<DefaultValue> default_value;
  Annotations about;
};

struct FeatureView {
  std::string name;
  uint32_t source = 0;               // index in the catalog
  uint32_t entity = 0;               // index in the catalog
  std::vector<uint32_t> key_fields;  // of the source, one for each key of the entity
  std::optional<uint32_t> where;  // a bool field of the source: other events are not for this view
  std::optional<Duration> ttl;    // none: never expires; the default is filled in
  Duration default_ttl;           // what its windows need; ≤ ttl unless declared shorter
  Duration history;
  Duration lateness;         // the source's
  Duration max_future_skew;  // the source's
  Duration dedup_within;     // the source's; 0: none
  // Declared by `fields`: each feature is the latest value of its field, kept with a time of its own.
  bool latest_values = false;
  std::vector<Feature> features;
  std::string version;  // 16 hex digits: hash of all that decides stored values
  StorageTuning tuning;
  Annotations about;

  // Between ttl and ttl + grace a row is OUTSIDE_MAX_AGE, beyond NOT_FOUND.
  Duration grace() const { return std::max(lateness, Duration::Hours(1)); }
  // Compaction may remove a row once its newest event + keep lies before the view's expiry bound; none: never.
  std::optional<Duration> keep() const {
    if (!ttl.has_value()) return std::nullopt;
    return std::max(*ttl, default_ttl) + history + grace() + max_future_skew + dedup_within +
           joins();
  }
  // How much later than a row's newest event one may be and still count together with it, beside what panes say: runs and rows go on
  // from where they were.
  Duration joins() const {
    Duration longest;
    for (const Feature& feature : features) {
      const Window& window = feature.window;
      if (latest_values) continue;  // of no kind
      if (window.kind == WindowKind::kSession) longest = std::max(longest, window.length);
      if (window.needs_ttl()) longest = std::max(longest, ttl.value_or(Duration{}));
    }
    return longest;
  }
  // Of a row that was deleted, the delete's time may be forgotten once it + keep_deleted lies before that bound: no as_of that is
  // answered reaches before it, and no latest value of an earlier time would still be answered with.
  Duration keep_deleted() const {
    if (latest_values) return ttl.value_or(Duration::Days(400 * 366)) + max_future_skew;
    return history + max_future_skew;
  }
  std::optional<uint32_t> FeatureIndex(std::string_view feature) const;
};

}  // namespace freshet
