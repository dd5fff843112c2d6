// What a RowLayout works out, for what reads and writes rows by it: state/ only.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "featurestore/aggregate/catalog.h"
#include "featurestore/state/id_list.h"
#include "featurestore/state/latest_values.h"
#include "featurestore/state/row_layout.h"
#include "featurestore/window/event_log.h"
#include "featurestore/window/pane_ring.h"
#include "featurestore/window/run_list.h"

namespace freshet {

// Where a feature's accumulators are kept.
enum class FeaturePlace : uint8_t { kPanes, kRuns, kLifetime, kLog, kLatest };

struct FeaturePlan {
  // One of the accumulators that the feature is finished from.
  struct Part {
    const AccumulatorOps* ops = nullptr;
    uint32_t scratch = 0;  // where it is combined at a read
    std::vector<uint32_t>
        offsets;  // in the sets of rings ring_begin … ring_end − 1; or of the runs or lifetime
  };

  const Aggregation* aggregation = nullptr;
  FinishContext context;
  FeaturePlace place = FeaturePlace::kPanes;
  Window window;
  std::optional<TimeZone> zone;  // of calendar buckets
  PaneGrid grid;
  std::optional<Duration> keep;  // its own reach, history and skew; of rows the ttl. None: for ever
  uint32_t ring_begin = 0;       // kPanes: its ring and all finer ones of the chain
  uint32_t ring_end = 0;
  uint32_t list = 0;      // kRuns: which run list; kLatest: which field
  AccumulatorSet replay;  // kLog: what the events are replayed through
  std::vector<Part> parts;
  uint32_t scratch_bytes = 0;
  // The declared default, else the built-in 0, else null. Text is borrowed from the view.
  Value when_empty;
};

struct RowLayout::Impl {
  FeatureView view;
  Source source;
  uint16_t version_tag = 0;

  std::vector<RingLayout> rings;  // chain by chain, in each the finest first
  std::vector<ChainLayout> chains;
  bool lifetime_runs = false;              // lifetime in a view with a ttl: the first of `runs`
  std::optional<AccumulatorSet> lifetime;  // lifetime in a view without
  std::vector<RunLayout> runs;             // then sessions, by gap
  std::optional<EventLogLayout> log;       // rows and exact windows
  bool log_has_history = false;  // exact ones are there: an as_of finds its event time in the log
  std::optional<IdListLayout> ids;     // the source says `dedup`
  std::optional<LatestLayout> latest;  // a view of latest values: this alone
  std::vector<FeaturePlan> features;
  uint32_t scratch_bytes_max = 0;
  bool has_text = false;
};

// Fills `latest` and `features` of a view of latest values.
Status PlanLatest(RowLayout::Impl& impl);

}  // namespace freshet
