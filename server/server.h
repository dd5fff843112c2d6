// One running server: what `freshet serve` starts and stops, in this order and back.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/base/status.h"
#include "featurestore/declare/project.h"
#include "featurestore/observe/log.h"
#include "featurestore/observe/metrics.h"
#include "server/reload_outcome.h"

namespace freshet {

// What a start came to, for people.
struct StartSummary {
  std::string grpc;
  std::string admin;
  std::string push;    // of POST /push, or "off"
  std::string broker;  // address, and whose it is
  std::string data;
  std::vector<std::string> views;   // "card_spend: 5 features, complete"
  std::vector<std::string> memory;  // "block cache 384.0 MiB"
};

class Server {
 public:
  // Runs when it returns; on an error nothing does. `project` has a catalog. `load` reads it anew for a reload. `log` and `clock` must
  // outlive it. `stop_requested` ends a start that takes long (CANCELLED).
  static StatusOr<std::unique_ptr<Server>> Start(Project project, std::function<Project()> load,
                                                 const Clock& clock, Log& log,
                                                 const std::function<bool()>& stop_requested);
  ~Server();  // Stop
  StartSummary summary() const;
  // Reads the declaration anew (reload.h). What comes of it is in the log, too.
  ReloadOutcome Reload();
  // Unready first, then calls in hand end, then ingestion commits its last batch, then the store is flushed. Idempotent.
  // The error is the flush's: what it did not write is read again from the log.
  Status Stop();

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet
