// SIGTERM and SIGINT as a wish to stop: the first is a request, a second ends the process at once.
#pragma once

#include <chrono>

namespace freshet {

// One a process, made before any thread that may be signalled; SIGPIPE is ignored from then on, since a reader of our output
// that goes away must not end a server.
class StopSignal {
 public:
  StopSignal();
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;
  bool requested() const;
  // True once a stop was requested; false after `at_most`.
  bool WaitFor(std::chrono::milliseconds at_most) const;
  void Wait() const;
};

}  // namespace freshet
