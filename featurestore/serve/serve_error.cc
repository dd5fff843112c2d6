#include "featurestore/serve/serve_error.h"

#include <fmt/format.h>

#include "featurestore/base/utf8.h"

namespace freshet {

ServeError NotFoundError(std::string reason, std::string message,
                         std::vector<std::pair<std::string, std::string>> metadata) {
  ServeError error;
  error.code = absl::StatusCode::kNotFound;
  error.reason = std::move(reason);
  error.message = std::move(message);
  error.metadata = std::move(metadata);
  return error;
}

ServeError BadField(std::string reason, std::string field, std::string description,
                    std::vector<std::pair<std::string, std::string>> metadata) {
  ServeError error;
  error.code = absl::StatusCode::kInvalidArgument;
  error.reason = std::move(reason);
  error.message = fmt::format("{}: {}", field, description);
  error.metadata = std::move(metadata);
  error.violations.push_back({std::move(field), std::move(description)});
  return error;
}

std::string QuotedName(std::string_view name) {
  constexpr size_t kMaxBytes = 64;
  std::string quoted = "\"";
  for (const char c : Shortened(name, kMaxBytes)) {
    quoted.push_back(static_cast<uint8_t>(c) < 0x20 || c == 0x7f ? '?' : c);
  }
  return quoted + "\"";
}

}  // namespace freshet
