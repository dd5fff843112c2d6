// The slow, obviously right answers: what docs/semantics.md says, sentence by sentence, over every event that was
// ever offered. Tests and `freshet verify` hold the fast paths against it.
//
// It shares nothing with them but base and model: JSON is decoded by another library, no pane is ever built,
// nothing is evicted, sums are 128-bit integers or long doubles, calendars are glibc's. Cost of an answer: events of the entity ×
// features. Not thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "featurestore/base/time.h"
#include "featurestore/model/cell.h"
#include "featurestore/model/event.h"
#include "featurestore/model/feature_view.h"
#include "featurestore/model/source.h"

namespace freshet::oracle {

// Why a record does not count. The names are those of the dead letters.
enum class Refusal { kMalformed, kMistyped, kIncomplete, kFuture, kNoKey };
std::string_view RefusalName(Refusal refusal);  // "malformed"

// A record as the log gave it.
struct Record {
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  // none: a tombstone
  Timestamp record_time;  // the log's own, an event's time where the source declares none
  // What an event may not be later than by more than max_future_skew: the broker's time where the topic has
  // LogAppendTime, else the wall clock when the record was first read. None (`clock: event_time`): nothing is refused.
  std::optional<Timestamp> seen_at;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
};

// The time of an answer: `as_of` replaces `now` where it is given.
struct AskedAt {
  Timestamp now;
  std::optional<Timestamp> as_of;
};

// One key of an entity row, in the order of the view's keys. Text is borrowed.
using KeyValues = std::vector<Value>;

// A list or a map. Texts are borrowed from the oracle.
struct Collection {
  struct Entry {
    Value key;
    Value mapped;
    double scale = 0;  // of a double: what entered it
  };
  Type type = {};
  std::vector<Value> elements = {};  // of a list
  std::vector<Entry> entries = {};   // of a map, by rising key
  // Of top_k past its exact bound: `entries` are then all values with their counts, of which up to k are answered; each count
  // may be told too great by this.
  double count_error = 0;
  uint32_t k = 0;
};

struct Expected {
  CellStatus status = CellStatus::kNotFound;
  Value value;  // text is borrowed from the oracle
  // Of a double that was computed: how far an answer may be from it. None: not at all.
  std::optional<double> within = {};
  // Of a standard deviation: the variance under the root, to which `within` belongs.
  std::optional<double> variance = {};
  // Of a sketch past its `exact_to`: how far from `value` its answer may lie.
  std::optional<double> sketch_error = {};
  // Skewness and kurtosis of values that hardly differ: nothing is said of the value, nor whether it is there.
  bool undetermined = false;
  bool degraded = false;
  // Values that were aggregated; 0: the window was empty.
  size_t values = 0;
  // Of lists and maps, in place of `value`.
  std::optional<Collection> collection = {};
};

struct ExpectedRow {
  std::vector<Expected> cells;          // one a feature of the view
  std::optional<Timestamp> event_time;  // of the row as of the read; none: there is none
};

// Whether a cell of a fast path is the one expected; the second asks of `degraded` too.
bool Agrees(const Expected& expected, CellStatus status, const Value& value);
bool Agrees(const Expected& expected, const Cell& cell);

// For people: the status, and the value or what is in the collection.
std::string ToDebugString(const Expected& expected);

// Whether the oracle can answer features of this aggregation: every one of docs/semantics.md.
bool Answers(std::string_view aggregate);

// An accepted event, its texts owned by the oracle.
struct Kept {
  Timestamp time;
  Coordinates at;
  std::vector<Value> fields;  // by index of the source
  Position position() const { return {time, at}; }
};

// An event of an entity's row.
struct RowEvent {
  const Kept* event;
  bool too_late_for_runs;  // when it came: sessions and lifetime with a ttl do not count it
};

// "An event that changes no feature of a view counts as late there", of a row whose newest event, this one counted, is `newest`.
bool ChangesNothing(const FeatureView& view, Timestamp t, Timestamp newest);

// Fills the fields of an event that are computed of others: `derive`, and what any `where` asks (Field::expression). SQL is not the
// oracle's: tests give closures of their own, so that the engine's expressions are checked too. Texts live until the next call.
using Derive = std::function<void(std::span<Value> fields)>;

// Whether the rows of an entity are kept. Events of others move what every accepted event moves, and are forgotten: so a log whose
// events do not fit into memory is held a share of its entities at a time.
using Wanted = std::function<bool(size_t view, const KeyValues& key)>;

// What an entity's row has of events, beside its values.
struct RowFacts {
  size_t events = 0;  // those that count: after a delete, what came since
  Timestamp oldest;
  Timestamp newest;
  std::optional<Timestamp> deleted;  // the greatest time of a delete
  // Events of several partitions: in which order they came is not the log's to say. `unordered`: one of them is more than the
  // view's lateness older than one of another partition, so that sessions and lifetimes with a ttl depend on it.
  bool several_partitions = false;
  bool unordered = false;
};

// One source and the views over it. Copies what it is given.
class Oracle {
 public:
  // `entities[i]` is the entity of `views[i]`. Without `derive` computed fields are as they are offered, or null.
  Oracle(Source source, std::vector<Entity> entities, std::vector<FeatureView> views,
         Derive derive = {});
  Oracle(const Oracle&) = delete;
  Oracle& operator=(const Oracle&) = delete;

