#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "featurestore/store/store.h"
#include "server/client_channel.h"
#include "server/commands/commands.h"
#include "server/commands/progress_bar.h"

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kDefaultAddress = "127.0.0.1:7570";
constexpr std::chrono::milliseconds kAskEvery{500};

struct ViewsArguments {
  ProjectArguments project;  // folder "": a running server
  std::string address = kDefaultAddress;
  std::string output = "table";
};

// One line, of a server or of a folder.
struct ViewLine {
  std::string view;
  std::string version;
  std::string source;
  std::string state;
  uint64_t rows = 0;
  std::optional<double> built_share;
  std::optional<double> seconds_left;
  std::optional<Timestamp> complete_since;
};

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

StatusOr<std::vector<ViewLine>> AskServer(const std::string& address) {
  ClientChannel channel(address);
  v1::ListViewsResponse answer;
  RETURN_IF_ERROR(channel.ListViews(answer).status);
  std::vector<ViewLine> lines;
  for (const v1::ViewState& state : answer.views()) {
    ViewLine& line = lines.emplace_back();
    line.view = state.view();
    line.version = state.version();
    line.source = state.source();
    line.state = StateName(state.state());
    line.rows = state.rows();
    if (state.has_built_share()) line.built_share = state.built_share();
    if (state.has_seconds_left()) line.seconds_left = state.seconds_left();
    if (state.has_complete_since_us()) line.complete_since = Timestamp{state.complete_since_us()};
  }
  return lines;
}

// What a data folder holds of the project's views, without asking its logs how far they go.
StatusOr<std::vector<ViewLine>> ReadFolder(const Catalog& catalog) {
  StoreOptions options;
  options.path = catalog.storage.path;
  options.project = catalog.project;
  options.memory_bytes = 64ull << 20;
  options.create_if_missing = false;
  options.read_only = true;
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(options));
  std::vector<ViewLine> lines;
  for (const FeatureView& view : catalog.views) {
    ViewLine& line = lines.emplace_back();
    line.view = view.name;
    line.version = view.version;
    line.source = catalog.sources[view.source].name;
    const auto id = store->OpenView({view.name, view.version, view.keep(), view.keep_deleted()});
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
  return lines;
}

std::string AsJson(const std::vector<ViewLine>& lines) {
  Json views = Json::array();
  for (const ViewLine& line : lines) {
    views.push_back(
        {{"view", line.view},
         {"version", line.version},
         {"source", line.source},
         {"state", line.state},
         {"rows", line.rows},
         {"built_share", line.built_share ? Json(*line.built_share) : Json(nullptr)},
         {"seconds_left", line.seconds_left ? Json(*line.seconds_left) : Json(nullptr)},
         {"complete_since",
          line.complete_since ? Json(FormatTimestamp(*line.complete_since)) : Json(nullptr)}});
  }
  return Json({{"views", std::move(views)}}).dump(2) + "\n";
}

std::string AsTable(const std::vector<ViewLine>& lines) {
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
                    line.version, line.source, source, line.state, WithThousands(line.rows),
                    line.built_share ? fmt::format("{:.0f}%", *line.built_share * 100) : "", left,
                    line.complete_since            ? FormatTimestamp(*line.complete_since)
                    : line.state == "not declared" ? ""
                                                   : "ever");
  }
  return text;
}

int ShowViews(const ViewsArguments& arguments) {
  StatusOr<std::vector<ViewLine>> lines;
  if (arguments.project.folder.empty()) {
    lines = AskServer(arguments.address);
  } else {
    const Project project = LoadOrExplain(arguments.project);
    if (project.catalog == nullptr) return 1;
    lines = ReadFolder(*project.catalog);
  }
  if (!lines.ok()) return Fail(lines.status());
  fmt::print("{}", arguments.output == "json" ? AsJson(*lines) : AsTable(*lines));
  return 0;
}

struct ReloadArguments {
  std::string address = kDefaultAddress;
  bool wait = false;
};

Status WaitServed(ClientChannel& channel, uint64_t generation) {
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
    std::this_thread::sleep_for(kAskEvery);
  }
}

int ReloadServer(const ReloadArguments& arguments) {
  ClientChannel channel(arguments.address);
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
  auto* folder = command->add_option("DIR", arguments->project.folder,
                                     "Project folder: its data folder is read, server or not");
  AddSetOption(*command, arguments->project);
  command->add_option("--address", arguments->address, "A running server's gRPC address")
      ->type_name("HOST:PORT")
      ->capture_default_str()
      ->excludes(folder);
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
  command->add_option("--address", arguments->address, "The server's gRPC address")
      ->type_name("HOST:PORT")
      ->capture_default_str();
  command->add_flag("--wait", arguments->wait, "Return once the new declaration is served");
  command->footer("Example:\n  freshet validate config/quickstart && freshet reload --wait");
  command->callback([arguments, &run] { run = [arguments] { return ReloadServer(*arguments); }; });
}

}  // namespace freshet
