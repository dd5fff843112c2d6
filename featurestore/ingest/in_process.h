// Ingestion of a whole project in the caller's thread, from logs in memory: what `freshet test` runs instead of Ingest. The loops, and
// with them decoding, refusals, rows, progress, expiry bounds and commits, are the server's own.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/ingest/live_loop.h"
#include "featurestore/ingest/memory_log.h"
#include "featurestore/observe/ingest_metrics.h"
#include "featurestore/observe/log.h"
#include "featurestore/store/store.h"

namespace freshet {

// Not thread-safe.
class InProcessIngest {
 public:
  // One log for each source that a view reads, by the source's index. The views of `catalog` are open in `store` (ViewId = index).
  // `catalog`, `store` and `clock` must outlive it.
  static StatusOr<std::unique_ptr<InProcessIngest>> Start(
      const Catalog& catalog, const std::map<uint32_t, std::shared_ptr<MemoryLog>>& logs,
      Store& store, const Clock& clock, PollLimits limits = {});

  // Applies everything that is in the logs, and what the clock brings (expiry bounds by the wall clock).
  Status ReadAll();

 private:
  InProcessIngest() : metrics_(registry_), log_(MakeNullLog()) {}

  Metrics registry_;
  IngestMetrics metrics_;
  std::unique_ptr<Log> log_;
  std::vector<std::unique_ptr<LoopContext>> contexts_;
  std::vector<std::unique_ptr<LiveLoop>> loops_;
};

}  // namespace freshet
