#include "featurestore/oracle/oracle.h"

#include <algorithm>
#include <array>
#include <utility>

#include "featurestore/oracle/cover.h"
#include "featurestore/oracle/json.h"
#include "featurestore/oracle/latest.h"

namespace freshet::oracle {

std::string_view RefusalName(Refusal refusal) {
  constexpr std::array<std::string_view, 5> kNames = {"malformed", "mistyped", "incomplete",
                                                      "future", "no_key"};
  return kNames[static_cast<size_t>(refusal)];
}

Oracle::Oracle(Source source, std::vector<Entity> entities, std::vector<FeatureView> views,
               Derive derive)
    : source_(std::move(source)),
      entities_(std::move(entities)),
      views_(std::move(views)),
      derive_(std::move(derive)),
      rows_(views_.size()) {}

std::optional<Refusal> Oracle::Offer(const Record& record, Coordinates at) {
  if (IsRepeatedPush(record, at)) {
    ++repeated_pushes_;
    return std::nullopt;
  }
  if (!record.value) return OfferTombstone(record, at);
  std::vector<OwnedValue> owned;
  Event event{.time = {}, .at = at, .fields = {}};
  if (const auto refusal = DecodeJson(source_, record, owned, event.time)) return refusal;
  // "an event later than max_future_skew (5m) after the broker's record time ... or else after the wall clock at
  // its first reading is refused."
  if (record.seen_at && event.time > *record.seen_at + source_.max_future_skew) {
    return Refusal::kFuture;
  }
  std::vector<Value> fields;
  for (const OwnedValue& value : owned) fields.push_back(value.Borrow());
  event.fields = fields;
  return OfferDecoded(event);
}

std::optional<Refusal> Oracle::OfferDecoded(const Event& event) {
  // "Every accepted event moves now".
  now_ = std::max(now_.value_or(event.time), event.time);
  last_event_time_ = event.time;
  Timestamp& newest_of = newest_of_.try_emplace(event.at.partition, event.time).first->second;
  newest_of = std::max(newest_of, event.time);

  std::vector<Value> fields(event.fields.begin(), event.fields.end());
  fields.resize(source_.fields.size());
  if (derive_) derive_(fields);
  // "[a source's] where that is not true": the event is for no view, and no dead letter.
  if (!Passes(source_.where, fields)) return std::nullopt;

  std::vector<KeyValues> keys;
  // "If no view of its source can use it, it is accepted, applied nowhere, and dead-lettered too (no_key)."
  if (!FindKeys(fields, keys)) return Refusal::kNoKey;
  if (std::all_of(keys.begin(), keys.end(), [](const KeyValues& key) { return key.empty(); })) {
    return std::nullopt;
  }

  Kept& kept = events_.emplace_back(Kept{event.time, event.at, {}});
  for (const Value& value : fields) kept.fields.push_back(Keep(value));
  memory_bytes_ += sizeof(Kept) + fields.size() * sizeof(Value);

  for (size_t v = 0; v < views_.size(); ++v) {
    const FeatureView& view = views_[v];
    if (keys[v].empty()) continue;
    KeyValues key;
    for (const uint32_t field : view.key_fields) key.push_back(kept.fields[field]);

    const auto [found, created] = rows_[v].try_emplace(Own(key));
    EntityRow& row = found->second;
    if (created) {
      row.key = key;
      memory_bytes_ += sizeof(EntityRow) + 160;  // with the map's node and the key's copies
    }
    // In a view of latest values "events of an earlier time that come after it [a delete] change nothing, as long as what they bring
    // would not be expired anyway".
    if (view.latest_values && row.deleted && event.time < *row.deleted &&
        (row.events.empty() || *row.deleted > row.newest - view.keep_deleted())) {
      continue;
    }
    if (row.events.empty()) row.newest = event.time;
    if (IsDuplicate(row, kept)) {
      ++duplicates_;
      continue;
    }
    const Timestamp newest = std::max(row.newest, event.time);
    // "One that changed nothing, being late, is not remembered."
    const bool applied = event.time > row.newest || row.events.empty() ||
                         (view.latest_values ? SetsAField(view, row.events, kept)
                                             : !ChangesNothing(view, event.time, newest));
    // "for them [sessions and lifetime-with-ttl] an event older than newest − lateness changes nothing and is late."
    const bool too_late = event.time < row.newest - view.lateness;
    row.newest = std::max(row.newest, event.time);
    // "Ties in time are broken by (incarnation, partition, offset)."
    const auto place = std::upper_bound(row.events.begin(), row.events.end(), kept.position(),
                                        [](const Position& position, const RowEvent& other) {
                                          return position < other.event->position();
                                        });
    row.events.insert(place, {&kept, too_late});
    memory_bytes_ += 2 * sizeof(RowEvent);  // a vector grows by doubling
    if (applied) Remember(row, kept);
  }
  return std::nullopt;
}

bool Oracle::FindKeys(std::span<const Value> fields, std::vector<KeyValues>& keys) const {
  bool used = false;
  keys.assign(views_.size(), {});
  for (size_t v = 0; v < views_.size(); ++v) {
    KeyValues key;
    for (const uint32_t field : views_[v].key_fields) key.push_back(fields[field]);
    // "An event whose key for a view is null is not for that view".
    if (std::any_of(key.begin(), key.end(), [](const Value& k) { return k.is_null(); })) continue;
    used = true;
    // "A view's `where` that is not true neither creates nor touches the row".
    if (!Passes(views_[v].where, fields)) continue;
    if (!wanted_ || wanted_(v, key)) keys[v] = std::move(key);
  }
  return used;
}

std::optional<RowFacts> Oracle::Facts(size_t view, const KeyValues& key) const {
  const auto found = rows_[view].find(Own(key));
  if (found == rows_[view].end()) return std::nullopt;
  const EntityRow& row = found->second;
  RowFacts facts;
  facts.events = row.events.size();
  facts.deleted = row.deleted;
  if (row.events.empty()) return facts;
  facts.oldest = row.events.front().event->time;
  facts.newest = row.newest;
  // By rising time: of each partition, the least time is its first.
  std::map<int32_t, Timestamp> first_of;
  for (const RowEvent& row_event : row.events) {
    first_of.try_emplace(row_event.event->at.partition, row_event.event->time);
    for (const auto& [partition, first] : first_of) {
      facts.unordered |= partition != row_event.event->at.partition &&
                         first < row_event.event->time - views_[view].lateness;
    }
  }
  facts.several_partitions = first_of.size() > 1;
  return facts;
}

std::vector<KeyValues> Oracle::entities(size_t view) const {
  std::vector<KeyValues> keys;
  for (const auto& [key, row] : rows_[view]) {
    if (!row.events.empty()) keys.push_back(row.key);
  }
  return keys;
}

Oracle::OwnedKey Oracle::Own(const KeyValues& key) {
  OwnedKey own;
  for (const Value& value : key) {
    if (value.kind() == Value::Kind::kText) {
      own.emplace_back(std::string(value.as_text()));
    } else {
      own.emplace_back(value.as_int64());  // a bool's and a time's number too
    }
  }
  return own;
}

Value Oracle::Keep(const Value& value) {
  if (value.kind() == Value::Kind::kPacked) {
    memory_bytes_ += sizeof(std::string) + value.as_packed().size();
    return Value::Packed(texts_.emplace_back(value.as_packed()));
  }
  if (value.kind() != Value::Kind::kText) return value;
  memory_bytes_ += sizeof(std::string) + value.as_text().size();
  return Value::Text(texts_.emplace_back(value.as_text()));
}

}  // namespace freshet::oracle
