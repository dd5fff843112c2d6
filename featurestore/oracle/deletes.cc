// Deletes, and producers that send twice. Each block begins with the sentence of docs/semantics.md that it is.
#include <algorithm>

#include "featurestore/model/push_headers.h"
#include "featurestore/oracle/json.h"
#include "featurestore/oracle/oracle.h"

namespace freshet::oracle {

// "A sequence not above the last passed of that producer in that partition is dropped"; "remembered are the 4096 producers of which
// the last record that was not dropped stands furthest on, and apart from them as many of replayed dead letters".
bool Oracle::IsRepeatedPush(const Record& record, Coordinates at) {
  const auto pushed = ReadPushHeaders(record.headers);
  if (!pushed) return false;
  std::vector<Sender>& senders = senders_[at.partition];
  const auto known = std::find_if(senders.begin(), senders.end(), [&](const Sender& sender) {
    return sender.producer == pushed->producer;
  });
  if (known != senders.end()) {
    if (pushed->sequence <= known->sequence) return true;
    senders.erase(known);
  }
  senders.push_back({std::string(pushed->producer), pushed->sequence, at});
  const auto is_letter = [](const Sender& sender) {
    return sender.producer.starts_with(kReplayedLetterPrefix);
  };
  const bool letter = is_letter(senders.back());
  const auto alike = [&](const Sender& sender) { return is_letter(sender) == letter; };
  if (static_cast<size_t>(std::count_if(senders.begin(), senders.end(), alike)) >
      kProducersRemembered) {
    senders.erase(std::find_if(senders.begin(), senders.end(), alike));
  }
  return false;
}

std::optional<Refusal> Oracle::OfferTombstone(const Record& record, Coordinates at) {
  // "Need a source with `key:` equal to the view's entity ...; elsewhere a tombstone is dead-lettered no_key."
  if (!source_.key) return Refusal::kNoKey;
  OwnedValue key;
  if (const auto refusal = DecodeKey(source_, record, key)) return refusal;
  // "A tombstone's time is the record's own; with `clock: event_time` the greatest event time passed in its partition."
  Timestamp time = record.record_time;
  if (record.seen_at) {
    if (time < kMinEventTime || time > kMaxEventTime) return Refusal::kIncomplete;
    if (time > *record.seen_at + source_.max_future_skew) return Refusal::kFuture;
  } else {
    const auto newest = newest_of_.find(at.partition);
    time = newest == newest_of_.end() ? kMinEventTime : newest->second;
  }
  bool used = false;
  for (size_t v = 0; v < views_.size(); ++v) {
    if (views_[v].key_fields != std::vector<uint32_t>{*source_.key}) continue;
    used = true;
    if (wanted_ && !wanted_(v, {key.Borrow()})) continue;
    Delete(v, {key.Borrow()}, time);
  }
  return used ? std::nullopt : std::optional(Refusal::kNoKey);
}

// "A delete takes effect at its place in the partition: what was applied before is dropped, what follows counts."
void Oracle::Delete(size_t view, const KeyValues& key, Timestamp time) {
  const auto [found, created] = rows_[view].try_emplace(Own(key));
  EntityRow& row = found->second;
  if (created) {
    for (const Value& value : key) row.key.push_back(Keep(value));
  }
  row.ids.clear();
  // "Latest-value view: the delete's (time, partition, offset) is kept; events not greater change nothing."
  if (views_[view].latest_values) {
    std::erase_if(row.events, [&](const RowEvent& kept) { return kept.event->time <= time; });
  } else {
    row.events.clear();
  }
  row.deleted = std::max(row.deleted.value_or(time), time);
}

// "An event whose id was applied to the row within that event time is skipped": by an event that is at most `within` later than
// it, and that is remembered, which is as long as it is not older than newest − within.
bool Oracle::IsDuplicate(const EntityRow& row, const Kept& event) const {
  if (!source_.dedup) return false;
  const Dedup& dedup = *source_.dedup;
  const Timestamp newest = std::max(row.newest, event.time);
  return std::any_of(row.ids.begin(), row.ids.end(), [&](const Kept* other) {
    if (other->time < newest - dedup.within) return false;
    if (other->time - event.time > dedup.within) return false;
    return std::all_of(dedup.by.begin(), dedup.by.end(),
                       [&](uint32_t field) { return event.fields[field] == other->fields[field]; });
  });
}

// "Of these the `max_ids` greatest by time, of equal times those that were applied last." "An event in which one of the fields is
// null has no id."
void Oracle::Remember(EntityRow& row, const Kept& event) const {
  if (!source_.dedup) return;
  const Dedup& dedup = *source_.dedup;
  std::erase_if(row.ids,
                [&](const Kept* other) { return other->time < row.newest - dedup.within; });
  if (event.time < row.newest - dedup.within) return;
  for (const uint32_t field : dedup.by) {
    if (event.fields[field].is_null()) return;
  }
  auto place = row.ids.begin();
  while (place != row.ids.end() && (*place)->time <= event.time) ++place;
  row.ids.insert(place, &event);
  if (row.ids.size() > dedup.max_ids) row.ids.erase(row.ids.begin());
}

// "An event is late for a windowed feature if its pane starts before that feature's eviction bound"; "for them
// [sessions and lifetime with a ttl] an event older than newest − lateness changes nothing and is late"; "late for an
// exact window below newest − W − history − max_future_skew, for rows below newest − ttl; one that only n or `max_events`
// leaves out is not late".
bool ChangesNothing(const FeatureView& view, Timestamp t, Timestamp newest) {
  const auto changes = [&](const Window& window) {
    const Timestamp kept_from = newest - window.reach() - view.history - view.max_future_skew;
    switch (window.kind) {
      case WindowKind::kExact:
        return t >= kept_from;
      case WindowKind::kRows:
        return !view.ttl || t >= newest - *view.ttl;
      case WindowKind::kSession:
        return t >= newest - view.lateness;
      case WindowKind::kLifetime:
        return !view.ttl || t >= newest - view.lateness;
      default:
        return FloorTo(t, window.hop, window.offset) >=
               FloorTo(kept_from, window.hop, window.offset);
    }
  };
  return std::none_of(view.features.begin(), view.features.end(),
                      [&](const Feature& feature) { return changes(feature.window); });
}

}  // namespace freshet::oracle
