// A changed declaration on a running server: read anew, refused whole where it has a mistake or needs a restart, and else put in
// place of the one that is served once its views have caught up. Until then the old one answers.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
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
    Ingest* ingest;  // none: somebody else makes views complete
    Log& log;
    // What is read from here on: settings, and the sources and views of all that is served, put in place and built. On error a reload
    // is refused.
    std::function<Status(const Catalog& together)> before;
    // Until `serve`: what loops apply of these sources is not what requests are answered by.
    std::function<void(std::set<std::string> sources)> hold;
    // From here on requests are answered by it. Called on the reloader's thread or that of Reload.
    std::function<void(std::shared_ptr<const Catalog> catalog)> serve;
  };
  explicit Reloader(Parts parts);
  ~Reloader();  // Stop
  Reloader(const Reloader&) = delete;
  Reloader& operator=(const Reloader&) = delete;

  // A reload before this one whose views are built is given up for this one. One that has been put in place is served as soon as its
  // last views are complete, or gives way when this one is put in place.
  ReloadOutcome Reload();
  ReloadState state() const;
  // Before ingestion stops. Idempotent.
  void Stop();

 private:
  // Read anew, and not served yet.
  struct Next {
    Project project;
    std::vector<uint32_t> built;  // views that requests will wait for otherwise
    uint64_t generation = 0;
  };

  void Run();
  // Under mutex_, as all below: what can be put in place or served now.
  void Look();
  bool IsBuilt(const Next& next) const;
  void ServePlaced();
  void FreeReplaced();
  Catalog Together(const Catalog& next) const;
  std::set<std::string> ReadOtherwise(const Catalog& next) const;

  Parts parts_;
  std::mutex reloading_;  // one Reload at a time
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  uint64_t generations_ = 0;
  uint64_t served_ = 0;           // generation
  std::optional<Next> building_;  // beside the loops that run
  std::optional<Next> placed_;    // the loops run for it
  // Of what is not served any more: once the requests that it answers have ended, its rows may go.
  std::vector<std::weak_ptr<const Catalog>> former_;
  std::shared_ptr<const Catalog> serving_;  // the copy that requests hold
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace freshet
