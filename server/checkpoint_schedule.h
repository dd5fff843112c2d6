// Checkpoints of a running server: one every so often, and when one is asked for; counted, and said in the log.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/observe/log.h"
#include "featurestore/observe/metrics.h"
#include "featurestore/store/checkpoints.h"

namespace freshet {

// Thread-safe. Arguments must outlive it.
class CheckpointSchedule {
 public:
  // The first is due `every` after the newest that is kept, or after the start where there is none.
  CheckpointSchedule(const CheckpointSettings& settings, Store& store, const Clock& clock,
                     Metrics& metrics, Log& log);
  ~CheckpointSchedule();  // Stop
  CheckpointSchedule(const CheckpointSchedule&) = delete;
  CheckpointSchedule& operator=(const CheckpointSchedule&) = delete;

  StatusOr<Checkpoint> Create();
  StatusOr<std::vector<Checkpoint>> List() const;
  // One that is being made is given up. Idempotent.
  void Stop();

 private:
  void Run();
  // When the newest was made. None: there is none, or the folder cannot be read.
  std::optional<Timestamp> Newest() const;

  const std::optional<Duration> every_;
  Checkpointer checkpointer_;
  const Clock& clock_;
  Log& log_;
  MetricFamily<Gauge>& last_success_;
  Counter& failures_;
  Histogram& duration_;

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace freshet
