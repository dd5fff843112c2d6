#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "featurestore/ingest/pause_reasons.h"
#include "featurestore/store/store.h"
#include "server/client_channel.h"
#include "server/commands/commands.h"
#include "server/commands/progress_bar.h"

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::chrono::milliseconds kAskEvery{500};

struct ViewsArguments {
  std::string folder;  // "": a running server
  ServerArguments server;
  std::string output = "table";
};

// One line, of a server or of a folder.
struct ViewLine {
  std::string view;
  std::string version;
  std::string source;
  std::string state;
  uint64_t rows = 0;
  bool rows_estimated = false;
  std::optional<double> built_share;
  std::optional<double> seconds_left;
  std::optional<Timestamp> complete_since;
};

// What is shown of a server or a folder.
struct ViewsShown {
  std::vector<ViewLine> views;
  std::vector<v1::SourceProgress> standing;  // sources
};

std::string StandsStill(const v1::SourceProgress& source) {
  return fmt::format("source {} stands still ({}): {}", source.source(), source.paused_reason(),
                     source.paused_detail());
}

StatusOr<std::vector<v1::SourceProgress>> AskStanding(ClientChannel& channel) {
  v1::GetProgressResponse answer;
  RETURN_IF_ERROR(channel.GetProgress("", answer).status);
  std::vector<v1::SourceProgress> standing;
  for (const v1::SourceProgress& source : answer.sources()) {
    if (!source.paused_reason().empty()) standing.push_back(source);
  }
  return standing;
}

std::string_view StateName(v1::ViewState::State state) {
  switch (state) {
    case v1::ViewState::STATE_COMPLETE:
      return "complete";
    case v1::ViewState::STATE_BUILDING:
      return "building";
    case v1::ViewState::STATE_REBUILDING:
      return "rebuilding";
    default:
      return "unknown";
  }
}

StatusOr<ViewsShown> AskServer(const ServerArguments& server) {
  ASSIGN_OR_RETURN(const std::string address, AddressOf(server));
  ClientChannel channel(address);
  v1::ListViewsResponse answer;
  RETURN_IF_ERROR(channel.ListViews(answer).status);
  ViewsShown shown;
  ASSIGN_OR_RETURN(shown.standing, AskStanding(channel));
  for (const v1::ViewState& state : answer.views()) {
    ViewLine& line = shown.views.emplace_back();
    line.rows_estimated = true;
    line.view = state.view();
    line.version = state.version();
    line.source = state.source();
    line.state = StateName(state.state());
    line.rows = state.rows();
    if (state.has_built_share()) line.built_share = state.built_share();
    if (state.has_seconds_left()) line.seconds_left = state.seconds_left();
    if (state.has_complete_since_us()) line.complete_since = Timestamp{state.complete_since_us()};
  }
  return shown;
}

// What a data folder holds of the project's views, without asking its logs how far they go.
StatusOr<ViewsShown> ReadFolder(const Catalog& catalog) {
  StoreOptions options;
  options.path = catalog.storage.path;
  options.project = catalog.project;
  options.memory_bytes = 64ull << 20;
  options.create_if_missing = false;
  options.read_only = true;
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(options));
  ViewsShown shown;
  std::vector<ViewLine>& lines = shown.views;
  for (const FeatureView& view : catalog.views) {
    ViewLine& line = lines.emplace_back();
    line.view = view.name;
    line.version = view.version;
    line.source = catalog.sources[view.source].name;
    const auto id = store->OpenView(StoreView::Of(view));
    if (absl::IsNotFound(id.status())) {
      line.state = store->CompleteVersion(view.name) ? "changed" : "new";
      continue;
    }
    RETURN_IF_ERROR(id.status());
    line.state = store->IsComplete(*id) ? "complete" : "building";
    ASSIGN_OR_RETURN(const auto progress, store->ReadProgress(*id));
    for (const auto& [partition, stored] : progress) {
      line.complete_since = std::max(line.complete_since, stored.complete_since);
    }
    RETURN_IF_ERROR(store->Scan(*id, [&line](std::string_view, std::string_view) {
      ++line.rows;
      return true;
    }));
  }
  for (const std::string& name : store->UnopenedViews()) {
    if (catalog.ViewIndex(name)) continue;
    ViewLine& line = lines.emplace_back();
    line.view = name;
    line.version = store->CompleteVersion(name).value_or("");
    line.state = "not declared";
  }
  return shown;
}

