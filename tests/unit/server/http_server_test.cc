#include "server/http_server.h"

#include <catch2/catch.hpp>
#include <future>
#include <optional>
#include <stdexcept>

#include "tests/unit/server/http_client.h"

namespace freshet {
namespace {

using std::chrono::seconds;

std::unique_ptr<HttpServer> StartServer(const HttpLimits& limits = {}) {
  auto server = HttpServer::Start(
      "127.0.0.1:0",
      {{"/page",
        [](const HttpRequest& request) {
          return HttpResponse{200, "text/plain", request.has_query("v") ? "with v" : "plain"};
        }},
       {"/throws", [](const HttpRequest&) -> HttpResponse { throw std::runtime_error("no"); }}},
      limits);
  REQUIRE(server.ok());
  return *std::move(server);
}

TEST_CASE("a page is answered to GET and to HEAD, which has no body") {
  const auto server = StartServer();
  const std::string got = HttpGet(server->address(), "/page");
  CHECK(StatusOf(got) == 200);
  CHECK(got.ends_with("plain"));
  CHECK(HttpGet(server->address(), "/page?v").ends_with("with v"));
  CHECK(HttpGet(server->address(), "/page?v=1").ends_with("with v"));
  const std::string head = HttpGet(server->address(), "/page", "HEAD");
  CHECK(StatusOf(head) == 200);
  CHECK(head.ends_with("\r\n\r\n"));
}

TEST_CASE("what is not there is 404 and names what is; another method is 405; a body is 413") {
  const auto server = StartServer();
  const std::string missing = HttpGet(server->address(), "/pages");
  CHECK(StatusOf(missing) == 404);
  CHECK(missing.find("/page\n") != std::string::npos);
  CHECK(StatusOf(HttpGet(server->address(), "/page", "POST", "Content-Length: 3\r\n", "abc")) ==
        405);
  CHECK(StatusOf(HttpGet(server->address(), "/page", "DELETE")) == 405);
  CHECK(StatusOf(HttpGet(server->address(), "/page", "GET", "Content-Length: 1000000\r\n")) == 413);
  CHECK(StatusOf(HttpGet(server->address(), "/page", "GET", "Transfer-Encoding: chunked\r\n")) ==
        413);
}

TEST_CASE("a handler that throws is a 500, and the server lives on") {
  const auto server = StartServer();
  CHECK(StatusOf(HttpGet(server->address(), "/throws")) == 500);
  CHECK(StatusOf(HttpGet(server->address(), "/page")) == 200);
}

TEST_CASE("half-open connections do not hold up another request") {
  const auto server = StartServer();
  std::vector<RawConnection> half_open;
  for (int i = 0; i < 8; ++i) {
    half_open.emplace_back(server->address());
    half_open.back().Send("GET /page HT");
  }
  const auto begin = std::chrono::steady_clock::now();
  CHECK(StatusOf(HttpGet(server->address(), "/page")) == 200);
  CHECK(std::chrono::steady_clock::now() - begin < seconds(1));
}

TEST_CASE("a handler that hangs does not hold up another request") {
  std::promise<void> release;
  auto server = HttpServer::Start("127.0.0.1:0",
                                  {{"/hangs",
                                    [future = release.get_future().share()](const HttpRequest&) {
                                      future.wait();
                                      return HttpResponse{};
                                    }},
                                   {"/livez", [](const HttpRequest&) { return HttpResponse{}; }}});
  REQUIRE(server.ok());
  RawConnection hanging((*server)->address());
  hanging.Send("GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(StatusOf(HttpGet((*server)->address(), "/livez")) == 200);
  release.set_value();
  CHECK(StatusOf(hanging.ReadToEnd()) == 200);
}

TEST_CASE("headers beyond the limit are refused") {
  const auto server = StartServer();
  const std::string answer =
      HttpGet(server->address(), "/page", "GET", "X: " + std::string(40'000, 'x') + "\r\n");
  CHECK((StatusOf(answer) == 431 || StatusOf(answer) == 0));  // 0: closed before all was sent
  CHECK(StatusOf(HttpGet(server->address(), "/page")) == 200);
}

TEST_CASE("a silent connection is closed, and so is one that sends a byte now and then") {
  HttpLimits limits;
  limits.idle = seconds(2);
  limits.lifetime = seconds(3);
  const auto server = StartServer(limits);
  RawConnection silent(server->address());
  RawConnection slow(server->address());
  silent.Send("GET");
  slow.Send("GET /page HTTP/1.1\r\n");
  // Never silent for as long as `idle`.
  for (int i = 0; i < 16 && !slow.closed(); ++i) {
    slow.Send("x");
    slow.ReadToEnd(std::chrono::milliseconds(500));
  }
  CHECK(slow.closed());
  silent.ReadToEnd();
  CHECK(silent.closed());
}

TEST_CASE("one address cannot take all connections") {
  HttpLimits limits;
  limits.connections_per_ip = 2;
  const auto server = StartServer(limits);
  RawConnection first(server->address());
  RawConnection second(server->address());
  first.Send("GET /page HTTP/1.1\r\n");
  second.Send("GET /page HTTP/1.1\r\n");
  RawConnection third(server->address());
  third.Send("GET /page HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(third.ReadToEnd(seconds(2)).empty());
}

TEST_CASE("a POST below its prefix is handed its path, headers and body, up to its size") {
  std::promise<void> release;
  const auto released = release.get_future().share();
  std::promise<void> enter;
  const auto entered = enter.get_future();
  HttpServer::Post post{"/push/", 10, 1, [released, &enter](const HttpRequest& request) {
                          if (request.has_query("waits")) {
                            enter.set_value();
                            released.wait();
                          }
                          return HttpResponse{
                              200,
                              "text/plain",
                              fmt::format("{}|{}|{}|{}", request.path, request.body,
                                          request.header("X-Who").value_or("nobody"),
                                          request.query("v").value_or("none")),
                              {{"Retry-After", "7"}}};
                        }};
  auto started = HttpServer::Start(
      "127.0.0.1:0", {{"/page", [](const HttpRequest&) { return HttpResponse{}; }}}, {}, post);
  REQUIRE(started.ok());
  const std::string address = (*started)->address();
  const auto send = [&](const std::string& target, const std::string& body,
                        const std::string& headers = "") {
    return HttpGet(address, target, "POST",
                   fmt::format("Content-Length: {}\r\n{}", body.size(), headers), body);
  };
  const std::string answer = send("/push/trips?v=1", "{\"a\":1}", "X-Who: me\r\n");
  CHECK(StatusOf(answer) == 200);
  CHECK(answer.ends_with("/push/trips|{\"a\":1}|me|1"));
  CHECK(answer.find("Retry-After: 7\r\n") != std::string::npos);
  CHECK(send("/push/trips", "").ends_with("/push/trips||nobody|none"));
  CHECK(StatusOf(send("/push/trips", "01234567890")) == 413);
  CHECK(HttpGet(address, "/push/trips", "POST", "Transfer-Encoding: chunked\r\n",
                "3\r\nabc\r\n0\r\n\r\n")
            .ends_with("|abc|nobody|none"));
  CHECK(StatusOf(HttpGet(address, "/push/trips", "POST", "Transfer-Encoding: chunked\r\n",
                         "b\r\n01234567890\r\n0\r\n\r\n")) == 413);
  CHECK(StatusOf(send("/pull/trips", "x")) == 404);
  CHECK(StatusOf(send("/page", "x")) == 405);
  CHECK(StatusOf(HttpGet(address, "/push/trips")) == 405);
  CHECK(HttpGet(address, "/nothing").find("POST /push/…") != std::string::npos);
  // One at once: the second is told to come again. So may the first be, while the one before it, though answered, is still counted.
  std::optional<RawConnection> waiting;
  bool in_hand = false;
  for (int i = 0; i < 20 && !in_hand; ++i) {
    waiting.emplace(address);
    waiting->Send("POST /push/trips?waits HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx");
    in_hand = entered.wait_for(seconds(1)) == std::future_status::ready;
  }
  REQUIRE(in_hand);
  CHECK(StatusOf(send("/push/trips", "x")) == 503);
  CHECK(StatusOf(HttpGet(address, "/page")) == 200);
  release.set_value();
  CHECK(StatusOf(waiting->ReadToEnd()) == 200);
}

TEST_CASE("an address that is taken or is none says what to do") {
  const auto server = StartServer();
  const auto taken = HttpServer::Start(server->address(), {});
  REQUIRE_FALSE(taken.ok());
  CHECK(MessageOf(taken.status()).find("--set server.admin=HOST:PORT") != std::string_view::npos);
  CHECK_FALSE(HttpServer::Start("nonsense", {}).ok());
  CHECK_FALSE(HttpServer::Start("127.0.0.1:notaport", {}).ok());
}

}  // namespace
}  // namespace freshet
