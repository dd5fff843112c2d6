#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "featurestore/declare/scalar_forms.h"
#include "featurestore/ingest/ingest.h"
#include "featurestore/ingest/local_log.h"
#include "featurestore/verify/verify_store.h"
#include "server/commands/commands.h"
#include "server/commands/progress_bar.h"
#include "server/log_address.h"
#include "server/stop_signal.h"

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds kDrawEvery{200};

struct VerifyArguments : ProjectArguments {
  std::vector<std::string> views;
  uint64_t sample = 0;
  std::string memory = "1GiB";
  uint64_t show = 10;
  std::string output = "table";
};

// How far it is, drawn over itself on a terminal.
class Drawn {
 public:
  void Show(const std::string& source, double share, double keys_done) {
    const auto now = std::chrono::steady_clock::now();
    if (!drawn_ || now < next_) return;
    next_ = now + kDrawEvery;
    fmt::print(stderr, "\r\x1b[K{}: {:.0f}% of the log read{}", source, share * 100,
               keys_done > 0 ? fmt::format(", {:.0f}% of the keys done", keys_done * 100) : "");
    std::fflush(stderr);
    on_screen_ = true;
  }
  void Wipe() {
    if (on_screen_) fmt::print(stderr, "\r\x1b[K");
    on_screen_ = false;
  }

 private:
  const bool drawn_ = isatty(STDERR_FILENO) != 0;
  bool on_screen_ = false;
  std::chrono::steady_clock::time_point next_;
};

Json TimeOrNull(const std::optional<Timestamp>& time) {
  return time ? Json(FormatTimestamp(*time)) : Json(nullptr);
}

