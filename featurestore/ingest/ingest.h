// Ingestion as a whole: for each source a live loop, a pass for each view that is behind, and the dead-letter
// relay. Started once the store is open and its views are opened (ViewId: Catalog::StoreView).
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "featurestore/base/clock.h"
#include "featurestore/base/status.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/ingest/log_source.h"
#include "featurestore/observe/log.h"
#include "featurestore/observe/metrics.h"
#include "featurestore/store/store.h"

namespace freshet {

// For tests/faults only, which show that they see a log that is read wrongly: what stands between a log and the loops.
using LogFaults = std::function<std::unique_ptr<LogSource>(std::unique_ptr<LogSource>)>;

class LocalLog;

// Where the log is: what `kafka` of the declaration came to.
struct LogAddress {
  std::string bootstrap;  // host:port,…
  std::string log_id;     // of an embedded broker or `freshet broker`; "" for a real one
  bool is_mock = false;   // every gap in offsets is a loss; small retention
  // Of a mock, asked while it does not answer: whether another was started in its place, and what to do. "": not that anybody
  // knows. Empty: nobody can tell.
  std::function<std::string()> replaced;
  // Without Kafka: all of it; `bootstrap` is empty then. Outlives who reads it.
  LocalLog* local = nullptr;
  LogFaults faults;  // empty: none
};

// A reader of a source's log beside ingestion, for tools: it commits nothing anywhere.
StatusOr<std::unique_ptr<LogSource>> OpenLog(const Catalog& catalog, const Source& source,
                                             const LogAddress& address);

class Ingest {
 public:
  // Threads run when it returns. A broker that is away is not an error: it keeps trying and says so in
  // SourceStatus, log and metrics. `store`, `clock`, `metrics`, `log` must outlive it.
  static StatusOr<std::unique_ptr<Ingest>> Start(const std::shared_ptr<const Catalog>& catalog,
                                                 const LogAddress& address, Store& store,
                                                 const Clock& clock, Metrics& metrics, Log& log);
  ~Ingest();  // Stop
  // Another catalog, of the same kafka and storage, takes the place of the one that runs: SourceSet says how.
  Status Prepare(const std::shared_ptr<const Catalog>& next);
  bool Prepared() const;
  Status Switch();
  void GiveUp();
  // Finishes and commits the batch in hand, stops the relay, closes consumers. Idempotent; bounded by seconds.
  void Stop();

 private:
  struct Impl;
  explicit Ingest(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet
