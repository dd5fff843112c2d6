// Why a request is refused, in words that a program (reason, metadata) and a person (message) can act on. Stands apart from
// absl::Status because the wire carries more than a code and a message (docs/api.md, Errors).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/base/time.h"

namespace freshet {

struct FieldViolation {
  std::string field;  // keys[1], as_of_us[17], layout
  std::string description;
};

struct ServeError {
  absl::StatusCode code = absl::StatusCode::kInternal;
  std::string reason;   // UNKNOWN_KEY: stable, for programs
  std::string message;  // the thing, the place and the remedy
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<FieldViolation> violations;
  std::optional<Duration> retry_after;  // none: retrying as it is does not help
};

// None: it went well.
using Outcome = std::optional<ServeError>;

ServeError NotFoundError(std::string reason, std::string message,
                         std::vector<std::pair<std::string, std::string>> metadata = {});
// One wrong field of the request: its description is the message too.
ServeError BadField(std::string reason, std::string field, std::string description,
                    std::vector<std::pair<std::string, std::string>> metadata = {});
// The request is right and this server cannot answer it now.
ServeError UnavailableNow(std::string reason, std::string message, Duration retry_after);

// A name that came from outside, for a message: in quotes, cut to 64 bytes at a character's border, control characters as '?'.
std::string QuotedName(std::string_view name);

}  // namespace freshet
