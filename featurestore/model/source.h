// A declared source: where events come from and what is in them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/base/time.h"
#include "featurestore/model/value.h"

namespace freshet {

// Of a number that is a time.
enum class TimeUnit : uint8_t { kSeconds, kMillis, kMicros, kNanos };
std::string_view TimeUnitName(TimeUnit unit);  // s, ms, us, ns
std::optional<TimeUnit> TimeUnitFromName(std::string_view name);
// Truncates toward the past; nullopt beyond kMin/kMaxEventTime.
std::optional<Timestamp> TimeFromNumber(int64_t number, TimeUnit unit);
std::optional<Timestamp> TimeFromNumber(double number, TimeUnit unit);

struct Field {
  std::string name;
  Type type = Type::kString;
  // Where in the record's value: names of nested objects, outermost first; `{name}` where not declared.
  // First element "$key" or "$headers": the record's key (its JSON where more names follow) or a header.
  std::vector<std::string> path;
  // kTimestamp only: numbers with this unit are read; without it, RFC 3339 text is.
  std::optional<TimeUnit> unit;
  // Not empty: computed of the fields before it, and found nowhere in the record. SQL, written in the one way that equal texts share.
  std::string expression;
  std::string written;    // as the first of these texts was written, for people
  bool required = false;  // absent or null: the event is `incomplete`
  bool bad_is_null =
      false;  // on_bad: "null": a value of another type is a counted null, where the event is else `mistyped`
  uint32_t vector_size = 0;  // kFloatVector: the N of list<float>[N]
};

// Free words about any declared thing; they decide nothing.
struct Annotations {
  std::string description;
  std::string owner;
  std::map<std::string, std::string> tags;
};

// Producers that send twice: an event whose id was applied to a row within that event time is skipped there.
struct Dedup {
  std::vector<uint32_t> by;  // the fields that together are an event's id
  Duration within;
  uint32_t max_ids = 0;  // a row remembers so many
};

struct Source {
  std::string name;
  std::string topic;
  // Those of the record, then `derive`, then one for each distinct `where`, which no name reaches.
  std::vector<Field> fields;
  uint32_t named_fields = 0;      // so many, at the beginning, can be named
  std::optional<uint32_t> where;  // a bool field: events for which it is not true are for no view
  std::optional<uint32_t> key;    // the field that the record key holds; needed for deletes
  std::optional<uint32_t> time_field;  // none: the Kafka record's own timestamp
  std::optional<TimeUnit> time_unit;   // of a time field that is an int64 or double
  Duration lateness = Duration::Minutes(10);
  Duration idle_after = Duration::Minutes(1);
  Duration max_future_skew =
      Duration::Minutes(5);  // 0 with `clock: event_time`: nothing is refused
  std::optional<Dedup> dedup;
  // Aggregations over a compacted topic count what compaction has left of it: asked for by name.
  bool allow_compacted = false;
  Annotations about;

  std::optional<uint32_t> FieldIndex(std::string_view field) const;
};

}  // namespace freshet
