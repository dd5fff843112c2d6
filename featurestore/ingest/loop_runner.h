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
  // The live loop's state is the source's. `pass_of`: names of views, of a pass, which only logs why it stands still.
  LoopRunner(const LoopContext& context, std::string brokers, std::string pass_of = {})
      : context_(context), brokers_(std::move(brokers)), pass_of_(std::move(pass_of)) {}

  // Until `stop` is asked for, or the loop is done. `begun` runs after each successful Begin; `verdict` says why a loop
  // stopped.
  void Run(IngestLoop& loop, const std::stop_token& stop, const std::function<void()>& begun,
           const std::function<LogVerdict()>& verdict);

 private:
  bool Begin(IngestLoop& loop);
  void ReportNotBegun(const StepResult& failed);
  // False where the loop is over.
  bool Step(IngestLoop& loop, const std::stop_token& stop,
            const std::function<LogVerdict()>& verdict);
  void Pause(const std::string& reason, const std::string& detail);
  void Resume();
  void Wait(Duration duration, const std::stop_token& stop);
  void BackOff(const std::stop_token& stop);

  const LoopContext& context_;
  const std::string brokers_;
  const std::string pass_of_;
  std::string paused_;  // reason
  bool ran_ = false;    // it has read, and taken back what a loop of the source before it said
  bool begun_ = false;
  int log_errors_ = 0;  // in a row, with nothing read between
  Duration backoff_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
};

}  // namespace freshet
