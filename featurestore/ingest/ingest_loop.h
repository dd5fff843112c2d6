// What the live loop and a pass have in common, for who runs them: Begin until it succeeds, then Step after Step. Neither has a
// thread of its own, so that tests can order their steps as they like.
#pragma once

#include <string>
#include <utility>

#include "featurestore/base/status.h"

namespace freshet {

enum class StepKind : uint8_t {
  kRead,        // a batch was committed
  kIdle,        // nothing was there
  kHeld,        // waits for another loop for a moment
  kOutboxFull,  // the dead letters have no room: waits for the relay
  kLogError,    // begin anew
  kStoreError,  // step again, later
  kStopped,     // for good, until somebody acts: stop_reason
  kDone,        // a pass: its views were handed over
};

struct StepResult {
  StepKind kind = StepKind::kIdle;
  Status status;  // of the errors
  bool ok() const { return status.ok(); }
};
inline StepResult LogError(Status status) { return {StepKind::kLogError, std::move(status)}; }
inline StepResult StoreError(Status status) { return {StepKind::kStoreError, std::move(status)}; }

// Not thread-safe.
class IngestLoop {
 public:
  virtual ~IngestLoop() = default;
  // Asks the log where it stands, verifies, assigns. On error (kLogError, kStoreError) nothing was changed: again, later.
  virtual StepResult Begin() = 0;
  virtual StepResult Step() = 0;
};

}  // namespace freshet
