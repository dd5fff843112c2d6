#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "featurestore/ingest/mock_broker.h"
#include "server/commands/commands.h"
#include "server/log_address.h"
#include "server/stop_signal.h"

namespace freshet {
namespace {

int Broker(const ProjectArguments& arguments) {
  const StopSignal stop;
  const Project project = LoadOrExplain(arguments);
  if (project.catalog == nullptr) return 1;
  const KafkaSettings& kafka = project.catalog->kafka;
  if (kafka.kind != KafkaSettings::Kind::kEmbedded) {
    return Fail(
        FailedPrecondition("project {} reads from {}, not from an embedded broker; set "
                           "kafka.brokers to embedded to run this one",
                           project.catalog->project, kafka.brokers));
  }
  const std::string& folder = project.catalog->storage.path;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return Fail(FailedPrecondition("{}: cannot make the data folder: {}", folder, error.message()));

  auto broker = MockBroker::Start(folder, EmbeddedTopics(*project.catalog));
  if (!broker.ok()) return Fail(broker.status());
  fmt::print(
      "broker  {}\nIt keeps about 5 MiB a partition, and nothing across restarts. SIGTERM or "
      "Ctrl-C ends it.\n",
      (*broker)->bootstrap());
  std::fflush(stdout);
  stop.Wait();
  return 0;
}

}  // namespace

void AddBrokerCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "broker", "Runs the embedded broker as a process of its own: servers may come and go");
  auto arguments = std::make_shared<ProjectArguments>();
  AddProjectArguments(*command, *arguments);
  command->footer(
      "Example:\n  freshet broker config/quickstart &\n  freshet serve config/quickstart");
  command->callback([arguments, &run] { run = [arguments] { return Broker(*arguments); }; });
}

}  // namespace freshet
