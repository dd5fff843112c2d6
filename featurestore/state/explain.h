// What a cell was computed from: the window as it was covered at the read, and what the row holds in it. For people who ask
// why; it costs more than the answer itself.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "featurestore/state/row.h"

namespace freshet {

// How the row keeps what a feature is finished from.
enum class KeptAs : uint8_t { kPanes, kRuns, kEvents, kLifetime, kLatest };

struct CoveredWindow {
  KeptAs kept_as = KeptAs::kPanes;
  // The time that the value covers: none is since ever. A session's and a lifetime's are its first and last event, both
  // of a latest value the event that set it (none: never set).
  std::optional<Timestamp> start;
  std::optional<Timestamp> end;
  bool start_included = true;
  bool end_included = false;
  uint64_t panes = 0;  // that hold something, of the window's own hop
  Duration hop;        // of them
  // Events that the feature's own `where` passes. None: not known, since only their aggregate is kept.
  std::optional<uint64_t> events;
  // The pane that holds the read is left out: the read is before the row's newest event, and the pane may hold what came after it.
  bool left_out_pane_of_read = false;
  bool set_to_null = false;  // a latest value
};

// One for each of `features`, of a row that is there.
std::vector<CoveredWindow> ExplainRow(const Row& row, const ReadTime& read,
                                      std::span<const uint32_t> features);

}  // namespace freshet
