#include "server/admin_http.h"

#include <chrono>
#include <mutex>
#include <utility>

namespace freshet {
namespace {

// A scrape reads RocksDB and the file system, which may hang with the disk: it waits for its turn no longer than Prometheus
// waits for it, so that hung scrapes do not pile up until no thread is left for /livez.
constexpr std::chrono::seconds kScrapeTurn{5};

HttpResponse MetricsPage(Metrics& metrics, std::timed_mutex& turn) {
  const std::unique_lock lock(turn, kScrapeTurn);
  if (!lock.owns_lock())
    return {503, "text/plain; charset=utf-8", "another scrape has not ended; is the disk well?\n"};
  return {200, "text/plain; version=0.0.4; charset=utf-8", metrics.Expose()};
}

}  // namespace

HttpResponse ReadyPage(const Readiness& readiness, bool verbose) {
  const std::vector<ReadinessCondition> conditions = readiness.Conditions();
  bool ready = true;
  std::string body;
  for (const ReadinessCondition& condition : conditions) {
    ready = ready && condition.met;
    // A plain answer names only what is missing: a probe's log holds it.
    if (verbose || !condition.met) {
      body +=
          fmt::format("[{}] {}: {}\n", condition.met ? "+" : "-", condition.name, condition.detail);
    }
  }
  body += ready ? "ready\n" : "not ready\n";
  return {ready ? 200 : 503, "text/plain; charset=utf-8", std::move(body)};
}

StatusOr<std::unique_ptr<HttpServer>> StartAdminHttp(const std::string& address, Metrics& metrics,
                                                     const Readiness& readiness,
                                                     std::optional<HttpServer::Post> post) {
  auto turn = std::make_shared<std::timed_mutex>();
  return HttpServer::Start(
      address,
      {{"/livez",
        [](const HttpRequest&) {
          return HttpResponse{200, "text/plain; charset=utf-8", "alive\n"};
        }},
       {"/readyz",
        [&readiness](const HttpRequest& request) {
          return ReadyPage(readiness, request.has_query("verbose"));
        }},
       {"/metrics", [&metrics, turn](const HttpRequest&) { return MetricsPage(metrics, *turn); }}},
      {}, std::move(post));
}

}  // namespace freshet
