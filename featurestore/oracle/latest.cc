#include "featurestore/oracle/latest.h"

#include <algorithm>

#include "featurestore/oracle/aggregates.h"
#include "featurestore/oracle/cover.h"

namespace freshet::oracle {

Expected LatestValue(const FeatureView& view, const Feature& feature,
                     const std::vector<RowEvent>& events, Timestamp q) {
  // "Each field is kept with its own (time, incarnation, partition, offset); the greater wins, per field. A field present as null
  // sets null; an absent one leaves it."
  const Kept* latest = nullptr;
  for (const RowEvent& row_event : events) {
    if (!row_event.event->fields[*feature.of].is_absent()) latest = row_event.event;
  }
  Value value = latest == nullptr ? Value() : latest->fields[*feature.of];
  // "A field older than ttl at q is null."
  if (latest != nullptr && view.ttl && Wide{q.us} - latest->time.us > view.ttl->us) value = {};
  // "A `default` fills ... null or expired fields (status then PRESENT)."
  if (value.is_null() && feature.default_value) value = DefaultOf(feature);
  if (value.is_null()) return {.status = CellStatus::kNullValue};
  return {.status = CellStatus::kPresent, .value = value, .values = 1};
}

bool SetsAField(const FeatureView& view, const std::vector<RowEvent>& events, const Kept& event) {
  return std::any_of(view.features.begin(), view.features.end(), [&](const Feature& feature) {
    if (event.fields[*feature.of].is_absent()) return false;
    return std::none_of(events.begin(), events.end(), [&](const RowEvent& other) {
      return !other.event->fields[*feature.of].is_absent() &&
             event.position() <= other.event->position();
    });
  });
}

}  // namespace freshet::oracle
