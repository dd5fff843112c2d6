#include "server/push_http.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>

#include "featurestore/base/time.h"
#include "featurestore/ingest/split_events.h"

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::steady_clock;

constexpr std::string_view kPrefix = "/push/";
constexpr size_t kBodyBytesMax = 4 << 20;  // as a request over gRPC
// So that probes and scrapes of the same address find a thread.
constexpr unsigned kAtOnce = 16;
constexpr Duration kDefaultTimeout = Duration::Seconds(10);
constexpr Duration kMaxTimeout = Duration::Seconds(25);  // a connection lives 30 s

int HttpStatus(const PushError& error) {
  switch (error.code) {
    case absl::StatusCode::kInvalidArgument:
      return error.reason == "TOO_MANY_EVENTS" ? 413 : 400;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kFailedPrecondition:
      return 409;
    case absl::StatusCode::kResourceExhausted:
      return 413;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

HttpResponse ErrorAnswer(const PushError& error, Json result = Json::object()) {
  Json told = {{"reason", error.reason}, {"message", error.message}};
  for (const auto& [name, value] : error.metadata) told[name] = value;
  for (const auto& [field, description] : error.violations) {
    told["violations"].push_back({{"field", field}, {"description", description}});
  }
  result["error"] = std::move(told);
  HttpResponse response{HttpStatus(error), "application/json", Dump(result)};
  if (error.retry_after) {
    response.headers.emplace_back("Retry-After",
                                  fmt::format("{}", (error.retry_after->us + 999'999) / 1'000'000));
  }
  return response;
}

HttpResponse Wrong(const std::string& what) {
  PushError error;
  error.code = absl::StatusCode::kInvalidArgument;
  error.reason = "BAD_REQUEST";
  error.message = what;
  return ErrorAnswer(error);
}

HttpResponse Answer(const PushResult& result) {
  Json json = {{"durable", result.durable}};
  if (result.applied > 0) {
    json["applied"] = result.applied;
    json["repeated"] = result.repeated;
  }
  for (const BadEvent& bad : result.bad) {
    json["bad"].push_back({{"index", bad.index}, {"reason", bad.reason}, {"detail", bad.detail}});
  }
  for (const auto& [partition, end] : result.ends) {
    json["partitions"].push_back({{"partition", partition}, {"next_offset", end}});
  }
  if (result.error) return ErrorAnswer(*result.error, std::move(json));
  return {200, "application/json", Dump(json)};
}

constexpr std::array<std::string_view, 3> kQueries = {"wait", "skip_bad", "timeout"};

// What nobody would answer as it was meant. None: nothing.
std::optional<HttpResponse> Unclear(const HttpRequest& request) {
  std::set<std::string> given;
  for (const auto& [name, value] : request.queries()) {
    if (std::find(kQueries.begin(), kQueries.end(), name) == kQueries.end()) {
      return Wrong(fmt::format("?{} is nothing that can be asked for here; there are {}",
                               name.substr(0, 64), fmt::join(kQueries, ", ")));
    }
    if (!value && name != "skip_bad") return Wrong(fmt::format("?{} wants a value", name));
    if (!given.insert(name).second) return Wrong(fmt::format("?{} is given twice", name));
  }
  for (const char* name : {"Freshet-Producer", "Freshet-Sequence"}) {
    if (request.header_count(name) > 1)
      return Wrong(fmt::format("the header {} is sent twice", name));
  }
  return std::nullopt;
}

std::string_view MediaType(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ')) content_type.remove_suffix(1);
  return content_type;
}

bool SameWord(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

// A page of another site can make its reader's browser post here, without asking first, as a form or as plain text. Browsers say so;
// programs say nothing of the kind. (application/x-www-form-urlencoded is what curl -d and others send where they are not told.)
std::optional<HttpResponse> OfABrowser(const HttpRequest& request) {
  const std::string site = request.header("Sec-Fetch-Site").value_or("none");
  if (request.header("Origin") || (site != "none" && site != "same-origin")) {
    PushError error;
    error.code = absl::StatusCode::kPermissionDenied;
    error.reason = "FROM_A_BROWSER";
    error.message =
        "a page in a browser sent this (headers Origin, Sec-Fetch-Site), and pushes are taken of "
        "programs alone; send it from your own server";
    return ErrorAnswer(error);
  }
  const std::string sent = request.header("Content-Type").value_or("");
  for (const char* form : {"text/plain", "multipart/form-data"}) {
    if (!SameWord(MediaType(sent), form)) continue;
    HttpResponse response =
        Wrong(fmt::format("Content-Type: {} is what a form in a browser sends; send JSON as "
                          "application/json, or lines of it as application/x-ndjson",
                          form));
    response.status = 415;
    return response;
  }
  return std::nullopt;
}

// `?skip_bad`, as a switch that is only named.
std::optional<bool> ReadSwitch(const HttpRequest& request, const char* name) {
  if (!request.has_query(name)) return false;
  const std::string value = request.query(name).value_or("");
  if (value.empty() || value == "true" || value == "1") return true;
  if (value == "false" || value == "0") return false;
  return std::nullopt;
}

HttpResponse Handle(Pusher& pusher, const HttpRequest& request) {
  if (auto refused = OfABrowser(request)) return *std::move(refused);
  if (auto unclear = Unclear(request)) return *std::move(unclear);
  PushRequest push;
  push.source = std::string(request.path).substr(kPrefix.size());
  const std::string wait = request.query("wait").value_or("applied");
  if (wait != "applied" && wait != "durable") {
    return Wrong(fmt::format("wait={}: it is applied or durable", wait.substr(0, 64)));
  }
  push.wait_applied = wait == "applied";
  const std::optional<bool> skip_bad = ReadSwitch(request, "skip_bad");
  if (!skip_bad) {
    return Wrong(fmt::format("skip_bad={}: it is true or false",
                             request.query("skip_bad").value_or("").substr(0, 64)));
  }
  push.skip_bad = *skip_bad;
  Duration timeout = kDefaultTimeout;
  if (const auto text = request.query("timeout")) {
    const auto read = ParseDuration(*text);
    if (!read || read->us <= 0 || *read > kMaxTimeout) {
      return Wrong(fmt::format("timeout={}: a duration up to {} is wanted, as 5s",
                               text->substr(0, 64), FormatDuration(kMaxTimeout)));
    }
    timeout = *read;
  }
  push.producer = request.header("Freshet-Producer").value_or("");
  if (const auto text = request.header("Freshet-Sequence")) {
    const auto [stop, error] =
        std::from_chars(text->data(), text->data() + text->size(), push.first_sequence);
    if (error != std::errc() || stop != text->data() + text->size()) {
      return Wrong("the header Freshet-Sequence is no whole number");
    }
  }
  const std::vector<std::string_view> events = SplitEvents(request.body);
  if (events.size() > pusher.limits().events) {
    return ErrorAnswer(pusher.TooManyEvents(events.size(), /*deletes=*/false));
  }
  push.events.assign(events.begin(), events.end());
  push.deadline = steady_clock::now() + std::chrono::microseconds(timeout.us);
  return Answer(pusher.PushAndWait(std::move(push)));
}

}  // namespace

HttpServer::Post PushPost(const std::atomic<Pusher*>& pusher) {
  return {std::string(kPrefix), kBodyBytesMax, kAtOnce, [&pusher](const HttpRequest& request) {
            if (Pusher* const ready = pusher.load()) return Handle(*ready, request);
            PushError error;
            error.code = absl::StatusCode::kUnavailable;
            error.reason = "STARTING";
            error.message = "this server starts; try again later";
            error.retry_after = Duration::Seconds(1);
            return ErrorAnswer(error);
          }};
}

}  // namespace freshet
