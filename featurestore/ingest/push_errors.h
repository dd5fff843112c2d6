// Errors of pushes, as several files make them.
#pragma once

#include <string>

#include "featurestore/ingest/pusher.h"

namespace freshet {

inline constexpr size_t kMaxPushViolations = 8;

inline PushError MakePushError(absl::StatusCode code, std::string reason, std::string message) {
  PushError error;
  error.code = code;
  error.reason = std::move(reason);
  error.message = std::move(message);
  return error;
}

// UNAVAILABLE, to be tried again.
inline PushError PushLater(std::string reason, std::string message, Duration retry_after) {
  PushError error =
      MakePushError(absl::StatusCode::kUnavailable, std::move(reason), std::move(message));
  error.retry_after = retry_after;
  return error;
}

inline std::string PushedField(const PushRequest& request, size_t index) {
  return fmt::format("{}[{}]", request.deletes ? "keys" : "events", index);
}

}  // namespace freshet
