// Runs a loop in a thread: begins anew after the log's errors, steps again after the store's, with growing waits between, and
// says once for each change why a source stands still.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>

#include "featurestore/ingest/ingest_loop.h"
#include "featurestore/ingest/loop_context.h"
#include "featurestore/ingest/verify.h"

namespace freshet {

class LoopRunner {
 public:
  // `reports`: the live loop's state is the source's; a pass keeps quiet.
  LoopRunner(const LoopContext& context, std::string brokers, bool reports)
      : context_(context), brokers_(std::move(brokers)), reports_(reports) {}

  // Until `stop` is asked for, or the loop is done. `begun` runs after each successful Begin; `verdict` says why a loop
  // stopped.
  void Run(IngestLoop& loop, const std::stop_token& stop, const std::function<void()>& begun,
           const std::function<LogVerdict()>& verdict);

 private:
  bool Begin(IngestLoop& loop);
  void ReportNotBegun(const Status& status);
  // False where the loop is over.
  bool Step(IngestLoop& loop, const std::stop_token& stop,
            const std::function<LogVerdict()>& verdict);
  void Pause(const std::string& reason, const std::string& detail);
  void Resume();
  void Wait(Duration duration, const std::stop_token& stop);
  void BackOff(const std::stop_token& stop);

  const LoopContext& context_;
  const std::string brokers_;
  const bool reports_;
  std::string paused_;  // reason
  bool begun_ = false;
  int log_errors_ = 0;  // in a row, with nothing read between
  Duration backoff_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
};

}  // namespace freshet
