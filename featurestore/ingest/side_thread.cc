#include "featurestore/ingest/side_thread.h"

#include <utility>

namespace freshet {

SideThread::SideThread(bool threaded) {
  if (threaded) thread_ = std::thread([this] { Run(); });
}

SideThread::~SideThread() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void SideThread::Start(std::function<Status()> job, bool here) {
  if (here || !threaded()) {
    result_ = job();
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    job_ = std::move(job);
    result_.reset();
  }
  changed_.notify_all();
}

Status SideThread::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return result_.has_value(); });
  Status result = *std::move(result_);
  result_.reset();
  return result;
}

void SideThread::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || job_; });
    if (!job_) return;
    const std::function<Status()> job = std::exchange(job_, nullptr);
    lock.unlock();
    Status result = job();
    lock.lock();
    result_ = std::move(result);
    changed_.notify_all();
  }
}

}  // namespace freshet
