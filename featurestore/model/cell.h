// One cell of an answer: a feature of one entity row, and why it is what it is.
#pragma once

#include <cstdint>
#include <string_view>

#include "featurestore/model/value.h"

namespace freshet {

// Numbers are the wire's (FeatureStatus in proto/freshet/v1).
enum class CellStatus : uint8_t {
  kPresent = 1,
  kNullValue = 2,       // the row is there, the feature has no value
  kNotFound = 3,        // no such row
  kOutsideMaxAge = 4,   // the row is older than its view's ttl
  kOutsideHistory = 5,  // as_of reaches further back than the view's history
  kError = 6,           // overflow
};
std::string_view CellStatusName(CellStatus status);  // "PRESENT"

struct Cell {
  CellStatus status = CellStatus::kNotFound;
  bool degraded = false;  // beside kPresent: a bound cut something off
  // Null where there is no value. With a default also beside kNotFound and kOutsideMaxAge. Text and packed bytes are
  // borrowed from the row or the view.
  Value value;
};

}  // namespace freshet
