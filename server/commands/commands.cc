#include "server/commands/commands.h"

#include <fmt/format.h>

#include <cstdio>

#include "featurestore/ingest/kafka_options.h"

namespace freshet {

void AddSetOption(CLI::App& command, ProjectArguments& arguments) {
  command
      .add_option("--set", arguments.sets,
                  "A setting for this run, before files and environment: --set storage.memory=2GiB")
      ->type_name("a.b=value")
      ->allow_extra_args(false);
}

void AddProjectArguments(CLI::App& command, ProjectArguments& arguments) {
  command.add_option("DIR", arguments.folder, "Project folder: where freshet.yaml is")->required();
  AddSetOption(command, arguments);
}

void AddServerOptions(CLI::App& command, ServerArguments& arguments) {
  auto* address =
      command.add_option("--address", arguments.address,
                         fmt::format("The server's gRPC address; without it the project's, else {}",
                                     ServerSettings().grpc));
  address->type_name("HOST:PORT");
  command
      .add_option("--project", arguments.project.folder,
                  "Project folder, whose server.grpc says where the server is")
      ->type_name("DIR")
      ->excludes(address);
  AddSetOption(command, arguments.project);
}

std::string ServerAddress(const Catalog& catalog) {
  std::string address = catalog.server.grpc;
  for (const std::string_view any : {"0.0.0.0:", "[::]:"}) {
    if (address.starts_with(any)) address.replace(0, any.size(), "127.0.0.1:");
  }
  return address;
}

StatusOr<std::string> AddressOf(const ServerArguments& arguments) {
  if (!arguments.project.sets.empty() && arguments.project.folder.empty()) {
    return InvalidArgument(
        "--set is for a project's settings; give --project too, or leave it out");
  }
  if (!arguments.address.empty()) return arguments.address;
  if (arguments.project.folder.empty()) return ServerSettings().grpc;
  const Project project = LoadOrExplain(arguments.project);
  if (project.catalog == nullptr) {
    return InvalidArgument("--project {}: mend the mistakes above, or give --address",
                           arguments.project.folder);
  }
  const std::string& grpc = project.catalog->server.grpc;
  if (grpc.ends_with(":0")) {
    return InvalidArgument(
        "--project {}: server.grpc is {}, so the server took a free port; give --address with the "
        "one that it printed",
        arguments.project.folder, grpc);
  }
  return ServerAddress(*project.catalog);
}

Project Load(const ProjectArguments& arguments) {
  LoadOptions options;
  options.sets = arguments.sets;
  options.check_kafka_option = CheckKafkaOption;
  return LoadProject(arguments.folder, options);
}

Project LoadOrExplain(const ProjectArguments& arguments) {
  Project project = Load(arguments);
  for (const Diagnostic& error : project.errors) fmt::print(stderr, "{}\n", ToString(error));
  if (!project.errors.empty()) {
    fmt::print(stderr, "freshet: {} error{} in {}\n", project.errors.size(),
               project.errors.size() == 1 ? "" : "s", arguments.folder);
  }
  return project;
}

int Fail(const Status& status) {
  fmt::print(stderr, "freshet: {}\n", MessageOf(status));
  return 1;
}

}  // namespace freshet
