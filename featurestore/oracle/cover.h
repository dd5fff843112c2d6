// Which events a window covers when it is read at a time.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "featurestore/oracle/oracle.h"

namespace freshet::oracle {

// Time as wide as it takes: nothing here saturates.
using Wide = __int128;

// "`where` that is not true": false or null.
inline bool Passes(std::optional<uint32_t> where, std::span<const Value> fields) {
  return !where || (!fields[*where].is_null() && fields[*where].as_bool());
}

struct Reading {
  Wide q;              // the time of the read
  bool leave_out_own;  // the pane holding q does not count
  Timestamp newest;    // of the row
};

Reading ReadingOf(const AskedAt& asked, Timestamp newest);

struct Covered {
  std::vector<const Kept*> events;  // by rising position
  bool degraded = false;
  Wide length = 0;  // W; of a calendar's bucket, its own
};

// `events` are all of the row, by rising position.
Covered Cover(const FeatureView& view, const Window& window, const std::vector<RowEvent>& events,
              const Reading& read);

// The row's event time as of the read; none: there was no row yet.
std::optional<Timestamp> TimeOfRow(const FeatureView& view, const std::vector<RowEvent>& events,
                                   const Reading& read);

}  // namespace freshet::oracle
