#include "server/http_server.h"

#include <microhttpd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
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

}  // namespace

struct HttpServer::Impl {
  Impl(std::map<std::string, Handler> paths, const HttpLimits& limits)
      : paths(std::move(paths)), ages(limits.lifetime) {}
  ~Impl() {
    if (daemon != nullptr) MHD_stop_daemon(daemon);
  }

  HttpResponse Answer(MHD_Connection* connection, const Handler& handler) const {
    HttpRequest request;
    request.has_query = [connection](const char* name) {
      return MHD_lookup_connection_value_n(connection, MHD_GET_ARGUMENT_KIND, name,
                                           std::char_traits<char>::length(name), nullptr,
                                           nullptr) == MHD_YES;
    };
    try {
      return handler(request);
    } catch (const std::exception& error) {
      return {500, "text/plain; charset=utf-8", fmt::format("failed: {}\n", error.what())};
    }
  }

  std::string NotFoundText() const {
    std::string text = "no such page; there are:\n";
    for (const auto& [path, handler] : paths) text.append(path).append("\n");
    return text;
  }

  // NOLINTNEXTLINE(readability-function-size): the signature is microhttpd's.
  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* url,
                              const char* method, const char*, const char*, size_t*, void** state) {
    const Impl& impl = *static_cast<const Impl*>(self);
    // The first call comes with the headers; an answer to a good request may be queued only at the second.
    const std::string_view verb = method;
    if (verb != "GET" && verb != "HEAD") {
      return Reply(connection, {405, "text/plain; charset=utf-8", "only GET and HEAD\n"},
                   "GET, HEAD");
    }
    if (AnnouncesBody(connection)) {
      return Reply(connection, {413, "text/plain; charset=utf-8", "a request here has no body\n"});
    }
    static char seen;
    if (*state == nullptr) {
      *state = &seen;
      return MHD_YES;
    }
    const auto found = impl.paths.find(url);
    if (found == impl.paths.end())
      return Reply(connection, {404, "text/plain; charset=utf-8", impl.NotFoundText()});
    return Reply(connection, impl.Answer(connection, found->second));
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
  std::string address;
  ConnectionAges ages;
  MHD_Daemon* daemon = nullptr;  // owns the listening socket
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;
const std::string& HttpServer::address() const { return impl_->address; }

StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address,
                                                        std::map<std::string, Handler> paths,
                                                        const HttpLimits& limits) {
  ASSIGN_OR_RETURN(const ListenSocket listening, Listen(address, "server.admin"));
  auto impl = std::make_unique<Impl>(std::move(paths), limits);
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
      MHD_OPTION_END);
  if (impl->daemon == nullptr) {
    close(listening.fd);
    return Internal(
        "server.admin: the HTTP server on {} could not start its threads; raise the limit of "
        "threads",
        address);
  }
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

}  // namespace freshet
