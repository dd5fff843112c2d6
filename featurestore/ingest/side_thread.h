// One job at a time, beside its owner or in it.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "featurestore/base/status.h"

namespace freshet {

// Used by one thread, its owner's.
class SideThread {
 public:
  // Without a thread of its own a job is done by Start: for tests, which go step by step.
  explicit SideThread(bool threaded);
  SideThread(const SideThread&) = delete;
  SideThread& operator=(const SideThread&) = delete;
  ~SideThread();  // waits for the job

  bool threaded() const { return thread_.joinable(); }
  // None may run. `here`: in the caller, whatever was said; for jobs that are shorter than what handing them over takes.
  void Start(std::function<Status()> job, bool here = false);
  // The result of the job that was started last; once.
  Status Wait();

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<Status()> job_;   // not taken yet
  std::optional<Status> result_;  // not taken yet
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace freshet
