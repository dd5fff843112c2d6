// What the loops of one source share. All of it is borrowed and outlives them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/ingest/handover.h"
#include "featurestore/ingest/log_source.h"
#include "featurestore/ingest/processor.h"
#include "featurestore/model/source.h"
#include "featurestore/observe/ingest_metrics.h"
#include "featurestore/observe/log.h"
#include "featurestore/state/row_layout.h"
#include "featurestore/store/store.h"

namespace freshet {

// Of a live loop whose views are not served yet: what they take the place of may be fed by another still.
struct BuildGate {
  std::atomic<bool> reached{false};  // all of them have read what the log held when the loop began
  std::atomic<bool> may_complete{false};  // nothing feeds what they replace any more
};

struct LoopContext {
  const Source& source;
  std::vector<ProcessorView> views;     // of this source; a loop's view by ViewId
  std::set<std::string> declared = {};  // sources beside it
  const DerivedFields* derived = nullptr;
  std::string log_id;              // LogAddress
  bool every_gap_is_loss = false;  // the mock
  bool event_time_clock = false;
  uint64_t cache_bytes = 32ull << 20;       // decoded rows of the live loop
  uint64_t pass_cache_bytes = 16ull << 20;  // and of all passes together
  uint64_t outbox_bytes = 64ull << 20;      // of dead letters that wait
  Store& store;
  const Clock& clock;
  SourceMetrics& metrics;
  IngestMetrics& all_metrics;
  Log& log;
  // A reader for each loop. `readers`: how many share the memory for records that are fetched ahead; the live loop is one alone.
  std::function<StatusOr<std::unique_ptr<LogSource>>(size_t readers)> open_log;
  std::function<void()> dead_letters_waiting;  // wakes the relay
  std::function<std::string()> log_replaced;   // LogAddress::replaced
  // Passes that begin while the live loop runs come by it; none: none do.
  std::shared_ptr<HandoverInbox> inbox = {};
  // None: views are complete as soon as they have caught up.
  std::shared_ptr<BuildGate> gate = {};

  size_t MetricIndex(ViewId id) const {
    for (size_t i = 0; i < views.size(); ++i) {
      if (views[i].id == id) return i;
    }
    return 0;
  }
};

// Applies `commit`, timed.
Status ApplyCommit(const LoopContext& context, Commit& commit);
// The reason for SourceStatus of an error of disk or commit.
std::string PauseReason(const Status& status);
// Adds a batch to the counters. `views`: the loop's, in the processor's order. `live`: a pass's records were counted before.
void CountOutcome(const LoopContext& context, const std::vector<ViewId>& views, uint64_t records,
                  uint64_t bytes, const BatchOutcome& outcome, bool live);

}  // namespace freshet
