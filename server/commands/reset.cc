// `freshet reset-source` and `freshet reset-view`: on the folder of a server that is stopped.
#include "featurestore/ingest/reset.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "featurestore/base/nearest.h"
#include "featurestore/ingest/kafka_source.h"
#include "featurestore/store/store.h"
#include "server/commands/commands.h"
#include "server/log_address.h"

namespace freshet {
namespace {

struct ResetSourceArguments : ProjectArguments {
  std::string source;
  std::string log;  // new, truncated; "": not said
};

struct ResetViewArguments : ProjectArguments {
  std::string view;
  bool accept_loss = false;
};

StatusOr<std::unique_ptr<Store>> OpenStopped(const Catalog& catalog, const char* command) {
  StoreOptions options;
  options.path = catalog.storage.path;
  options.project = catalog.project;
  options.create_if_missing = false;
  options.TuneFor(catalog.views);
  auto store = Store::Open(options);
  if (IsFolderInUse(store.status())) {
    return FailedPrecondition(
        "{}: a server runs on this data folder; stop it, run `freshet {}` again, and start it",
        catalog.storage.path, command);
  }
  if (absl::IsNotFound(store.status())) {
    return NotFound("{}: there is no data to reset; a start reads every log from its beginning",
                    catalog.storage.path);
  }
  return store;
}

Status OpenViews(const Catalog& catalog, Store& store) {
  for (const FeatureView& view : catalog.views) {
    RETURN_IF_ERROR(store.OpenView(StoreView::Of(view)).status());
  }
  return OkStatus();
}

StatusOr<LogAddress> Address(const Catalog& catalog) {
  const std::optional<LogAddress> found =
      catalog.kafka.kind == KafkaSettings::Kind::kNone ? std::nullopt : FindLog(catalog);
  if (found.has_value()) return *found;
  return FailedPrecondition("no broker can be asked about the log: the project has {}",
                            catalog.kafka.kind == KafkaSettings::Kind::kNone
                                ? "kafka.brokers: none"
                                : "an embedded one, which keeps nothing while it is stopped");
}

StatusOr<std::unique_ptr<KafkaSource>> OpenLog(const Catalog& catalog, const LogAddress& address,
                                               const Source& source) {
  KafkaSourceOptions options;
  options.bootstrap = address.bootstrap;
  options.topic = source.topic;
  options.group = fmt::format("{}-{}", catalog.kafka.group, catalog.server.name);
  options.options = catalog.kafka.options;
  return KafkaSource::Make(std::move(options));
}

template <typename Named>
StatusOr<uint32_t> Find(const std::vector<Named>& declared, const std::string& name,
                        const char* what) {
  std::vector<std::string> names;
  for (uint32_t i = 0; i < declared.size(); ++i) {
    if (declared[i].name == name) return i;
    names.push_back(declared[i].name);
  }
  return InvalidArgument("the project declares no {} {}{}", what, name, Suggestion(name, names));
}

Status RunResetSource(const ResetSourceArguments& arguments, const Catalog& catalog) {
  ASSIGN_OR_RETURN(const uint32_t source, Find(catalog.sources, arguments.source, "source"));
  ASSIGN_OR_RETURN(const auto store, OpenStopped(catalog, "reset-source"));
  RETURN_IF_ERROR(OpenViews(catalog, *store));
  ASSIGN_OR_RETURN(const LogAddress address, Address(catalog));
  ASSIGN_OR_RETURN(const auto log, OpenLog(catalog, address, catalog.sources[source]));
  std::optional<LogChange> change;
  if (!arguments.log.empty()) {
    change = arguments.log == "new" ? LogChange::kNew : LogChange::kTruncated;
  }
  ASSIGN_OR_RETURN(const ResetReport report,
                   ResetSource(catalog, source, address.log_id, change, *log, *store));
  fmt::print("source {}, topic {}:\n", arguments.source, catalog.sources[source].topic);
  for (const std::string& line : report.partitions) fmt::print("  {}\n", line);
  fmt::print("{}. Then start the server.\n", report.completeness);
  return OkStatus();
}

// Of which nobody knows what log its rows are of.
Status ResetUndeclared(const ResetViewArguments& arguments, Store& store) {
  if (!arguments.accept_loss) {
    return FailedPrecondition(
        "view {} is not declared: its rows may be all that is left of its log's beginning; "
        "--accept-loss forgets them all the same",
        arguments.view);
  }
  RETURN_IF_ERROR(store.ResetView(arguments.view));
  RETURN_IF_ERROR(store.Flush());
  fmt::print("view {}: its rows are gone\n", arguments.view);
  return OkStatus();
}

Status RunResetView(const ResetViewArguments& arguments, const Catalog& catalog) {
  const auto index = Find(catalog.views, arguments.view, "view");
  auto opened = OpenStopped(catalog, "reset-view");
  if (!index.ok()) {
    const bool held = opened.ok() && !(*opened)->VersionsOf(arguments.view).empty();
    return held ? ResetUndeclared(arguments, **opened) : index.status();
  }
  RETURN_IF_ERROR(opened.status());
  std::unique_ptr<Store> store = *std::move(opened);
  const Source& source = catalog.sources[catalog.views[*index].source];
  ViewReset reset;
  const auto address = Address(catalog);
  if (!arguments.accept_loss) RETURN_IF_ERROR(address.status());
  if (address.ok() && !store->VersionsOf(arguments.view).empty()) {
    RETURN_IF_ERROR(OpenViews(catalog, *store));
    ASSIGN_OR_RETURN(const auto log, OpenLog(catalog, *address, source));
    ASSIGN_OR_RETURN(reset, PrepareViewReset(catalog, {*index}, address->log_id,
                                             arguments.accept_loss, *log, *store));
    store.reset();  // no view may be open whose rows go
    ASSIGN_OR_RETURN(store, OpenStopped(catalog, "reset-view"));
  }
  RETURN_IF_ERROR(store->ResetView(arguments.view));
  RETURN_IF_ERROR(store->Flush());
  fmt::print("view {}: its rows are gone; a start builds it anew from the beginning of topic {}\n",
             arguments.view, source.topic);
  if (reset.new_incarnation) {
    fmt::print(
        "The log counts as another than was read before: complete_since says since when the "
        "view is whole.\n");
  }
  if (!reset.others.empty()) {
    fmt::print(
        "Other views of source {} stand on the log that it was ({}): reset each of them as "
        "well, or let `freshet reset-source` say how to go on with their rows.\n",
        source.name, fmt::join(reset.others, ", "));
  }
  return OkStatus();
}

template <typename Arguments>
int RunReset(const Arguments& arguments, Status (*reset)(const Arguments&, const Catalog&)) {
  const Project project = LoadOrExplain(arguments);
  if (project.catalog == nullptr) return 1;
  const Status done = reset(arguments, *project.catalog);
  return done.ok() ? 0 : Fail(done);
}

}  // namespace

void AddResetSourceCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("reset-source",
                                     "Lets a source go on that stopped because its topic lost "
                                     "records or was made anew; the server "
                                     "is stopped");
  auto arguments = std::make_shared<ResetSourceArguments>();
  AddProjectArguments(*command, *arguments);
  command->add_option("SOURCE", arguments->source, "The source, as declared")->required();
  command
      ->add_option(
          "--log", arguments->log,
          "Where the topic holds less than was read of it, or other records: new, it was "
          "made anew and is read whole; truncated, it lost its end, and reading goes on at "
          "the one it has")
      ->check(CLI::IsMember({"new", "truncated"}));
  command->footer(
      "Rows stay as they are. It asks the broker, and refuses where nothing is to be mended.\n"
      "Example:\n  freshet reset-source config/quickstart departures");
  command->callback(
      [arguments, &run] { run = [arguments] { return RunReset(*arguments, &RunResetSource); }; });
}

void AddResetViewCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "reset-view",
      "Forgets a view's rows, so that the next start builds it anew from its log's beginning; the "
      "server is stopped");
  auto arguments = std::make_shared<ResetViewArguments>();
  AddProjectArguments(*command, *arguments);
  command->add_option("VIEW", arguments->view, "The view, as declared, or as the folder holds it")
      ->required();
  command->add_flag(
      "--accept-loss", arguments->accept_loss,
      "Also where the log has lost its beginning, is another than was read, cannot be "
      "asked, or is not known, since the view is not declared");
  command->footer("Example:\n  freshet reset-view config/quickstart carrier_punctuality");
  command->callback(
      [arguments, &run] { run = [arguments] { return RunReset(*arguments, &RunResetView); }; });
}

}  // namespace freshet
