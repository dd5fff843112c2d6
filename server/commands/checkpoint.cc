#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "featurestore/store/checkpoints.h"
#include "server/client_channel.h"
#include "server/commands/commands.h"
#include "server/commands/progress_bar.h"
#include "server/proto_checkpoint.h"

namespace freshet {
namespace {

using Json = nlohmann::ordered_json;

struct CheckpointArguments {
  std::string folder;  // "": a running server
  ServerArguments server;
  std::string output = "table";
  std::optional<uint32_t> id;
  bool replace = false;
};

struct ShownCheckpoints {
  std::string folder;
  std::vector<v1::CheckpointState> checkpoints;
};

std::string Bytes(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

std::string Made(const v1::CheckpointState& checkpoint) {
  return checkpoint.has_made_us() ? FormatTimestamp(Timestamp{checkpoint.made_us()}) : "";
}

// By source how far all of its views have read it: "trips 24,346 in 2 partitions".
std::string ProgressText(const v1::CheckpointState& checkpoint) {
  std::map<std::string, std::map<int32_t, int64_t>> sources;
  for (const v1::CheckpointView& view : checkpoint.views()) {
    auto& source = sources[view.source().empty() ? "view " + view.view() : view.source()];
    for (const v1::CheckpointPartition& at : view.partitions()) {
      const auto [found, is_new] = source.emplace(at.partition(), at.next_offset());
      if (!is_new) found->second = std::min(found->second, at.next_offset());
    }
  }
  std::string text;
  for (const auto& [source, partitions] : sources) {
    int64_t passed = 0;
    for (const auto& [partition, next] : partitions) passed += next;
    text += fmt::format("{}{} {} in {} partition{}", text.empty() ? "" : "; ", source,
                        WithThousands(static_cast<uint64_t>(passed)), partitions.size(),
                        partitions.size() == 1 ? "" : "s");
  }
  return text;
}

std::string AsTable(const ShownCheckpoints& shown) {
  std::string text = shown.folder + "\n";
  constexpr auto kLine = "{:>5}  {:<20}  {:>12}  {:<7}  {:<12}  {:>5}  {}\n";
  text += fmt::format(kLine, "id", "made", "size", "state", "project", "views", "offsets passed");
  for (const v1::CheckpointState& checkpoint : shown.checkpoints) {
    const bool good = checkpoint.damage().empty();
    text += fmt::format(kLine, checkpoint.id(), Made(checkpoint), Bytes(checkpoint.bytes()),
                        good ? "whole" : "DAMAGED", checkpoint.project(), checkpoint.views_size(),
                        good ? ProgressText(checkpoint) : checkpoint.damage());
  }
  return text;
}

std::string AsJson(const ShownCheckpoints& shown) {
  Json list = Json::array();
  for (const v1::CheckpointState& checkpoint : shown.checkpoints) {
    Json views = Json::array();
    for (const v1::CheckpointView& view : checkpoint.views()) {
      Json partitions = Json::array();
      for (const v1::CheckpointPartition& at : view.partitions()) {
        partitions.push_back({{"partition", at.partition()},
                              {"incarnation", at.incarnation()},
                              {"next_offset", at.next_offset()}});
      }
      views.push_back({{"view", view.view()},
                       {"version", view.version()},
                       {"complete", view.complete()},
                       {"source", view.source()},
                       {"partitions", std::move(partitions)}});
    }
    const bool good = checkpoint.damage().empty();
    list.push_back({{"id", checkpoint.id()},
                    {"made", checkpoint.has_made_us() ? Json(Made(checkpoint)) : Json(nullptr)},
                    {"bytes", checkpoint.bytes()},
                    {"state", good ? "whole" : "damaged"},
                    {"damage", checkpoint.damage()},
                    {"project", checkpoint.project()},
                    {"views", std::move(views)}});
  }
  const Json all = {{"folder", shown.folder}, {"checkpoints", std::move(list)}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// The project of DIR, whose checkpoints are declared.
StatusOr<std::shared_ptr<const Catalog>> LoadDeclared(const CheckpointArguments& arguments) {
  ProjectArguments folder = arguments.server.project;
  folder.folder = arguments.folder;
  const Project project = LoadOrExplain(folder);
  if (project.catalog == nullptr)
    return InvalidArgument("{}: mend the mistakes above", folder.folder);
  if (!project.catalog->storage.checkpoints) {
    return FailedPrecondition(
        "{}: storage.checkpoints is not declared; say where they are: --set "
        "storage.checkpoints.to=FOLDER",
        folder.folder);
  }
  return project.catalog;
}

StatusOr<ShownCheckpoints> ReadFolder(const CheckpointArguments& arguments) {
  ASSIGN_OR_RETURN(const auto catalog, LoadDeclared(arguments));
  ShownCheckpoints shown;
  shown.folder = catalog->storage.checkpoints->to;
  ASSIGN_OR_RETURN(const auto list, ListCheckpoints(shown.folder));
  for (const Checkpoint& checkpoint : list) {
    ToProto(checkpoint, *catalog, shown.checkpoints.emplace_back());
  }
  return shown;
}

StatusOr<ShownCheckpoints> AskServer(const ServerArguments& server) {
  ASSIGN_OR_RETURN(const std::string address, AddressOf(server));
  ClientChannel channel(address);
  v1::ListCheckpointsResponse answer;
  RETURN_IF_ERROR(channel.ListCheckpoints(answer).status);
  return ShownCheckpoints{answer.folder(),
                          {answer.checkpoints().begin(), answer.checkpoints().end()}};
}

int List(const CheckpointArguments& arguments) {
  const auto shown = arguments.folder.empty() ? AskServer(arguments.server) : ReadFolder(arguments);
  if (!shown.ok()) return Fail(shown.status());
  fmt::print("{}", arguments.output == "json" ? AsJson(*shown) : AsTable(*shown));
  return 0;
}

int Create(const CheckpointArguments& arguments) {
  const auto address = AddressOf(arguments.server);
  if (!address.ok()) return Fail(address.status());
  ClientChannel channel(*address);
  v1::CreateCheckpointResponse answer;
  if (const CallResult called = channel.CreateCheckpoint(answer); !called.status.ok()) {
    return Fail(called.status);
  }
  const v1::CheckpointState& made = answer.checkpoint();
  fmt::print("checkpoint {} of {}: {}, {}\n", made.id(), Made(made), Bytes(made.bytes()),
             ProgressText(made));
  return 0;
}

int Verify(const CheckpointArguments& arguments) {
  const auto catalog = LoadDeclared(arguments);
  if (!catalog.ok()) return Fail(catalog.status());
  const std::string& folder = (*catalog)->storage.checkpoints->to;
  std::vector<uint32_t> ids;
  if (arguments.id) {
    ids.push_back(*arguments.id);
  } else {
    const auto list = ListCheckpoints(folder);
    if (!list.ok()) return Fail(list.status());
    for (const Checkpoint& checkpoint : *list) ids.push_back(checkpoint.id);
  }
  if (ids.empty()) return Fail(NotFound("{}: there is no checkpoint", folder));
  bool all_good = true;
  for (const uint32_t id : ids) {
    const Status verified = VerifyCheckpoint(folder, id);
    if (absl::IsNotFound(verified)) return Fail(verified);
    all_good = all_good && verified.ok();
    fmt::print("checkpoint {}: {}\n", id,
               verified.ok() ? "whole" : fmt::format("DAMAGED: {}", MessageOf(verified)));
    std::fflush(stdout);
  }
  return all_good ? 0 : 1;
}

int Restore(const CheckpointArguments& arguments) {
  const auto catalog = LoadDeclared(arguments);
  if (!catalog.ok()) return Fail(catalog.status());
  RestoreOptions options;
  options.checkpoints = (*catalog)->storage.checkpoints->to;
  options.data = (*catalog)->storage.path;
  options.project = (*catalog)->project;
  options.id = arguments.id;
  options.replace = arguments.replace;
  const auto restored = RestoreCheckpoint(options);
  if (!restored.ok()) return Fail(restored.status());
  for (const auto& skipped : restored->skipped) {
    fmt::print(stderr, "left out checkpoint {}: {}\n", skipped.id, MessageOf(skipped.why));
  }
  v1::CheckpointState state;
  ToProto(restored->checkpoint, **catalog, state);
  fmt::print("{} is checkpoint {} of {}: {}\n", options.data.string(), state.id(), Made(state),
             ProgressText(state));
  fmt::print("{}\n", (*catalog)->kafka.kind == KafkaSettings::Kind::kNone
                         ? "what was pushed after it is gone"
                         : "`freshet serve` reads its logs on from there");
  return 0;
}

void AddFolder(CLI::App& command, CheckpointArguments& arguments) {
  command.add_option("DIR", arguments.folder, "Project folder: where freshet.yaml is")->required();
  AddSetOption(command, arguments.server.project);
}

}  // namespace

void AddCheckpointCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "checkpoint", "Copies of the data folder: makes one, lists, verifies, restores them");
  command->require_subcommand(1);
  const auto add = [command, &run](const std::string& name, const std::string& words,
                                   int (*what)(const CheckpointArguments&)) {
    auto* sub = command->add_subcommand(name, words);
    auto arguments = std::make_shared<CheckpointArguments>();
    sub->callback(
        [arguments, &run, what] { run = [arguments, what] { return what(*arguments); }; });
    return std::pair(sub, arguments);
  };
  {
    const auto [sub, arguments] =
        add("create", "Has a running server make one, and waits until it is whole", Create);
    AddServerOptions(*sub, arguments->server);
  }
  {
    const auto [sub, arguments] =
        add("list", "Those of a running server, or of a project's storage.checkpoints.to", List);
    auto* folder = sub->add_option("DIR", arguments->folder,
                                   "Project folder: its checkpoints are read, server or not");
    AddServerOptions(*sub, arguments->server);
    for (const char* other : {"--address", "--project"}) sub->get_option(other)->excludes(folder);
    sub->add_option("--output", arguments->output, "table, or json")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
  }
  {
    const auto [sub, arguments] =
        add("verify", "Reads every byte of them, and holds it against its checksum", Verify);
    AddFolder(*sub, *arguments);
    sub->add_option("--id", arguments->id, "This one alone");
  }
  {
    const auto [sub, arguments] = add(
        "restore", "Puts the newest good one in the place of the data folder of a stopped server",
        Restore);
    AddFolder(*sub, *arguments);
    sub->add_option("--id", arguments->id, "This one, instead of the newest good one");
    sub->add_flag("--replace", arguments->replace,
                  "What the data folder holds is removed, once the checkpoint stands in its place");
  }
  const char* example =
      "Example:\n  freshet checkpoint create\n  freshet checkpoint verify fraud\n  freshet "
      "checkpoint restore fraud --replace";
  command->footer(example);
  for (CLI::App* sub : command->get_subcommands({})) sub->footer(example);
}

}  // namespace freshet
