// A push's error as the server's other errors are.
#pragma once

#include "featurestore/ingest/pusher.h"
#include "featurestore/serve/serve_error.h"

namespace freshet {

inline ServeError ToServeError(const PushError& push) {
  ServeError error;
  error.code = push.code;
  error.reason = push.reason;
  error.message = push.message;
  error.metadata = push.metadata;
  for (const auto& [field, description] : push.violations) {
    error.violations.push_back({field, description});
  }
  error.retry_after = push.retry_after;
  return error;
}

}  // namespace freshet
