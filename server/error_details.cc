#include "server/error_details.h"

#include <algorithm>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace freshet {
namespace {

constexpr size_t kMaxMessageBytes = 1024;
constexpr size_t kMaxMetadataBytes = 256;
constexpr int kMaxViolations = 8;

// Cut at a character's border, and never anything but valid UTF-8 as far as the cut can make it so.
std::string Cut(const std::string& text, size_t at_most) {
  if (text.size() <= at_most) return text;
  size_t end = at_most;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end) + "…";
}

}  // namespace

grpc::Status ToGrpcStatus(const ServeError& error) {
  google::rpc::Status details;
  details.set_code(static_cast<int>(error.code));
  details.set_message(Cut(error.message, kMaxMessageBytes));

  google::rpc::ErrorInfo info;
  info.set_reason(error.reason);
  info.set_domain(kErrorDomain);
  for (const auto& [name, value] : error.metadata) {
    (*info.mutable_metadata())[name] = Cut(value, kMaxMetadataBytes);
  }
  details.add_details()->PackFrom(info);

  if (!error.violations.empty()) {
    google::rpc::BadRequest bad;
    for (const FieldViolation& violation : error.violations) {
      if (bad.field_violations_size() == kMaxViolations) break;
      auto* added = bad.add_field_violations();
      added->set_field(Cut(violation.field, kMaxMetadataBytes));
      added->set_description(Cut(violation.description, kMaxMessageBytes));
    }
    details.add_details()->PackFrom(bad);
  }
  if (error.retry_after) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(error.retry_after->us / 1'000'000);
    retry.mutable_retry_delay()->set_nanos(
        static_cast<int32_t>(error.retry_after->us % 1'000'000 * 1000));
    details.add_details()->PackFrom(retry);
  }
  // absl's codes are gRPC's.
  return grpc::Status(static_cast<grpc::StatusCode>(error.code), details.message(),
                      details.SerializeAsString());
}

}  // namespace freshet
