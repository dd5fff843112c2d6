#include "server/http_server.h"

#include <microhttpd.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "server/listen_socket.h"

namespace freshet {
namespace {

using SteadyClock = std::chrono::steady_clock;

// microhttpd's own timeout only sees silence; a client that sends a byte now and then is ended by its age.
class ConnectionAges {
 public:
  explicit ConnectionAges(std::chrono::seconds lifetime)
      : lifetime_(lifetime), sweeper_([this] { Sweep(); }) {}
  ~ConnectionAges() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    sweeper_.join();
  }
  void Opened(int fd) {
    std::lock_guard lock(mutex_);
    since_[fd] = SteadyClock::now();
  }
  // microhttpd calls this before it closes `fd`, so that the sweeper never touches a number that was given anew.
  void Closed(int fd) {
    std::lock_guard lock(mutex_);
    since_.erase(fd);
  }

 private:
  void Sweep() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      wake_.wait_for(lock,
                     std::min<std::chrono::milliseconds>(lifetime_ / 4, std::chrono::seconds(1)));
      const auto now = SteadyClock::now();
      for (const auto& [fd, since] : since_) {
        if (now - since > lifetime_) shutdown(fd, SHUT_RDWR);
      }
    }
  }

  const std::chrono::milliseconds lifetime_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::unordered_map<int, SteadyClock::time_point> since_;
  bool stopping_ = false;
  std::thread sweeper_;
};

MHD_Result Reply(MHD_Connection* connection, const HttpResponse& answer,
                 const char* allow = nullptr) {
  MHD_Response* response = MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, "Content-Type", answer.content_type.c_str());
  // One request a connection: what is asked here is asked every few seconds, and each connection's age stays bounded.
  MHD_add_response_header(response, "Connection", "close");
  MHD_add_response_header(response, "Cache-Control", "no-store");
  if (allow != nullptr) MHD_add_response_header(response, "Allow", allow);
  for (const auto& [name, value] : answer.headers) {
    MHD_add_response_header(response, name.c_str(), value.c_str());
  }
  const MHD_Result queued =
      MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
  MHD_destroy_response(response);
  return queued;
}

bool AnnouncesBody(MHD_Connection* connection) {
  const char* length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
  const char* encoding =
      MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Transfer-Encoding");
  return encoding != nullptr || (length != nullptr && std::string_view(length) != "0");
}

uint64_t AnnouncedBytes(MHD_Connection* connection) {
  const char* length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Length");
  return length == nullptr ? 0 : std::strtoull(length, nullptr, 10);
}

std::function<std::optional<std::string>(const char*)> Lookup(MHD_Connection* connection,
                                                              MHD_ValueKind kind) {
  return [connection, kind](const char* name) -> std::optional<std::string> {
    const char* const value = MHD_lookup_connection_value(connection, kind, name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

using Queries = std::vector<std::pair<std::string, std::optional<std::string>>>;

MHD_Result NoteQuery(void* all, MHD_ValueKind, const char* name, const char* value) {
  static_cast<Queries*>(all)->emplace_back(
      name, value == nullptr ? std::nullopt : std::optional<std::string>(value));
  return MHD_YES;
}

struct Counted {
  const char* name;
  size_t times = 0;
};

MHD_Result CountHeader(void* counted, MHD_ValueKind, const char* name, const char*) {
  auto& of = *static_cast<Counted*>(counted);
  of.times += strcasecmp(name, of.name) == 0 ? 1 : 0;
  return MHD_YES;
}

// In place, as MHD_http_unescape does, but for %00: in a C string it would end the text.
size_t Unescape(void*, MHD_Connection*, char* text) {
  char* to = text;
  for (const char* from = text; *from != 0; ++to) {
    int byte = 0;
    const auto digit = [&](char c) {
      const int value = c >= '0' && c <= '9'                     ? c - '0'
                        : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                                 : -1;
      byte = byte * 16 + value;
      return value >= 0;
    };
    if (*from == '%' && digit(from[1]) && digit(from[2]) && byte != 0) {
      *to = static_cast<char>(byte);
      from += 3;
    } else {
      *to = *from++;
    }
  }
  *to = 0;
  return static_cast<size_t>(to - text);
}

HttpResponse Text(int status, std::string text) {
  return {status, "text/plain; charset=utf-8", std::move(text)};
}

}  // namespace

struct HttpServer::Impl {
  // A body that is too large is read on for so many times what is taken, and thrown away: who is answered while sending sees a
  // connection that breaks, and not the answer.
  static constexpr uint64_t kReadOnFor = 8;
  static inline char seen;  // what a GET leaves between its calls
  // A POST whose body comes; ends with its connection at the latest.
  struct Upload {
    explicit Upload(std::atomic<unsigned>& counted) : in_hand(counted) {}
    ~Upload() { --in_hand; }
    std::atomic<unsigned>& in_hand;
    std::string body;
    bool too_large = false;
  };

  Impl(std::map<std::string, Handler> paths, const HttpLimits& limits, std::optional<Post> post)
      : paths(std::move(paths)), post(std::move(post)), ages(limits.lifetime) {}
  ~Impl() {
    if (daemon != nullptr) MHD_stop_daemon(daemon);
  }

  HttpResponse Answer(MHD_Connection* connection, const char* url, std::string_view body,
                      const Handler& handler) const {
    HttpRequest request;
    request.path = url;
    request.body = body;
    request.has_query = [connection](const char* name) {
      return MHD_lookup_connection_value_n(connection, MHD_GET_ARGUMENT_KIND, name,
                                           std::char_traits<char>::length(name), nullptr,
                                           nullptr) == MHD_YES;
    };
    request.query = Lookup(connection, MHD_GET_ARGUMENT_KIND);
    request.queries = [connection] {
      Queries all;
      MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &NoteQuery, &all);
      return all;
    };
    request.header = Lookup(connection, MHD_HEADER_KIND);
    request.header_count = [connection](const char* name) {
      Counted counted{name};
      MHD_get_connection_values(connection, MHD_HEADER_KIND, &CountHeader, &counted);
      return counted.times;
    };
    try {
      return handler(request);
    } catch (const std::exception& error) {
      return Text(500, fmt::format("failed: {}\n", error.what()));
    }
  }

  std::string NotFoundText() const {
    std::string text = "no such page; there are:\n";
    for (const auto& [path, handler] : paths) text.append(path).append("\n");
    if (post) text.append("POST ").append(post->prefix).append("…\n");
    return text;
  }

  // NOLINTNEXTLINE(readability-function-size): the signature is microhttpd's.
  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* url,
                              const char* method, const char*, const char* data, size_t* size,
                              void** state) {
    Impl& impl = *static_cast<Impl*>(self);
    const bool is_post = std::string_view(method) == "POST" && impl.post &&
                         std::string_view(url).starts_with(impl.post->prefix);
    return is_post ? impl.OnPost(connection, url, {data, *size}, size, state)
                   : impl.OnGet(connection, url, method, state);
  }

  MHD_Result OnGet(MHD_Connection* connection, const char* url, const char* method,
                   void** state) const {
    // The first call comes with the headers; an answer to a good request may be queued only at the second.
    const std::string_view verb = method;
    const bool known = paths.contains(url);
    const bool for_post = post && std::string_view(url).starts_with(post->prefix);
    if (for_post && verb != "GET" && verb != "HEAD") {
      return Reply(connection, Text(405, "only POST\n"), "POST");
    }
    if (verb == "POST" && post && !known) return Reply(connection, Text(404, NotFoundText()));
    if (verb != "GET" && verb != "HEAD") {
      return Reply(connection, Text(405, "only GET and HEAD\n"), "GET, HEAD");
    }
    if (AnnouncesBody(connection)) {
      return Reply(connection, Text(413, "a request here has no body\n"));
    }
    if (*state == nullptr) {
      *state = &seen;
      return MHD_YES;
    }
    if (for_post) {
      return Reply(connection, Text(405, "only POST\n"), "POST");
    }
    const auto found = paths.find(url);
    if (found == paths.end()) return Reply(connection, Text(404, NotFoundText()));
    return Reply(connection, Answer(connection, url, {}, found->second));
  }

  MHD_Result OnPost(MHD_Connection* connection, const char* url, std::string_view data,
                    size_t* size, void** state) {
    const std::string too_large =
        fmt::format("a body here has at most {} bytes\n", post->body_bytes_max);
    if (*state == nullptr) {
      const uint64_t announced = AnnouncedBytes(connection);
      if (announced > kReadOnFor * post->body_bytes_max) {
        return Reply(connection, Text(413, too_large));
      }
      if (in_hand.fetch_add(1) >= post->at_once) {
        --in_hand;
        HttpResponse busy = Text(503, fmt::format("{} such requests are in hand, which is as much "
                                                  "as this server takes; try again later\n",
                                                  post->at_once));
        busy.headers.emplace_back("Retry-After", "1");
        return Reply(connection, busy);
      }
      auto upload = std::make_unique<Upload>(in_hand);
      upload->too_large = announced > post->body_bytes_max;
      *state = upload.release();
      return MHD_YES;
    }
    Upload& upload = *static_cast<Upload*>(*state);
    if (!data.empty()) {
      upload.too_large =
          upload.too_large || upload.body.size() + data.size() > post->body_bytes_max;
      if (!upload.too_large) upload.body.append(data);
      *size = 0;
      return MHD_YES;
    }
    if (upload.too_large) return Reply(connection, Text(413, too_large));
    return Reply(connection, Answer(connection, url, upload.body, post->handler));
  }

  static void OnCompleted(void* self, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
    (void)self;
    if (*state != &seen) delete static_cast<Upload*>(*state);
    *state = nullptr;
  }

  static void OnConnection(void* self, MHD_Connection* connection, void**,
                           MHD_ConnectionNotificationCode code) {
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == nullptr) return;
    auto& ages = static_cast<Impl*>(self)->ages;
    code == MHD_CONNECTION_NOTIFY_STARTED ? ages.Opened(info->connect_fd)
                                          : ages.Closed(info->connect_fd);
  }

  const std::map<std::string, Handler> paths;
  const std::optional<Post> post;
  std::atomic<unsigned> in_hand{0};  // POSTs
  std::string address;
  ConnectionAges ages;
  MHD_Daemon* daemon = nullptr;  // owns the listening socket
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;
const std::string& HttpServer::address() const { return impl_->address; }

StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address,
                                                        std::map<std::string, Handler> paths,
                                                        const HttpLimits& limits,
                                                        std::optional<Post> post,
                                                        const std::string& setting) {
  ASSIGN_OR_RETURN(const ListenSocket listening, Listen(address, setting));
  auto impl = std::make_unique<Impl>(std::move(paths), limits, std::move(post));
  impl->address = listening.address;
  // A thread a connection, not a shared loop: a scrape that hangs on the disk must not hold up /livez.
  impl->daemon = MHD_start_daemon(
      MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC,
      0, nullptr, nullptr, &Impl::OnRequest, impl.get(),                          //
      MHD_OPTION_LISTEN_SOCKET, listening.fd,                                     //
      MHD_OPTION_CONNECTION_LIMIT, limits.connections,                            //
      MHD_OPTION_PER_IP_CONNECTION_LIMIT, limits.connections_per_ip,              //
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, limits.header_bytes,                    //
      MHD_OPTION_CONNECTION_TIMEOUT, static_cast<unsigned>(limits.idle.count()),  //
      MHD_OPTION_NOTIFY_CONNECTION, &Impl::OnConnection, impl.get(),              //
      MHD_OPTION_NOTIFY_COMPLETED, &Impl::OnCompleted, impl.get(),                //
      MHD_OPTION_UNESCAPE_CALLBACK, &Unescape, nullptr,                           //
      MHD_OPTION_END);
  if (impl->daemon == nullptr) {
    close(listening.fd);
    return Internal(
        "{}: the HTTP server on {} could not start its threads; raise the limit of threads",
        setting, address);
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

}  // namespace freshet
