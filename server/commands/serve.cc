#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "server/build_info.h"
#include "server/commands/commands.h"
#include "server/server.h"
#include "server/stop_signal.h"

namespace freshet {
namespace {

void Print(const Catalog& catalog, const StartSummary& summary) {
  fmt::print("freshet {} serves project {}\n", GetBuildInfo().version, catalog.project);
  fmt::print("  grpc    {}\n", summary.grpc);
  fmt::print("  admin   http://{}  (/metrics /livez /readyz)\n", summary.admin);
  fmt::print("  push    {}\n", summary.push == "off"
                                   ? summary.push
                                   : fmt::format("POST http://{}/push/SOURCE", summary.push));
  fmt::print("  broker  {}\n", summary.broker);
  fmt::print("  data    {}\n", summary.data);
  for (const std::string& view : summary.views) fmt::print("  view    {}\n", view);
  for (const std::string& part : summary.memory) fmt::print("  memory  {}\n", part);
  std::fflush(stdout);
}

int Serve(const ProjectArguments& arguments) {
  StopSignal stop(/*takes_reload=*/true);
  Project project = LoadOrExplain(arguments);
  if (project.catalog == nullptr) return 1;
  const std::shared_ptr<const Catalog> catalog = project.catalog;

  const std::unique_ptr<Log> log = MakeStderrLog();
  for (const Diagnostic& warning : project.warnings)
    log->Warn("declaration_warning", ToString(warning));
  const SystemClock clock;
  const std::string name = catalog->project;
  auto server = Server::Start(
      std::move(project), [arguments] { return Load(arguments); }, clock, *log,
      [&stop] { return stop.requested(); });
  if (absl::IsCancelled(server.status())) return 0;
  if (!server.ok()) return Fail(server.status());
  Print(*catalog, (*server)->summary());
  log->Info("started", "Serving; ready once what is stored has caught up with the log.",
            {{"project", name}, {"version", GetBuildInfo().version}});

  while (!stop.requested()) {
    stop.Wait();
    if (stop.TakeReload()) (*server)->Reload();  // the log says what came of it
  }
  log->Info("stopping",
            "Stopping: no new calls, then the last commit. A second signal ends at once.");
  if (const Status stopped = (*server)->Stop(); !stopped.ok()) return Fail(stopped);
  server->reset();
  log->Info("stopped", "Stopped.");
  return 0;
}

}  // namespace

void AddServeCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "serve", "Reads the project's topics and serves its features, until SIGTERM");
  auto arguments = std::make_shared<ProjectArguments>();
  AddProjectArguments(*command, *arguments);
  command->footer(
      "Example:\n  freshet serve config/quickstart --set storage.memory=1GiB --set "
      "server.grpc=0.0.0.0:7570");
  command->callback([arguments, &run] { run = [arguments] { return Serve(*arguments); }; });
}

}  // namespace freshet
