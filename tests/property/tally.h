// What was compared: the coverage that a run of the property test prints.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "featurestore/oracle/oracle.h"
#include "tests/property/random_case.h"

namespace freshet::property {

struct Tally {
  // Comparisons of cells by aggregation and shape of window.
  std::map<std::string, std::array<uint64_t, kShapes>> by_cell;
  std::map<std::string, uint64_t> by_status;
  uint64_t cells = 0;
  uint64_t windows = 0;  // that were read: a row was there, and the time not out of bounds
  uint64_t empty_windows = 0;
  uint64_t degraded = 0;
  uint64_t sketched = 0;  // past exact_to
  uint64_t undetermined = 0;
  uint64_t events = 0;
  uint64_t events_at_an_edge = 0;
  uint64_t late = 0;
  uint64_t duplicates = 0;
  uint64_t deletes = 0;
  uint64_t reopened = 0;
  uint64_t streams = 0;
  uint64_t streams_in_order = 0;
  uint64_t refused = 0;  // declarations
  std::string last_refusal;

  void Count(const Feature& feature, const oracle::Expected& expected);
  void Count(const Case& c);
  // Of legal cells, the least that one was compared.
  uint64_t least() const;
  void Print(double seconds) const;
};

}  // namespace freshet::property
