// ServeError → grpc::Status with google.rpc.Status in grpc-status-details-bin (docs/api.md, Errors).
#pragma once

#include <grpcpp/support/status.h>

#include "featurestore/serve/serve_error.h"

namespace freshet {

// Domain of ErrorInfo: reasons are ours.
inline constexpr char kErrorDomain[] = "freshet";

// Bounded: clients refuse trailers beyond 8 KiB and would report RESOURCE_EXHAUSTED in place of what we say.
grpc::Status ToGrpcStatus(const ServeError& error);

}  // namespace freshet
