#include "server/error_details.h"

#include <algorithm>

#include "featurestore/base/utf8.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace freshet {
namespace {

constexpr size_t kMaxMessageBytes = 1024;
constexpr size_t kMaxMetadataBytes = 256;
constexpr int kMaxViolations = 8;

}  // namespace

grpc::Status ToGrpcStatus(const ServeError& error) {
  google::rpc::Status details;
  details.set_code(static_cast<int>(error.code));
  details.set_message(Shortened(error.message, kMaxMessageBytes));

  google::rpc::ErrorInfo info;
  info.set_reason(error.reason);
  info.set_domain(kErrorDomain);
  for (const auto& [name, value] : error.metadata) {
    (*info.mutable_metadata())[name] = Shortened(value, kMaxMetadataBytes);
  }
  details.add_details()->PackFrom(info);

  if (!error.violations.empty()) {
    google::rpc::BadRequest bad;
    for (const FieldViolation& violation : error.violations) {
      if (bad.field_violations_size() == kMaxViolations) break;
      auto* added = bad.add_field_violations();
      added->set_field(Shortened(violation.field, kMaxMetadataBytes));
      added->set_description(Shortened(violation.description, kMaxMessageBytes));
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