  // Before the first record; without it all rows are kept.
  void KeepOnly(Wanted wanted) { wanted_ = std::move(wanted); }

  // Records in the order of the log. The refusal, if any; kNoKey alone is of a record that was accepted.
  std::optional<Refusal> Offer(const Record& record, Coordinates at);
  // The same from where a record is decoded. `fields` by index of the source, computed ones may be left out; texts are copied.
  std::optional<Refusal> OfferDecoded(const Event& event);
  // A delete of what a view holds of an entity, at its place in the log.
  void Delete(size_t view, const KeyValues& key, Timestamp time);

  ExpectedRow Answer(size_t view, const KeyValues& key, const AskedAt& asked) const;

  // Every entity that has a row in a view, by rising key.
  std::vector<KeyValues> entities(size_t view) const;
  // None: nothing was ever of this entity.
  std::optional<RowFacts> Facts(size_t view, const KeyValues& key) const;
  // Memory of what is kept, about.
  size_t memory_bytes() const { return memory_bytes_; }
  // Events that a row did not take since it remembered their id, so far.
  uint64_t duplicates() const { return duplicates_; }
  // Pushes that were dropped since they had been passed before, so far.
  uint64_t repeated_pushes() const { return repeated_pushes_; }
  // "the greatest event time accepted": `now` of `clock: event_time`.
  std::optional<Timestamp> now_event_time() const { return now_; }

  // Of the event that was accepted last.
  std::optional<Timestamp> last_event_time() const { return last_event_time_; }

  const Source& source() const { return source_; }
  const std::vector<FeatureView>& views() const { return views_; }

 private:
  struct EntityRow {
    KeyValues key;
    Timestamp newest;
    std::vector<RowEvent> events;      // by rising position; none: deleted
    std::vector<const Kept*> ids;      // whose ids it remembers, by rising time
    std::optional<Timestamp> deleted;  // the greatest time of a delete
  };
  using OwnedKey = std::vector<std::variant<int64_t, std::string>>;

  struct Sender {
    std::string producer;
    uint64_t sequence;
    Coordinates at;
  };

  bool IsRepeatedPush(const Record& record, Coordinates at);
  std::optional<Refusal> OfferTombstone(const Record& record, Coordinates at);
  bool IsDuplicate(const EntityRow& row, const Kept& event) const;
  void Remember(EntityRow& row, const Kept& event) const;
  // Keys of an event by view: none where it is not for the view, or its row not wanted. False where no view could use it.
  bool FindKeys(std::span<const Value> fields, std::vector<KeyValues>& keys) const;
  static OwnedKey Own(const KeyValues& key);
  Value Keep(const Value& value);

  const Source source_;
  const std::vector<Entity> entities_;
  const std::vector<FeatureView> views_;
  const Derive derive_;
  Wanted wanted_;
  size_t memory_bytes_ = 0;
  std::deque<std::string> texts_;
  std::deque<Kept> events_;
  std::vector<std::map<OwnedKey, EntityRow>> rows_;  // by view
  std::optional<Timestamp> now_;
  std::optional<Timestamp> last_event_time_;
  std::map<int32_t, Timestamp> newest_of_;  // by partition: the greatest event time accepted
  uint64_t duplicates_ = 0;
  std::map<int32_t, std::vector<Sender>> senders_;  // by partition, by rising place
  uint64_t repeated_pushes_ = 0;
};

}  // namespace freshet::oracle
