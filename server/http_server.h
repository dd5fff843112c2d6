// A small HTTP server: GET and HEAD of fixed paths, and POST below a prefix where a server has that. Hostile or half-open connections cost it a
// thread each, of a bounded number, for a bounded time; they never hold up another request.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "featurestore/base/status.h"

namespace freshet {

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers = {};  // more of them
};

// Borrowed for the call. A NUL that path or query spell (%00) stays spelled so: no text of theirs ends early.
struct HttpRequest {
  std::string_view path;
  std::string_view body;  // of a POST
  // Whether `?name` or `?name=…` was given.
  std::function<bool(const char* name)> has_query;
  std::function<std::optional<std::string>(const char* name)> query;
  // All of `?name=value&…`, in their order and as often as they were given; none: `?name`.
  std::function<std::vector<std::pair<std::string, std::optional<std::string>>>()> queries;
  std::function<std::optional<std::string>(const char* name)> header;
  std::function<size_t(const char* name)> header_count;  // how often it was sent
};

// What a client can make it spend. A body is refused but of a POST that a server takes.
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
  struct Post {
    std::string prefix;  // of the path
    size_t body_bytes_max = 0;
    unsigned at_once = 0;  // more, from the body's first byte on, are told 503
    Handler handler;
  };

  // `setting` is what an operator knows the address by. `address` is host:port or [v6]:port; port 0 takes any that is free. Listens when it returns.
  static StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address,
                                                     std::map<std::string, Handler> paths,
                                                     const HttpLimits& limits = {},
                                                     std::optional<Post> post = std::nullopt,
                                                     const std::string& setting = "server.admin");
  ~HttpServer();                       // Ends open connections and waits for handlers that run.
  const std::string& address() const;  // host:port actually bound

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet
