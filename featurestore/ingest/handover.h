// How a pass gives its views to the live loop at a place in the log where both stand: the two talk through this.
//
// The pass never reads beyond what the live loop has committed. Close behind, it asks the live loop to hold; that stops at its next
// batch boundary, its positions stand still, the pass reads up to exactly them and offers its views, and the live loop takes them and
// goes on. A pass that does not come within a while is let go and asks again.
#pragma once

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "featurestore/ingest/view_progress.h"

namespace freshet {

// Thread-safe. One a pass.
class Handover {
 public:
  enum class State : uint8_t { kRunning, kRequested, kHeld, kOffered, kTaken };

  // --- The live loop's side. At a batch boundary:
  void Publish(const Positions& live) {
    const std::lock_guard lock(mutex_);
    live_ = live;
  }
  // True while it has to wait here: also once views are offered, until they are taken, since they stand where it stands now.
  bool Hold() {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kRequested) state_ = State::kHeld;
    return state_ == State::kHeld || state_ == State::kOffered;
  }
  // Waited long enough: on without the pass. False where it has offered meanwhile: it has to be waited for still.
  bool LetGo() {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kHeld) state_ = State::kRunning;
    return state_ != State::kOffered;
  }
  bool offered() const { return state() == State::kOffered; }
  std::vector<LoopView> Take() {
    const std::lock_guard lock(mutex_);
    state_ = State::kTaken;
    return std::move(views_);
  }

  // Next offset of the pass in a partition; 0 for one that it does not know yet.
  int64_t PassNext(int32_t partition) const {
    const std::lock_guard lock(mutex_);
    const auto next = pass_.find(partition);
    return next == pass_.end() ? 0 : next->second;
  }

  // --- The pass's side.
  void Progressed(const Positions& pass) {
    const std::lock_guard lock(mutex_);
    pass_ = pass;
  }
  Positions live() const {
    const std::lock_guard lock(mutex_);
    return live_;
  }
  void Request() {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kRunning) state_ = State::kRequested;
  }
  // Offers its views where the live loop is held and stands at `mine`; false where not, the views are the caller's still.
  bool Offer(const Positions& mine, std::vector<LoopView>& views) {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kHeld || live_ != mine) return false;
    views_ = std::move(views);
    state_ = State::kOffered;
    return true;
  }
  State state() const {
    const std::lock_guard lock(mutex_);
    return state_;
  }

 private:
  mutable std::mutex mutex_;
  State state_ = State::kRunning;
  Positions live_;
  Positions pass_;
  std::vector<LoopView> views_;
};

}  // namespace freshet
