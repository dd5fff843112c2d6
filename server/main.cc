// freshet: an online feature store. One program, a subcommand a wish.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "server/build_info.h"
#include "server/commands/commands.h"
#include "server/commands/estimate.h"

namespace {

constexpr int kUsageError = 2;

constexpr const char* kFooter =
    "Example:\n"
    "  freshet validate config/quickstart\n"
    "  freshet serve config/quickstart\n"
    "  freshet replay config/quickstart/flights.jsonl.gz --project config/quickstart --source "
    "departures --wait\n"
    "  freshet get airports origin=JFK\n"
    "Every subcommand has its own --help.";

int RunProgram(int argc, char** argv) {
  CLI::App app("Freshet: features from events on Kafka, kept in RocksDB, served over gRPC.",
               "freshet");
  app.footer(kFooter);
  const freshet::BuildInfo& build = freshet::GetBuildInfo();
  app.set_version_flag(
      "--version", fmt::format("freshet {} ({}; RocksDB {}, gRPC {}, librdkafka {})", build.version,
                               build.commit, build.rocksdb, build.grpc, build.librdkafka));
  app.require_subcommand(1);
  freshet::Run run;
  freshet::AddServeCommand(app, run);
  freshet::AddValidateCommand(app, run);
  freshet::AddConfigCommand(app, run);
  freshet::AddBrokerCommand(app, run);
  freshet::AddGetCommand(app, run);
  freshet::AddExplainCommand(app, run);
  freshet::AddReplayCommand(app, run);
  freshet::AddIngestCommand(app, run);
  freshet::AddDlqCommand(app, run);
  freshet::AddTestCommand(app, run);
  freshet::AddVerifyCommand(app, run);
  freshet::AddResetSourceCommand(app, run);
  freshet::AddResetViewCommand(app, run);
  freshet::AddViewsCommand(app, run);
  freshet::AddReloadCommand(app, run);
  freshet::AddCheckpointCommand(app, run);
  freshet::AddDoctorCommand(app, run);
  freshet::AddEstimateCommand(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }
  return run();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return RunProgram(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "freshet: {}\n", error.what());
    return 1;
  }
}
