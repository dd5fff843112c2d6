#include "featurestore/ingest/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <thread>

#include "featurestore/base/nearest.h"
#include "server/client_channel.h"
#include "server/commands/commands.h"
#include "server/commands/progress_bar.h"
#include "server/log_address.h"
#include "server/stop_signal.h"

namespace freshet {
namespace {

constexpr std::chrono::seconds kBrokerWait{60};
constexpr std::chrono::milliseconds kBrokerPeriod{100};

struct ReplayArguments {
  std::string file;
  ProjectArguments project;
  std::string source;
  double rate = 0;
  std::string key_separator;
  bool wait = false;
  std::string address;
};

StatusOr<const Source*> FindSource(const Catalog& catalog, const std::string& name) {
  if (const auto index = catalog.SourceIndex(name)) return &catalog.sources[*index];
  std::vector<std::string> names;
  for (const Source& source : catalog.sources) names.push_back(source.name);
  return NotFound("project {} has no source {}{}", catalog.project, name, Suggestion(name, names));
}

// The server does not read a topic for which no view asks, so nothing of it is ever applied: not to be waited for, and the mock
// takes only as much as is.
Status CheckApplied(const Catalog& catalog, const Source& source, bool is_mock, bool wait) {
  const auto index = static_cast<uint32_t>(&source - catalog.sources.data());
  const bool read = std::any_of(catalog.views.begin(), catalog.views.end(),
                                [index](const FeatureView& view) { return view.source == index; });
  if (read || (!is_mock && !wait)) return OkStatus();
  return FailedPrecondition(
      "no feature view of project {} reads source {}, so the server does not read its topic {} and "
      "would never apply it; declare a view on it, or replay {}",
      catalog.project, source.name, source.topic,
      is_mock ? "to a real broker, which keeps what is not read" : "without --wait");
}

// An embedded broker comes up with its server: it is waited for.
StatusOr<LogAddress> WaitForLog(const Catalog& catalog, const StopSignal& stop) {
  const auto give_up = std::chrono::steady_clock::now() + kBrokerWait;
  bool said = false;
  while (!stop.requested()) {
    const auto found = FindLog(catalog);
    if (found.has_value() && (!found->is_mock || SomebodyListens(found->bootstrap))) return *found;
    if (!said) {
      fmt::print(stderr,
                 "waiting for the embedded broker of {} (start `freshet serve` on the project)\n",
                 catalog.storage.path);
      said = true;
    }
    if (std::chrono::steady_clock::now() > give_up) {
      return Unavailable(
          "no embedded broker came up for {} within {} s; start `freshet serve` or `freshet "
          "broker` on the "
          "project",
          catalog.storage.path, kBrokerWait.count());
    }
    stop.WaitFor(kBrokerPeriod);
  }
  return absl::CancelledError("stopped while waiting for the broker");
}

// Asks the server how far it has applied one source.
class AppliedProgress {
 public:
  AppliedProgress(const std::string& address, const Source& source, const LogAddress& log,
                  ProgressBar& bar)
      : channel_(address), source_(source), log_(log), bar_(bar) {}

  StatusOr<std::map<int32_t, int64_t>> Ask() {
    auto applied = TryAsk();
    if (!applied.ok() && !said_) {
      bar_.Wipe();
      fmt::print(stderr, "waiting for the server: {}\n", MessageOf(applied.status()));
    }
    said_ = !applied.ok();
    return applied;
  }

 private:
  StatusOr<std::map<int32_t, int64_t>> TryAsk() {
    v1::GetProgressResponse response;
    RETURN_IF_ERROR(channel_.GetProgress(source_.name, response).status);
    for (const v1::SourceProgress& progress : response.sources()) {
      if (progress.source() != source_.name) continue;
      // Offsets of another log say nothing about this one: they may be far ahead of anything produced here.
      if (progress.log_id() != log_.log_id) {
        return Unavailable(
            "source {}: the server reads another log than the one at {}; it has to be started anew "
            "on this "
            "broker",
            source_.name, log_.bootstrap);
      }
      std::map<int32_t, int64_t> next;
      for (const v1::PartitionProgress& partition : progress.partitions()) {
        const auto [known, first] =
            incarnations_.try_emplace(partition.partition(), partition.incarnation());
        if (!first && known->second != partition.incarnation()) {
          return FailedPrecondition(
              "source {}: the log was made anew while it was replayed to; replay again",
              source_.name);
        }
        next[partition.partition()] = partition.least_offset();
      }
      // What stands still for another reason than a broker that is away needs somebody who reads why.
      if (!progress.paused_reason().empty()) {
        return Unavailable("source {} stands still ({}): {}", source_.name,
                           progress.paused_reason(), progress.paused_detail());
      }
      return next;
    }
    return NotFound("the server has no source {}; does it serve this project?", source_.name);
  }

