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

Project LoadOrExplain(const ProjectArguments& arguments) {
  LoadOptions options;
  options.sets = arguments.sets;
  options.check_kafka_option = CheckKafkaOption;
  Project project = LoadProject(arguments.folder, options);
  for (const Diagnostic& error : project.errors) fmt::print(stderr, "{}\n", ToString(error));
  if (!project.errors.empty()) {
    fmt::print(stderr, "freshet: {} error{} in {}\n", project.errors.size(),
               project.errors.size() == 1 ? "" : "s", arguments.folder);
  }
  return project;
}

std::string ServerAddress(const Catalog& catalog) {
  std::string address = catalog.server.grpc;
  for (const std::string_view any : {"0.0.0.0:", "[::]:"}) {
    if (address.starts_with(any)) address.replace(0, any.size(), "127.0.0.1:");
  }
  return address;
}

int Fail(const Status& status) {
  fmt::print(stderr, "freshet: {}\n", MessageOf(status));
  return 1;
}

}  // namespace freshet
