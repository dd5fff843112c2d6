// SIGTERM and SIGINT as a wish to stop: the first is a request, a second ends the process at once.
#pragma once

#include <chrono>

namespace freshet {

// One a process, made before any thread that may be signalled; SIGPIPE is ignored from then on, since a reader of our output
// that goes away must not end a server.
class StopSignal {
 public:
  // `takes_reload`: else SIGHUP ends the process, as it does without a handler.
  explicit StopSignal(bool takes_reload = false);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  // SIGHUP is a wish to read the declaration anew: true once for those that came since the last call.
  bool TakeReload();
  bool requested() const;
  // True once a stop was requested; false after `at_most`, or where a reload is.
  bool WaitFor(std::chrono::milliseconds at_most) const;
  // Until a stop or a reload is requested.
  void Wait() const;
};

}  // namespace freshet
