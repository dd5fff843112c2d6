// The loops of all sources of a catalog, and how another catalog takes its place while they run.
//
// 1. Prepare: views that the other catalog has and this one does not are read by passes that follow the live loops, at a share of the
//    time, or, where nobody reads their source yet, by a live loop of its own, whose views are not complete before the switch. What
//    runs goes on as it did.
// 2. Switch, once all of them are close (Prepared): sources that differ stop at a batch boundary and begin anew with the other
//    catalog's views, which take up what is left, a batch at most, and are complete then. Sources that read alike are not touched.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "featurestore/declare/catalog.h"
#include "featurestore/ingest/source_threads.h"

namespace freshet {

// Thread-safe. Borrows the store.
class SourceSet {
 public:
  // What the loops of one source of a catalog are given; its ViewIds are Catalog::StoreView's. The catalog lives as long as they.
  using MakeContext = std::function<LoopContext(const Catalog& catalog, uint32_t source)>;
  // `brokers`: as messages name them.
  SourceSet(Store& store, std::string brokers, MakeContext make_context)
      : store_(store), brokers_(std::move(brokers)), make_context_(std::move(make_context)) {}
  ~SourceSet() { Stop(); }

  // Loops of every source that a view reads.
  Status Start(const std::shared_ptr<const Catalog>& catalog);

  // What was prepared before is given up. The views of `next` are open in the store. `share`: of the time, for all passes of a source.
  Status Prepare(std::shared_ptr<const Catalog> next, double share);
  bool Prepared() const;
  // Of what was prepared last. An error is of a source that could not be begun; the others run on the new catalog.
  Status Switch();
  void GiveUp();

  // Finishes and commits the batches in hand. Idempotent.
  void Stop();

 private:
  struct Running {
    std::shared_ptr<const Catalog> catalog;
    uint32_t source = 0;
    std::shared_ptr<BuildGate> gate;         // of one that was begun before the switch
    std::unique_ptr<SourceThreads> threads;  // before the catalog is gone
    bool ended() const { return threads->ended().has_value(); }
  };

  static std::vector<uint32_t> ViewsOf(const Catalog& catalog, uint32_t source);
  StatusOr<Running> StartLive(const std::shared_ptr<const Catalog>& catalog, uint32_t source,
                              std::shared_ptr<BuildGate> gate = nullptr);
  // Of the catalog that is prepared, under the lock: begins what builds `views`, which nobody feeds.
  Status Build(uint32_t source, const std::vector<uint32_t>& views, double share);
  // The live loop that reads the source's topic, where passes of it can follow one.
  SourceThreads* LoopToFollow(uint32_t source, bool all_views);
  // A pass for each group of `views` (of the catalog) that have read equally far, behind `live`.
  Status Follow(uint32_t source, const std::vector<uint32_t>& views, SourceThreads& live,
                double share);
  // How long rows are kept may have changed: noted while nobody writes the views' progress.
  Status NoteKeeps(const std::vector<uint32_t>& views);
  void GiveUpLocked();

  Store& store_;
  const std::string brokers_;
  const MakeContext make_context_;

  mutable std::mutex mutex_;
  std::map<std::string, Running> running_;  // by name of the source
  // Of the catalog that is prepared.
  std::shared_ptr<const Catalog> next_;
  std::map<std::string, Running> begun_;   // live loops of sources that nobody read
  std::map<std::string, Running> follow_;  // passes alone
  std::vector<std::shared_ptr<Handover>> handovers_;
};

}  // namespace freshet
