#include "server/http_fetch.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

#include "featurestore/declare/scalar_forms.h"

namespace freshet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxAnswer = 64ull << 20;

class Connection {
 public:
  explicit Connection(int fd) : fd_(fd) {}
  Connection(Connection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    if (fd_ >= 0) close(fd_);
  }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// False: the time is over.
bool Await(int fd, short what, Clock::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
  pollfd waiting{fd, what, 0};
  return left.count() > 0 && poll(&waiting, 1, static_cast<int>(left.count())) == 1;
}

Status Nobody(const std::string& address) {
  return Unavailable("no freshet server answers at {} (server.admin); start one, or give --address",
                     address);
}

StatusOr<Connection> Connect(const std::string& address, Clock::time_point until) {
  ASSIGN_OR_RETURN(const HostPort to, ReadHostPort(address, 1));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (getaddrinfo(to.host.c_str(), std::to_string(to.port).c_str(), &hints, &list) != 0) {
    return Nobody(address);
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> found(list, freeaddrinfo);
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    Connection connection(
        socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol));
    if (connection.fd() < 0) continue;
    if (connect(connection.fd(), at->ai_addr, at->ai_addrlen) != 0) {
      int error = errno;
      socklen_t size = sizeof(error);
      if (error != EINPROGRESS || !Await(connection.fd(), POLLOUT, until) ||
          getsockopt(connection.fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
        continue;
      }
    }
    return connection;
  }
  return Nobody(address);
}

}  // namespace

StatusOr<std::string> FetchPage(const std::string& address, const std::string& path,
                                std::chrono::milliseconds at_most) {
  const Clock::time_point until = Clock::now() + at_most;
  ASSIGN_OR_RETURN(const Connection connection, Connect(address, until));
  // 1.0: the answer's end is the connection's, and it comes in one piece.
  const std::string request = "GET " + path + " HTTP/1.0\r\nHost: " + address + "\r\n\r\n";
  if (send(connection.fd(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return Nobody(address);
  }
  std::string answer;
  while (true) {
    char buffer[65536];
    if (!Await(connection.fd(), POLLIN, until)) return Nobody(address);
    const ssize_t got = recv(connection.fd(), buffer, sizeof(buffer), 0);
    if (got < 0) return Nobody(address);
    if (got == 0) break;
    answer.append(buffer, static_cast<size_t>(got));
    if (answer.size() > kMaxAnswer)
      return FailedPrecondition("{}{} answers without end", address, path);
  }
  const size_t body = answer.find("\r\n\r\n");
  const std::string_view head = std::string_view(answer).substr(0, answer.find("\r\n"));
  if (body == std::string::npos || !head.starts_with("HTTP/1.")) return Nobody(address);
  if (head.substr(std::min<size_t>(9, head.size()), 3) != "200") {
    return Unavailable("{}{} answers {}", address, path, head);
  }
  return answer.substr(body + 4);
}

}  // namespace freshet
