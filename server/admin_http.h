// /metrics, /livez and /readyz: what Prometheus and an orchestrator ask.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "featurestore/base/status.h"
#include "featurestore/observe/metrics.h"
#include "server/http_server.h"
#include "server/readiness.h"

namespace freshet {

// Listens on `address` when it returns, before the store is open: an orchestrator must not kill a server that recovers.
// `metrics`, `readiness` and what `post` asks must outlive it.
StatusOr<std::unique_ptr<HttpServer>> StartAdminHttp(const std::string& address, Metrics& metrics,
                                                     const Readiness& readiness,
                                                     std::optional<HttpServer::Post> post);

// The pages themselves, for tests.
HttpResponse ReadyPage(const Readiness& readiness, bool verbose);

}  // namespace freshet
