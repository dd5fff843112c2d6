// POST /push/SOURCE: pushes from whoever has no gRPC client at hand (docs/api.md, Pushing over HTTP).
#pragma once

#include <atomic>

#include "featurestore/ingest/pusher.h"
#include "server/http_server.h"

namespace freshet {

// Waits in the connection's own thread. `pusher`, which must outlive the HTTP server, is null until pushes can be taken.
HttpServer::Post PushPost(const std::atomic<Pusher*>& pusher);

}  // namespace freshet
