// Bytes of a record → values of a source's fields. The seam for formats: JSON now; Avro, Protobuf and CDC later.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "featurestore/base/arena.h"
#include "featurestore/base/status.h"
#include "featurestore/model/source.h"

namespace freshet {

// A record as the log gave it. Borrows everything.
struct RawRecord {
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  // none: a tombstone
  Timestamp record_time;                  // Kafka's
  std::span<const std::pair<std::string_view, std::string_view>> headers;
};

// Why a record is refused; the names are metric labels and dead-letter headers.
enum class Refusal : uint8_t {
  kMalformed,   // not valid in its format, to its end; a declared name twice; empty value
  kMistyped,    // a declared field of another type
  kIncomplete,  // no event time, or a required field is absent or null
  kFuture,      // later than max_future_skew allows
  kNoKey,  // accepted, but no view of its source can use it; or a tombstone where none can be applied
};
std::string_view RefusalName(Refusal refusal);  // "malformed"

struct DecodeOutcome {
  std::optional<Refusal> refusal;  // none: decoded
  std::string detail;              // names the field, what was found and what would do
  uint32_t bad_as_null = 0;        // values taken as null by on_bad, of a decoded event
  bool tombstone =
      false;  // decoded: the field that the source's `key` names holds whose rows are deleted, all others are null,
              // and the time is the record's own, whether or not it can be an event's
};

// Made once a source and thread. Not thread-safe.
class Decoder {
 public:
  virtual ~Decoder() = default;
  // Fills one value a field (Value::Absent where it is absent) and the event's time; texts and lists are copied into `arena`.
  // All declared fields are decoded and the text is valid to its end, whichever views exist. A record without a value deletes.
  virtual DecodeOutcome Decode(const RawRecord& record, TextArena& arena, std::span<Value> fields,
                               Timestamp& time) = 0;
};

std::unique_ptr<Decoder> MakeJsonDecoder(const Source& source);

}  // namespace freshet
