// What a decoded row holds, for explain.cc: state/ only.
#pragma once

#include <span>

#include "featurestore/state/row_layout_impl.h"
#include "featurestore/window/event_log.h"
#include "featurestore/window/pane_ring.h"
#include "featurestore/window/run_list.h"

namespace freshet {

// Borrowed from the row.
struct RowParts {
  const RowLayout::Impl* layout = nullptr;
  Timestamp newest;
  std::span<const PaneRing> rings;
  std::span<const RunList> runs;
  const EventLog* log = nullptr;         // null: the layout has none
  const LatestValues* latest = nullptr;  // the same
};

}  // namespace freshet