std::string AsJson(const ViewsShown& shown) {
  Json views = Json::array();
  for (const ViewLine& line : shown.views) {
    views.push_back(
        {{"view", line.view},
         {"version", line.version},
         {"source", line.source},
         {"state", line.state},
         {"rows", line.rows},
         {"rows_estimated", line.rows_estimated},
         {"built_share", line.built_share ? Json(*line.built_share) : Json(nullptr)},
         {"seconds_left", line.seconds_left ? Json(*line.seconds_left) : Json(nullptr)},
         {"complete_since",
          line.complete_since ? Json(FormatTimestamp(*line.complete_since)) : Json(nullptr)}});
  }
  Json standing = Json::array();
  for (const v1::SourceProgress& source : shown.standing) {
    standing.push_back({{"source", source.source()},
                        {"reason", source.paused_reason()},
                        {"detail", source.paused_detail()}});
  }
  const Json all = {{"views", std::move(views)}, {"standing_still", std::move(standing)}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string AsTable(const ViewsShown& shown) {
  const std::vector<ViewLine>& lines = shown.views;
  size_t view = 4, source = 6;
  for (const ViewLine& line : lines) {
    view = std::max(view, line.view.size());
    source = std::max(source, line.source.size());
  }
  std::string text =
      fmt::format("{:<{}}  {:<16}  {:<{}}  {:<12}  {:>13}  {:>6}  {:>8}  {}\n", "view", view,
                  "version", "source", source, "state", "rows", "built", "left", "complete since");
  for (const ViewLine& line : lines) {
    const std::string left =
        line.seconds_left ? FormatDuration(Duration::Seconds(std::llround(*line.seconds_left)))
                          : "";
    text +=
        fmt::format("{:<{}}  {:<16}  {:<{}}  {:<12}  {:>13}  {:>6}  {:>8}  {}\n", line.view, view,
                    line.version, line.source, source, line.state,
                    (line.rows_estimated ? "~" : "") + WithThousands(line.rows),
                    line.built_share ? fmt::format("{:.0f}%", *line.built_share * 100) : "", left,
                    line.complete_since            ? FormatTimestamp(*line.complete_since)
                    : line.state == "not declared" ? ""
                                                   : "ever");
  }
  for (const v1::SourceProgress& source : shown.standing) text += StandsStill(source) + "\n";
  return text;
}

int ShowViews(const ViewsArguments& arguments) {
  StatusOr<ViewsShown> shown;
  if (arguments.folder.empty()) {
    shown = AskServer(arguments.server);
  } else {
    ProjectArguments folder = arguments.server.project;
    folder.folder = arguments.folder;
    const Project project = LoadOrExplain(folder);
    if (project.catalog == nullptr) return 1;
    shown = ReadFolder(*project.catalog);
  }
  if (!shown.ok()) return Fail(shown.status());
  fmt::print("{}", arguments.output == "json" ? AsJson(*shown) : AsTable(*shown));
  return 0;
}

struct ReloadArguments {
  ServerArguments server;
  bool wait = false;
};

// A source that had stopped begins anew with a reload, and says so a moment later.
constexpr std::chrono::seconds kStoppedFor{5};

struct Said {
  std::string reason;
  std::chrono::steady_clock::time_point at;
};

// Says why a source of views that are built stands still, once for each reason. An error where it will not go on by itself.
Status SayStanding(ClientChannel& channel, const v1::ListViewsResponse& views,
                   std::map<std::string, Said>& said) {
  ASSIGN_OR_RETURN(const auto standing, AskStanding(channel));
  std::map<std::string, Said> before = std::exchange(said, {});
  const auto now = std::chrono::steady_clock::now();
  for (const v1::SourceProgress& source : standing) {
    const bool waited_for =
        std::any_of(views.views().begin(), views.views().end(), [&](const v1::ViewState& view) {
          return view.source() == source.source() &&
                 view.state() == v1::ViewState::STATE_REBUILDING;
        });
    if (!waited_for) continue;
    Said& last = said[source.source()] = before[source.source()];
    if (last.reason != source.paused_reason()) {
      last = {source.paused_reason(), now};
      fmt::print("{}\n", StandsStill(source));
      std::fflush(stdout);
    }
    if (pause_reasons::StopsForGood(source.paused_reason()) && now - last.at >= kStoppedFor) {
      return FailedPrecondition(
          "source {} has stopped ({}): its views are not built until that is mended; what was "
          "served before goes on",
          source.source(), source.paused_reason());
    }
  }
  return OkStatus();
}

Status WaitServed(ClientChannel& channel, uint64_t generation) {
  std::map<std::string, Said> said;  // by source
  while (true) {
    v1::ListViewsResponse views;
    RETURN_IF_ERROR(channel.ListViews(views).status);
    if (views.served_generation() == generation) return OkStatus();
    const auto& waiting = views.waiting_generations();
    if (std::find(waiting.begin(), waiting.end(), generation) == waiting.end()) {
      return MakeStatus(absl::StatusCode::kAborted,
                        "this reload is not served: another took its place, or the server ended; "
                        "`freshet views` says what is");
    }
    RETURN_IF_ERROR(SayStanding(channel, views, said));
    std::this_thread::sleep_for(kAskEvery);
  }
}

int ReloadServer(const ReloadArguments& arguments) {
  const auto address = AddressOf(arguments.server);
  if (!address.ok()) return Fail(address.status());
  ClientChannel channel(*address);
  v1::ReloadResponse answer;
  if (const CallResult called = channel.Reload(answer); !called.status.ok()) {
    return Fail(called.status);
  }
  for (const std::string& warning : answer.warnings()) fmt::print(stderr, "warning: {}\n", warning);
  for (const std::string& error : answer.errors()) fmt::print(stderr, "{}\n", error);
  if (!answer.accepted()) {
    return Fail(FailedPrecondition("nothing was changed; what was served before goes on"));
  }
  for (const std::string& change : answer.changes()) fmt::print("{}\n", change);
  if (!answer.waits()) {
    fmt::print("served\n");
    return 0;
  }
  fmt::print(
      "what was declared before answers until the views are built; `freshet views` says how far "
      "they are\n");
  if (!arguments.wait) return 0;
  std::fflush(stdout);
  if (const Status served = WaitServed(channel, answer.generation()); !served.ok()) {
    return Fail(served);
  }
  fmt::print("served\n");
  return 0;
}

}  // namespace

void AddViewsCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "views", "The views of a running server, or of a data folder: state, rows, how far built");
  auto arguments = std::make_shared<ViewsArguments>();
  auto* folder = command->add_option("DIR", arguments->folder,
                                     "Project folder: its data folder is read, server or not");
  AddServerOptions(*command, arguments->server);
  for (const char* other : {"--address", "--project"}) command->get_option(other)->excludes(folder);
  command->add_option("--output", arguments->output, "table, or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->footer("Example:\n  freshet views\n  freshet views config/quickstart --output json");
  command->callback([arguments, &run] { run = [arguments] { return ShowViews(*arguments); }; });
}

void AddReloadCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "reload",
      "Has a running server read its project anew; what was served answers until new views are "
      "built");
  auto arguments = std::make_shared<ReloadArguments>();
  AddServerOptions(*command, arguments->server);
  command->add_flag("--wait", arguments->wait,
                    "Return once the new declaration is served; with an error where a source has "
                    "stopped that its views are built from");
  command->footer("Example:\n  freshet validate config/quickstart && freshet reload --wait");
  command->callback([arguments, &run] { run = [arguments] { return ReloadServer(*arguments); }; });
}

}  // namespace freshet
