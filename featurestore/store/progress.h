// How far a view has read a partition of its source's log. Stored by (view version, partition) in
// the same WriteBatch as the rows that the records before `next` changed (docs/architecture.md,
// invariant 1).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "featurestore/base/status.h"
#include "featurestore/base/time.h"

namespace freshet {

// What identifies the last record passed, to tell a log that was made anew from the one we read.
struct RecordFingerprint {
  int64_t offset = 0;
  int64_t record_time_us = 0;  // Kafka's timestamp
  uint64_t hash = 0;           // HashRecord(key, value)
  friend bool operator==(const RecordFingerprint&, const RecordFingerprint&) = default;
};

struct Progress {
  uint32_t incarnation = 0;               // of the log
  int64_t next = 0;                       // offset of the first record not passed
  std::optional<Timestamp> newest_event;  // greatest event time accepted
  // E's share (semantics.md, Age): newest_event, or a reading of the wall clock made when position
  // = log end.
  std::optional<Timestamp> expiry_time;
  std::optional<RecordFingerprint> last;  // none: nothing passed yet in this incarnation
  // The log began above offset 0 or lost records: the first accepted event's time after that.
  std::optional<Timestamp> complete_since;
  bool awaits_complete_since =
      false;  // records are missing before `next`; the next accepted event says since when
  friend bool operator==(const Progress&, const Progress&) = default;
};

// The last record passed of one that sends with producer id and sequence (docs/semantics.md, Producers that send twice). Stored beside
// the progress, by (view version, partition, producer), in the same WriteBatch.
struct ProducerMark {
  uint64_t sequence = 0;
  uint32_t incarnation = 0;
  int64_t offset = 0;
  friend bool operator==(const ProducerMark&, const ProducerMark&) = default;
};
// By producer id, of one partition.
using ProducerMarks = std::map<std::string, ProducerMark, std::less<>>;

std::string EncodeProducerMark(const ProducerMark& mark);
StatusOr<ProducerMark> DecodeProducerMark(std::string_view bytes);

// Begins with a format number; older ones are read.
std::string EncodeProgress(const Progress& progress);
StatusOr<Progress> DecodeProgress(std::string_view bytes);

}  // namespace freshet