  ClientChannel channel_;
  const Source& source_;
  const LogAddress& log_;
  ProgressBar& bar_;
  std::map<int32_t, uint32_t> incarnations_;
  bool said_ = false;
};

int ReplayFile(const ReplayArguments& arguments) {
  const StopSignal stop;
  const Project project = LoadOrExplain(arguments.project);
  if (project.catalog == nullptr) return 1;
  const Catalog& catalog = *project.catalog;
  const auto source = FindSource(catalog, arguments.source);
  if (!source.ok()) return Fail(source.status());
  if (catalog.kafka.kind == KafkaSettings::Kind::kNone) {
    return Fail(FailedPrecondition(
        "project {}: kafka.brokers is none, so there is no topic to replay to", catalog.project));
  }
  const bool embedded = catalog.kafka.kind == KafkaSettings::Kind::kEmbedded;
  if (Status status = CheckApplied(catalog, **source, embedded, arguments.wait); !status.ok())
    return Fail(status);
  const auto log = WaitForLog(catalog, stop);
  if (!log.ok()) return Fail(log.status());
  // A broker at an address may be one that `freshet broker` started.
  if (Status status = CheckApplied(catalog, **source, log->is_mock, arguments.wait); !status.ok())
    return Fail(status);

  ProgressBar bar;
  AppliedProgress applied(arguments.address.empty() ? ServerAddress(catalog) : arguments.address,
                          **source, *log, bar);
  ReplayOptions options;
  options.file = arguments.file;
  options.rate = arguments.rate;
  options.key_separator = arguments.key_separator == "\\t" ? "\t" : arguments.key_separator;
  options.wait = arguments.wait;
  // A real broker keeps what the server has not read yet: no need to ask it.
  if (log->is_mock || arguments.wait) options.applied = [&applied] { return applied.Ask(); };
  options.progress = [&bar](uint64_t events, uint64_t read, uint64_t total) {
    bar.Show(events, read, total);
  };
  options.waiting = [&log, &bar](const std::string& why) {
    bar.Wipe();
    fmt::print(stderr, "waiting for the broker at {}: {}\n", log->bootstrap, why);
  };
  options.cancelled = [&stop] { return stop.requested(); };
  const auto result = Replay(**source, *log, catalog.kafka.options, options);
  bar.End();
  if (!result.ok()) return Fail(result.status());
  const double rate =
      result->seconds > 0 ? static_cast<double>(result->events) / result->seconds : 0;
  fmt::print("{} events to {} in {:.1f} s ({}/s){}\n", WithThousands(result->events),
             (*source)->topic, result->seconds, WithThousands(static_cast<uint64_t>(rate)),
             arguments.wait && !stop.requested() ? ", all applied" : "");
  return stop.requested() ? 1 : 0;
}

// Of --rate, as CLI11 asks for it: empty where nothing is wrong.
std::string RateMistake(const std::string& text) {
  double rate = 0;
  if (CLI::detail::lexical_cast(text, rate) && rate > 0 && std::isfinite(rate)) return {};
  return fmt::format(
      "{} is no rate; give how many events a second, more than 0, or leave --rate out to replay as "
      "fast as it goes",
      text);
}

}  // namespace

void AddReplayCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("replay", "Produces a file of JSON lines to a source's topic");
  auto arguments = std::make_shared<ReplayArguments>();
  command
      ->add_option("FILE", arguments->file,
                   "Events, a JSON object a line: .jsonl or .jsonl.gz; or see --key-separator")
      ->required()
      ->check(CLI::ExistingFile);
  command
      ->add_option("--project", arguments->project.folder, "Project folder: where freshet.yaml is")
      ->required()
      ->type_name("DIR");
  command->add_option("--source", arguments->source, "Whose topic")->required()->type_name("NAME");
  command->add_option("--rate", arguments->rate, "Events a second; without it, as fast as it goes")
      ->type_name("N")
      ->check(RateMistake, "");
  command
      ->add_option("--key-separator", arguments->key_separator,
                   "Lines are KEY, this, VALUE; without a value they delete the key (tombstones). "
                   "\\t is a tab")
      ->type_name("TEXT");
  command->add_flag("--wait", arguments->wait, "Return once the server has applied them all");
  command
      ->add_option("--address", arguments->address,
                   "The server's gRPC address; without it, the project's server.grpc")
      ->type_name("HOST:PORT");
  AddSetOption(*command, arguments->project);
  command->footer(
      "Example:\n  freshet replay config/quickstart/flights.jsonl.gz --project config/quickstart "
      "--source departures "
      "--wait");
  command->callback([arguments, &run] { run = [arguments] { return ReplayFile(*arguments); }; });
}

}  // namespace freshet
