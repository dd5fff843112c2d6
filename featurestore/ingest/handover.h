// How a pass gives its views to the live loop at a place in the log where both stand: the two talk through this.
//
// The pass never reads beyond what the live loop has committed. Close behind, it asks the live loop to hold; that stops at its next
// batch boundary, its positions stand still, the pass reads up to exactly them and offers its views, and the live loop takes them and
// goes on. A pass that does not come within a while is let go and asks again.
//
// A pass that only follows (views of a declaration that is not served yet) never asks: it stays close, and whoever waits for that
// (near) stops both and begins anew.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "featurestore/ingest/view_progress.h"

namespace freshet {

// Thread-safe. One a pass.
class Handover {
 public:
  enum class State : uint8_t { kRunning, kRequested, kHeld, kOffered, kTaken, kAbandoned };

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

  bool abandoned() const { return state() == State::kAbandoned; }

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
  void SetNear(bool near) {
    const std::lock_guard lock(mutex_);
    near_ = near;
  }

  // --- Who started a pass that follows:
  // It has less than a batch to read until it stands where the live loop does.
  bool near() const {
    const std::lock_guard lock(mutex_);
    return near_;
  }
  // The pass has ended: the live loop forgets it.
  void Abandon() {
    const std::lock_guard lock(mutex_);
    state_ = State::kAbandoned;
  }

 private:
  mutable std::mutex mutex_;
  State state_ = State::kRunning;
  bool near_ = false;
  Positions live_;
  Positions pass_;
  std::vector<LoopView> views_;
};

// Passes that begin while the live loop runs: it takes them at its next batch boundary. Thread-safe.
class HandoverInbox {
 public:
  void Put(std::shared_ptr<Handover> handover) {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(handover));
  }
  bool empty() const {
    const std::lock_guard lock(mutex_);
    return waiting_.empty();
  }
  std::vector<std::shared_ptr<Handover>> Take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(waiting_, {});
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<Handover>> waiting_;
};

}  // namespace freshet
