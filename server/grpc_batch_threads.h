// Threads that compute requests of many rows, so that a point lookup never waits for ten thousand of them.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace freshet {

// Thread-safe. What waits is bounded by who puts it: FeatureHandler's admission, or TryPut.
class BatchThreads {
 public:
  explicit BatchThreads(int threads) : count_(threads) {}
  ~BatchThreads() { Stop(); }
  void Start() {
    for (int i = 0; i < count_; ++i) threads_.emplace_back([this] { Run(); });
  }
  void Put(std::function<void()> work) {
    {
      std::lock_guard lock(mutex_);
      waiting_.push_back(std::move(work));
    }
    changed_.notify_one();
  }
  // False, and nothing is done, where `at_most` wait already.
  bool TryPut(std::function<void()> work, size_t at_most) {
    {
      std::lock_guard lock(mutex_);
      if (waiting_.size() >= at_most) return false;
      waiting_.push_back(std::move(work));
    }
    changed_.notify_one();
    return true;
  }
  // Ends once all that waits was done. Idempotent.
  void Stop() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void Run() {
    while (true) {
      std::function<void()> work;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        work = std::move(waiting_.front());
        waiting_.pop_front();
      }
      work();
    }
  }

  const int count_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace freshet
