// A small HTTP server for operators: GET and HEAD of fixed paths, nothing else. Hostile or half-open connections cost it a
// thread each, of a bounded number, for a bounded time; they never hold up another request.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "featurestore/base/status.h"

namespace freshet {

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

struct HttpRequest {
  // Whether `?name` or `?name=…` was given.
  std::function<bool(const char* name)> has_query;
};

// What a client can make it spend. A request body is always refused.
struct HttpLimits {
  unsigned connections = 64;
  unsigned connections_per_ip = 32;
  size_t header_bytes = 16 * 1024;
  std::chrono::seconds idle{5};       // no byte for so long: closed
  std::chrono::seconds lifetime{30};  // from accept to the answer's end, however slowly bytes come
};

class HttpServer {
 public:
  // Called on any of its threads, several at once. An exception becomes a 500.
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // `address` is host:port or [v6]:port; port 0 takes any that is free. Listens when it returns.
  static StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address,
                                                     std::map<std::string, Handler> paths,
                                                     const HttpLimits& limits = {});
  ~HttpServer();                       // Ends open connections and waits for handlers that run.
  const std::string& address() const;  // host:port actually bound

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet
