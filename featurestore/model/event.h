// One decoded record of a source.
#pragma once

#include <compare>
#include <cstdint>
#include <span>

#include "featurestore/base/time.h"
#include "featurestore/model/value.h"

namespace freshet {

// Where a record stands: which making of the log, which partition, which offset. The tie-break of equal
// times, and the name of a dead letter.
struct Coordinates {
  uint32_t incarnation = 0;
  int32_t partition = 0;
  int64_t offset = 0;
  constexpr auto operator<=>(const Coordinates&) const = default;
};

// The order of events: by time, ties by coordinates. Total over one source.
struct Position {
  Timestamp time;
  Coordinates at;
  constexpr auto operator<=>(const Position&) const = default;
};

// Borrows its values and their texts from the batch that decoded it.
struct Event {
  Timestamp time;
  Coordinates at;
  std::span<const Value> fields;  // by index in the source's schema

  Position position() const { return {time, at}; }
};

}  // namespace freshet
