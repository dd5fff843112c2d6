// The subcommands of `freshet`. Each adds itself to the application; what was asked for runs after the whole line was read.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/declare/project.h"

namespace freshet {

// Returns the exit status: 0, or 1 for an error that was printed. (2, usage, is main's.)
using Run = std::function<int()>;

void AddServeCommand(CLI::App& app, Run& run);
void AddValidateCommand(CLI::App& app, Run& run);
void AddConfigCommand(CLI::App& app, Run& run);
void AddBrokerCommand(CLI::App& app, Run& run);
void AddGetCommand(CLI::App& app, Run& run);
void AddExplainCommand(CLI::App& app, Run& run);
void AddReplayCommand(CLI::App& app, Run& run);
void AddIngestCommand(CLI::App& app, Run& run);
void AddDlqCommand(CLI::App& app, Run& run);
void AddTestCommand(CLI::App& app, Run& run);
void AddVerifyCommand(CLI::App& app, Run& run);
void AddResetSourceCommand(CLI::App& app, Run& run);
void AddResetViewCommand(CLI::App& app, Run& run);
void AddViewsCommand(CLI::App& app, Run& run);
void AddReloadCommand(CLI::App& app, Run& run);
void AddCheckpointCommand(CLI::App& app, Run& run);
void AddDoctorCommand(CLI::App& app, Run& run);

// DIR and --set, which all commands on a project take.
struct ProjectArguments {
  std::string folder;
  std::vector<std::string> sets;
};
void AddSetOption(CLI::App& command, ProjectArguments& arguments);
void AddProjectArguments(CLI::App& command, ProjectArguments& arguments);
Project Load(const ProjectArguments& arguments);
// Prints every error on standard error; the project's catalog is null then.
Project LoadOrExplain(const ProjectArguments& arguments);

// Where a client asks a running server of this project: server.grpc, on this machine where it listens on all addresses.
std::string ServerAddress(const Catalog& catalog);

// --address, or --project whose server.grpc says it, for commands that ask a running server.
struct ServerArguments {
  ProjectArguments project;
  std::string address;
};
void AddServerOptions(CLI::App& command, ServerArguments& arguments);
// Where the project has mistakes they are printed, and the error says how many.
StatusOr<std::string> AddressOf(const ServerArguments& arguments);

// "freshet: MESSAGE" on standard error. Returns 1.
int Fail(const Status& status);

}  // namespace freshet
