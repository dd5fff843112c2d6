#include "server/checkpoint_schedule.h"

#include <algorithm>
#include <chrono>
#include <string>

namespace freshet {

CheckpointSchedule::CheckpointSchedule(const CheckpointSettings& settings, Store& store,
                                       const Clock& clock, Metrics& metrics, Log& log)
    : every_(settings.every),
      checkpointer_(store, settings.to, settings.keep),
      clock_(clock),
      log_(log),
      last_success_(metrics.GaugeFamily("freshet_checkpoint_last_success_timestamp_seconds",
                                        "When the newest checkpoint was made.")),
      failures_(metrics
                    .CounterFamily("freshet_checkpoint_failures_total",
                                   "Checkpoints that could not be made.")
                    .Add({})),
      duration_(metrics
                    .HistogramFamily("freshet_checkpoint_duration_seconds",
                                     "How long a checkpoint took that was made.")
                    .Add({}, FreshnessBuckets())),
      thread_([this] { Run(); }) {}

CheckpointSchedule::~CheckpointSchedule() { Stop(); }

void CheckpointSchedule::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  checkpointer_.Cancel();
  if (thread_.joinable()) thread_.join();
}

StatusOr<Checkpoint> CheckpointSchedule::Create() {
  const auto begun = std::chrono::steady_clock::now();
  StatusOr<Checkpoint> made = checkpointer_.Create();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  if (made.ok()) {
    last_success_.Add({}).Set(static_cast<double>(made->made.value_or(Timestamp()).us) / 1e6);
    duration_.Observe(took.count());
    log_.Info("checkpoint_made", "A checkpoint was made.",
              {{"checkpoint", static_cast<int64_t>(made->id)},
               {"bytes", static_cast<int64_t>(made->bytes)},
               {"seconds", took.count()},
               {"folder", checkpointer_.folder().string()}});
  } else if (!absl::IsAborted(made.status()) && !absl::IsCancelled(made.status())) {
    failures_.Increment();
    log_.Error("checkpoint_failed", MessageOf(made.status()));
  }
  return made;
}

StatusOr<std::vector<Checkpoint>> CheckpointSchedule::List() const {
  return ListCheckpoints(checkpointer_.folder());
}

std::optional<Timestamp> CheckpointSchedule::Newest() const {
  const auto list = List();
  if (!list.ok()) return std::nullopt;
  std::optional<Timestamp> newest;
  for (const Checkpoint& checkpoint : *list) {
    if (checkpoint.state.ok()) newest = std::max(newest, checkpoint.made);
  }
  return newest;
}

void CheckpointSchedule::Run() {
  const std::optional<Timestamp> newest = Newest();
  if (newest) last_success_.Add({}).Set(static_cast<double>(newest->us) / 1e6);
  if (!every_) return;
  const Timestamp now = clock_.Now();
  int64_t wait_us = every_->us;
  // A clock that was set back must not put the next one off.
  if (newest) wait_us = std::clamp<int64_t>(newest->us + every_->us - now.us, 0, every_->us);
  std::unique_lock lock(mutex_);
  while (!wake_.wait_for(lock, std::chrono::microseconds(wait_us), [this] { return stopping_; })) {
    lock.unlock();
    Create().status().IgnoreError();  // said and counted
    lock.lock();
    wait_us = every_->us;
  }
}

}  // namespace freshet
