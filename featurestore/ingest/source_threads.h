// The live loop of a source and its passes, each in a thread of its own.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "featurestore/ingest/live_loop.h"
#include "featurestore/ingest/loop_context.h"
#include "featurestore/ingest/verify.h"

namespace freshet {

class SourceThreads {
 public:
  // `brokers`: as messages name them.
  SourceThreads(LoopContext context, std::string brokers);
  SourceThreads(const SourceThreads&) = delete;
  SourceThreads& operator=(const SourceThreads&) = delete;
  ~SourceThreads();  // Stop

  // Fails where no log can be opened at all, never for one that is away.
  Status Start();
  // Passes alone, beside somebody else's live loop, which has their handovers.
  void StartFollowing(std::vector<PassPlan> plans);
  // The batch in hand is finished and committed.
  void RequestStop();
  // And waits until all have ended. Idempotent.
  void Stop();
  // Why the live loop stopped for good; none: it runs, or was never started.
  std::optional<LogVerdict> ended() const;
  // It stands still: said again, where another live loop of the source has said otherwise meanwhile.
  void SayEnded() const;
  // Stops, and takes back all that was said of the source: nobody reads it any more.
  void Forget();
  // For passes that begin while the live loop runs.
  HandoverInbox& inbox() { return *context_.inbox; }

 private:
  // Once the live loop knows which views are behind.
  void StartPasses();
  void StartPass(PassPlan plan);

  const LoopContext context_;
  const std::string brokers_;
  std::unique_ptr<LiveLoop> live_;
  mutable std::mutex mutex_;
  std::optional<LogVerdict> ended_;
  std::vector<std::jthread> pass_threads_;
  std::jthread live_thread_;
};

}  // namespace freshet
