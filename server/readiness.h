// When this server wants traffic (docs/operations.md, Readiness): once the store is open and what it held at its last stop
// has caught up with the logs' ends as seen at start. Latches: later lag is a matter of metrics.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/store/store.h"

namespace freshet {

// One line of /readyz?verbose and one child of freshet_ready.
struct ReadinessCondition {
  std::string name;  // store, caught_up, ingesting, accepting
  bool met = false;
  std::string detail;
};

// Thread-safe. Borrows `catalog` and `clock`, and the store once it is open.
class Readiness {
 public:
  Readiness(const Catalog& catalog, const Clock& clock);

  // The views are opened (ViewId = index in the catalog); notes which of them were complete before ingestion began.
  void StoreOpened(Store& store);
  // Another catalog is served from here on: its sources are asked, and where the start is still waited for, its views.
  void Served(std::shared_ptr<const Catalog> catalog);
  // Sources that are read from here on, or soon: also for a declaration that is not served yet.
  void Reads(const std::vector<Source>& sources);
  void Stopping();
  bool ready() const;
  std::vector<ReadinessCondition> Conditions() const;

 private:
  const Catalog& current() const { return served_ != nullptr ? *served_ : catalog_; }
  void FindRequired();

  struct Waiting {
    bool over = true;
    std::string detail;
  };
  ReadinessCondition CaughtUp() const;
  // Always met: sources that stand still are for metrics and people, not for a probe.
  ReadinessCondition Ingesting() const;
  Waiting WaitingForSource(uint32_t source, bool give_up) const;

  const Catalog& catalog_;
  const Clock& clock_;
  const Timestamp started_;

  mutable std::mutex mutex_;
  Store* store_ = nullptr;
  std::shared_ptr<const Catalog> served_;  // none: the catalog of the start
  bool had_data_ = false;                  // some view was complete when the store was opened
  std::vector<uint32_t> required_;         // views
  std::set<uint32_t> required_sources_;
  std::set<std::string> also_read_;  // sources by name
  bool stopping_ = false;
  // What ended the waiting; empty while it lasts.
  mutable std::string latched_;
};

}  // namespace freshet