std::string AsJson(const VerifyReport& report) {
  Json views = Json::array();
  for (const ViewVerified& one : report.views) {
    Json first = Json::array();
    for (const RowDifference& difference : one.first) {
      first.push_back({{"entity", difference.entity},
                       {"feature", difference.feature},
                       {"read_at", difference.read_at},
                       {"expected", difference.expected},
                       {"got", difference.got},
                       {"why", difference.why}});
    }
    views.push_back({{"view", one.view},
                     {"version", one.version},
                     {"source", one.source},
                     {"verified", one.compared()},
                     {"not_verified", one.not_built              ? "not built yet"
                                      : one.nothing_comparable() ? "all its rows are left out"
                                                                 : one.not_verified},
                     {"complete", one.complete},
                     {"rows_stored", one.rows_stored},
                     {"rows_compared", one.rows_compared},
                     {"rows_different", one.rows_different},
                     {"rows_excluded", one.rows_excluded},
                     {"reads", one.reads},
                     {"cells_compared", one.cells_compared},
                     {"cells_excluded", one.cells_excluded},
                     {"log_holds_since", TimeOrNull(one.log_holds_since)},
                     {"differences", one.differences},
                     {"first_differences", std::move(first)}});
  }
  Json sources = Json::array();
  for (const SourceVerified& one : report.sources) {
    sources.push_back({{"source", one.source},
                       {"records", one.records},
                       {"refused", one.refused},
                       {"times_read", one.times_read}});
  }
  const Json all = {
      {"ok", report.ok()}, {"views", std::move(views)}, {"sources", std::move(sources)}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string AsText(const ViewVerified& one) {
  if (one.not_built) {
    return fmt::format("{}  nothing of this version ({}) is in the data folder yet\n", one.view,
                       one.version);
  }
  if (!one.not_verified.empty())
    return fmt::format("{}  NOT VERIFIED: {}\n", one.view, one.not_verified);
  std::string text =
      fmt::format("{}  {} rows stored, {} compared, {} different ({} reads, {} values){}\n",
                  one.view, WithThousands(one.rows_stored), WithThousands(one.rows_compared),
                  WithThousands(one.rows_different), WithThousands(one.reads),
                  WithThousands(one.cells_compared),
                  one.complete ? "" : "; still being built: compared as far as it is");
  if (one.nothing_comparable()) {
    text += "  NOT VERIFIED: nothing could be compared, as all its rows are left out\n";
  }
  if (one.log_holds_since) {
    text +=
        fmt::format("  the log does not hold all of what was read: nothing before {} is compared\n",
                    FormatTimestamp(*one.log_holds_since));
  }
  for (const auto& [why, rows] : one.rows_excluded) {
    text += fmt::format("  {} rows left out: {}\n", WithThousands(rows), why);
  }
  for (const auto& [why, cells] : one.cells_excluded) {
    text += fmt::format("  {} values left out: {}\n", WithThousands(cells), why);
  }
  for (const RowDifference& difference : one.first) {
    text += fmt::format("  DIFFERENT {}{}{}{}: expected {}, got {} ({})\n", difference.entity,
                        difference.entity.empty() ? "" : " ", difference.feature,
                        difference.read_at.empty() ? "" : " at " + difference.read_at,
                        difference.expected, difference.got, difference.why);
  }
  if (one.differences > one.first.size()) {
    text += fmt::format("  … {} differences in all\n", WithThousands(one.differences));
  }
  return text;
}

std::string AsText(const VerifyReport& report) {
  std::string text;
  for (const SourceVerified& one : report.sources) {
    text += fmt::format("source {}: {} records", one.source, WithThousands(one.records));
    for (const auto& [reason, count] : one.refused) {
      text += fmt::format(", {} {}", WithThousands(count), reason);
    }
    text += one.times_read > 1 ? fmt::format("; read {} times\n", one.times_read) : "\n";
  }
  for (const ViewVerified& one : report.views) text += AsText(one);
  const auto count = [&](auto of) {
    return std::count_if(report.views.begin(), report.views.end(), of);
  };
  const auto compared = count([](const ViewVerified& one) { return one.compared(); });
  const auto different = count([](const ViewVerified& one) { return one.differences > 0; });
  if (different > 0) return text + "the data folder is NOT what the log says\n";
  if (report.ok()) return text + "the data folder is what the log says\n";
  return text + fmt::format("{} of {} views could not be compared{}\n",
                            static_cast<int64_t>(report.views.size()) - compared,
                            report.views.size(),
                            compared > 0 ? "; the others are what the log says" : "");
}

// The log that the folder was built of: without Kafka its own.
StatusOr<VerifyLog> FindVerifyLog(const Catalog& catalog, const Store& store) {
  VerifyLog log;
  if (catalog.kafka.kind == KafkaSettings::Kind::kNone) {
    log.log_id = kLocalLogId;
    log.open = [&store](const Source& source) -> StatusOr<std::unique_ptr<LogSource>> {
      return OpenLocalLog(store, source.name);
    };
    return log;
  }
  const std::optional<LogAddress> address = FindLog(catalog);
  if (!address || (address->is_mock && !SomebodyListens(address->bootstrap))) {
    return FailedPrecondition(
        "{}: the embedded broker is not there, and what its log held is gone with it; verify while "
        "`freshet serve` (or `freshet broker`) runs",
        catalog.storage.path);
  }
  log.log_id = address->log_id;
  log.every_gap_is_loss = address->is_mock;
  log.open = [&catalog, address](const Source& source) {
    return OpenLog(catalog, source, *address);
  };
  return log;
}

StatusOr<VerifyReport> VerifyFolder(const VerifyArguments& arguments, const Catalog& catalog,
                                    const StopSignal& stop) {
  VerifyOptions options;
  options.views = arguments.views;
  options.sample = arguments.sample;
  options.differences_kept = arguments.show;
  const auto memory = ReadSize(arguments.memory);
  if (!memory.ok()) return InvalidArgument("--memory: {}", MessageOf(memory.status()));
  options.memory_bytes = *memory;

  StoreOptions folder;
  folder.path = catalog.storage.path;
  folder.project = catalog.project;
  folder.create_if_missing = false;
  folder.read_only = true;
  folder.memory_bytes = std::min<uint64_t>(catalog.storage.memory_bytes, 256ull << 20);
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(folder));
  ASSIGN_OR_RETURN(const VerifyLog log, FindVerifyLog(catalog, *store));
  Drawn drawn;
  options.progress = [&drawn](const std::string& source, double share, double keys_done) {
    drawn.Show(source, share, keys_done);
  };
  options.cancelled = [&stop] { return stop.requested(); };
  auto report = VerifyStore(catalog, *store, log, options);
  drawn.Wipe();
  return report;
}

int Verify(const VerifyArguments& arguments) {
  const StopSignal stop;
  const Project project = LoadOrExplain(arguments);
  if (project.catalog == nullptr) return 1;
  const auto report = VerifyFolder(arguments, *project.catalog, stop);
  if (!report.ok()) return Fail(report.status());
  fmt::print("{}", arguments.output == "json" ? AsJson(*report) : AsText(*report));
  return report->ok() ? 0 : 1;
}

}  // namespace

void AddVerifyCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "verify",
      "Reads the logs again and compares every row of the data folder with them; may run beside a "
      "server");
  auto arguments = std::make_shared<VerifyArguments>();
  AddProjectArguments(*command, *arguments);
  command->add_option("--view", arguments->views, "Only this feature view; may be repeated")
      ->type_name("NAME")
      ->allow_extra_args(false);
  command
      ->add_option("--sample", arguments->sample,
                   "So many rows a view, chosen by the hash of their keys; without it, all")
      ->type_name("N")
      ->check([](const std::string& text) {
        const bool number = !text.empty() && text.find_first_not_of("0123456789") == text.npos &&
                            text.find_first_not_of('0') != text.npos;
        return number ? std::string() : fmt::format("{} is not a number of rows: 1 or more", text);
      });
  command
      ->add_option("--memory", arguments->memory,
                   "What events of a log may take at once; where they are more, the log is read "
                   "several times")
      ->type_name("SIZE")
      ->capture_default_str();
  command->add_option("--show", arguments->show, "So many differences a view are shown")
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--output", arguments->output, "table, or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->footer(
      "Exit status: 0 where all that can be compared is equal, 1 where something differs or a view "
      "cannot be compared at all (also where it has rows, and all of them are left out).\n"
      "Example:\n  freshet verify config/quickstart --sample 10000");
  command->callback([arguments, &run] { run = [arguments] { return Verify(*arguments); }; });
}

}  // namespace freshet
