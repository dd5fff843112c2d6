#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "featurestore/ingest/line_file.h"
#include "server/client_channel.h"
#include "server/commands/commands.h"
#include "server/commands/progress_bar.h"
#include "server/stop_signal.h"

namespace freshet {
namespace {

using std::chrono::steady_clock;

constexpr int kEventsACall = 1000;
constexpr size_t kBytesACall = 1 << 20;
constexpr size_t kLineBytesMax = 3 << 20;  // a call takes 4 MiB
constexpr size_t kShownBad = 10;
constexpr std::chrono::seconds kServerAwayMax{60};
constexpr std::chrono::milliseconds kTryAgain{500};

struct IngestArguments {
  std::string file;
  ProjectArguments project;
  std::string source;
  std::string address;
};

// Sends a file's lines in calls, one after the other, each repeated until the server has applied it.
class FilePush {
 public:
  FilePush(const IngestArguments& arguments, const std::string& address, const StopSignal& stop)
      : arguments_(arguments), channel_(address), stop_(stop) {}

  Status Run() {
    // All of it is read first, so that of a file that is cut off or damaged nothing is sent.
    ASSIGN_OR_RETURN(const std::string id, LineFile::ContentId(arguments_.file));
    ASSIGN_OR_RETURN(LineFile file, LineFile::Open(arguments_.file));
    Begin(id, 1);
    std::string_view line;
    for (uint64_t number = 0; !stop_.requested();) {
      ASSIGN_OR_RETURN(const bool more, file.Next(line));
      if (!more) break;
      ++number;
      if (line.empty() || line.size() > kLineBytesMax) {
        if (!line.empty()) NoteBad(number, "too_large", fmt::format("{} bytes", line.size()));
        RETURN_IF_ERROR(Send());
        Begin(id, number + 1);
        continue;
      }
      if (request_.events_size() >= kEventsACall || bytes_ + line.size() > kBytesACall) {
        RETURN_IF_ERROR(Send());
        Begin(id, number);
      }
      request_.add_events(line.data(), line.size());
      bytes_ += line.size();
      bar_.Show(applied_ + repeated_, file.bytes_read(), file.bytes_total());
    }
    if (stop_.requested()) return absl::CancelledError("stopped");
    RETURN_IF_ERROR(Send());
    bar_.End();
    return OkStatus();
  }

  // Whether anything of it is there.
  bool any() const { return applied_ + repeated_ > 0; }

  // What it came to: 0, or 1 where lines were refused.
  int Report() {
    bar_.End();
    for (const std::string& line : shown_bad_) fmt::print(stderr, "{}\n", line);
    if (bad_ > shown_bad_.size()) fmt::print(stderr, "… and {} more\n", bad_ - shown_bad_.size());
    if (any_refused_) {
      fmt::print(stderr,
                 "lines that the log refused were left out; once it takes them, send them from a "
                 "file of their own: in this one they count as passed\n");
    }
    fmt::print("{} applied, {} already there{}{}\n", WithThousands(applied_),
               WithThousands(repeated_),
               bad_ > 0 ? fmt::format(", {} refused", WithThousands(bad_)) : "",
               calls_repeated_ > 0
                   ? fmt::format(" ({} calls were repeated: what they had sent counts as there)",
                                 calls_repeated_)
                   : "");
    return bad_ > 0 ? 1 : 0;
  }

 private:
  void Begin(const std::string& id, uint64_t line) {
    request_.Clear();
    request_.set_source(arguments_.source);
    request_.set_skip_bad(true);
    request_.mutable_producer()->set_id(id);
    request_.mutable_producer()->set_first_sequence(line);
    bytes_ = 0;
  }

  void NoteBad(uint64_t line, const std::string& reason, const std::string& detail) {
    ++bad_;
    if (shown_bad_.size() == kShownBad) return;
    shown_bad_.push_back(fmt::format("{}:{}: {}: {}", arguments_.file, line, reason, detail));
  }

  // All of the call. What the log refuses for what it is is left out and noted, and what stands around it is sent as calls of their own,
  // with the sequences that it has: behind a refused one the server had sent nothing.
  Status Send() {
    if (request_.events().empty()) return OkStatus();
    for (v1::PushEventsRequest left = std::move(request_); !left.events().empty();) {
      ASSIGN_OR_RETURN(const std::optional<Refused> refused, SendOne(left));
      if (!refused) return OkStatus();
      const uint64_t line = left.producer().first_sequence() + refused->index;
      // Those before it are durable, and not known to be applied yet.
      const v1::PushEventsRequest before = Part(left, 0, refused->index);
      if (!before.events().empty()) {
        ASSIGN_OR_RETURN(const auto again, SendOne(before));
        if (again)
          return Internal("line {} is refused, and was taken before: {}", line, again->why);
      }
      NoteBad(line, "refused", refused->why);
      any_refused_ = true;
      left = Part(left, refused->index + 1, left.events_size());
    }
    return OkStatus();
  }

  struct Refused {
    int index = 0;
    std::string why;
  };

  // Nothing: all of it is applied, or noted as bad.
  StatusOr<std::optional<Refused>> SendOne(const v1::PushEventsRequest& request) {
    v1::PushResponse answer;
    const auto give_up = steady_clock::now() + kServerAwayMax;
    for (bool said = false;; said = true) {
      const CallResult result = channel_.PushEvents(request, answer);
      if (result.status.ok()) break;
      if (auto refused = FirstRefused(result, request)) {
        ++calls_repeated_;
        return refused;
      }
      const bool passing =
          absl::IsUnavailable(result.status) || absl::IsDeadlineExceeded(result.status);
      if (!passing || steady_clock::now() >= give_up || stop_.requested()) return result.status;
      ++calls_repeated_;
      if (!said) {
        bar_.Wipe();
        fmt::print(stderr, "waiting for the server: {}\n", MessageOf(result.status));
      }
      stop_.WaitFor(kTryAgain);
    }
    applied_ += answer.applied() - answer.repeated();
    repeated_ += answer.repeated();
    for (const v1::BadEvent& bad : answer.bad()) {
      NoteBad(request.producer().first_sequence() + bad.index(), bad.reason(), bad.detail());
    }
    return std::nullopt;
  }

  static std::optional<Refused> FirstRefused(const CallResult& result,
                                             const v1::PushEventsRequest& request) {
    if (!absl::IsInvalidArgument(result.status) || result.reason != "NOT_DURABLE") return {};
    std::optional<Refused> first;
    for (const auto& [field, why] : result.violations) {
      int index = -1;
      if (std::sscanf(field.c_str(), "events[%d]", &index) != 1) continue;
      if (index < 0 || index >= request.events_size()) continue;
      if (!first || index < first->index) first = Refused{index, why};
    }
    return first;
  }

  // Events [begin, end), as they were.
  static v1::PushEventsRequest Part(const v1::PushEventsRequest& request, int begin, int end) {
    v1::PushEventsRequest part;
    part.set_source(request.source());
    part.set_skip_bad(request.skip_bad());
    *part.mutable_producer() = request.producer();
    part.mutable_producer()->set_first_sequence(request.producer().first_sequence() + begin);
    part.mutable_events()->Add(request.events().begin() + begin, request.events().begin() + end);
    return part;
  }

  const IngestArguments& arguments_;
  ClientChannel channel_;
  const StopSignal& stop_;
  ProgressBar bar_;
  v1::PushEventsRequest request_;
  size_t bytes_ = 0;
  bool any_refused_ = false;  // by the log
  uint64_t applied_ = 0, repeated_ = 0, bad_ = 0, calls_repeated_ = 0;
  std::vector<std::string> shown_bad_;
};

int IngestFile(const IngestArguments& arguments) {
  const StopSignal stop;
  const auto address = AddressOf({arguments.project, arguments.address});
  if (!address.ok()) return Fail(address.status());
  FilePush push(arguments, *address, stop);
  const Status pushed = push.Run();
  if (!pushed.ok()) {
    if (push.any()) push.Report();
    const bool passes = absl::IsUnavailable(pushed) || absl::IsDeadlineExceeded(pushed) ||
                        absl::IsCancelled(pushed);
    if (!passes && !push.any()) return Fail(pushed);
    return Fail(MakeStatus(pushed.code(), "{}; {}: what is there already is not counted again",
                           MessageOf(pushed),
                           passes ? "run it again to go on" : "once that is mended run it again"));
  }
  return push.Report();
}

}  // namespace

void AddIngestCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "ingest", "Pushes a file of JSON lines through a running server; twice changes nothing");
  auto arguments = std::make_shared<IngestArguments>();
  command->add_option("FILE", arguments->file, "Events, a JSON object a line: .jsonl or .jsonl.gz")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--source", arguments->source, "Whose events they are")
      ->required()
      ->type_name("NAME");
  command
      ->add_option("--project", arguments->project.folder,
                   "Project folder, whose server.grpc is asked")
      ->type_name("DIR");
  command
      ->add_option("--address", arguments->address,
                   "The server's gRPC address; without it and --project, 127.0.0.1:7570")
      ->type_name("HOST:PORT");
  AddSetOption(*command, arguments->project);
  command->footer(
      "Lines are known by the file's content and their place in it: a file that has grown is "
      "another "
      "one.\nExample:\n  freshet ingest flights.jsonl.gz --source departures --project "
      "config/quickstart");
  command->callback([arguments, &run] { run = [arguments] { return IngestFile(*arguments); }; });
}

}  // namespace freshet
