// A changed declaration on a running server: read anew, refused whole where it has a mistake or needs a restart, and else put in
// place of the one that is served once its views have caught up. Until then the old one answers.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "featurestore/declare/project.h"
#include "featurestore/ingest/ingest.h"
#include "featurestore/observe/log.h"
#include "featurestore/store/store.h"
#include "server/reload_outcome.h"

namespace freshet {

// The views as they are opened in a store: `catalog` with the numbers under which it has them, opened where they are not.
StatusOr<std::shared_ptr<const Catalog>> OpenViews(const Catalog& catalog, Store& store);

// Thread-safe.
class Reloader {
 public:
  struct Parts {
    Project served;                 // its catalog as OpenViews gave it
    std::function<Project()> load;  // reads the project anew
    Store& store;
    Ingest* ingest;  // none: nothing is read
    Log& log;
    // Before anything reads `next`: what else must know of it. On error it is refused.
    std::function<Status(const Catalog& next)> before;
    // From here on requests are answered by it. Called on the reloader's thread or that of Reload.
    std::function<void(std::shared_ptr<const Catalog> catalog)> serve;
  };
  explicit Reloader(Parts parts);
  ~Reloader();  // Stop
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // A reload before this one that waits for its views is given up for this one.
  ReloadOutcome Reload();
  // What is built and served next; none: nothing.
  std::shared_ptr<const Catalog> next() const;
  std::shared_ptr<const Catalog> served() const;
  // Before ingestion stops. Idempotent.
  void Stop();

 private:
  enum class Phase : uint8_t { kIdle, kBuilding, kSwitching };

  void Run();
  // Under mutex_, of the phase at hand.
  void Look();
  void ServeNext();
  void FreeReplaced();

  Parts parts_;
  std::mutex reloading_;  // one Reload at a time
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  Phase phase_ = Phase::kIdle;
  Project next_;
  std::vector<uint32_t> built_;  // views of next_ that it waits for
  // Of what is not served any more: once the requests that it answers have ended, its rows may go.
  std::vector<std::weak_ptr<const Catalog>> former_;
  std::shared_ptr<const Catalog> serving_;  // the copy that requests hold
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace freshet
