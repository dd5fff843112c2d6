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
  std::array<uint64_t, kShapes> windows_of{};  // by shape
  std::array<uint64_t, kShapes> empty_windows_of{};
  uint64_t degraded = 0;
  uint64_t sketched = 0;  // past exact_to
  uint64_t undetermined = 0;
  uint64_t events = 0;
  uint64_t events_at_an_edge = 0;
  uint64_t events_of_equal_time = 0;  // as another of their stream
  uint64_t gaps = 0;  // events later than all before them by more than windows are long
  uint64_t late = 0;
  uint64_t duplicates = 0;
  uint64_t deletes = 0;
  uint64_t filtered = 0;           // by the source's or the view's where
  uint64_t expression_errors = 0;  // that read as null
  uint64_t reopened = 0;           // ends of batches, restarts
  uint64_t compactions = 0;
  uint64_t removed = 0;  // rows, by compaction
  uint64_t reads = 0;
  uint64_t reads_of_the_past = 0;
  uint64_t streams = 0;
  uint64_t streams_out_of_order = 0;
  uint64_t streams_with_idle = 0;  // a partition without a record for a third of the stream
  uint64_t streams_with_derive = 0;
  uint64_t streams_with_where = 0;  // of source, view or feature
  uint64_t cells_with_where = 0;    // of the feature
  uint64_t refused = 0;             // declarations
  std::string last_refusal;

  void Count(const Feature& feature, const oracle::Expected& expected);
  void Count(const Case& c);
  // Of legal cells, the least that one was compared.
  uint64_t least() const;
  void Print(double seconds) const;
};

}  // namespace freshet::property
