// `freshet estimate`. Stands apart from commands.h, which all commands include.
#pragma once

#include "server/commands/commands.h"

namespace freshet {

void AddEstimateCommand(CLI::App& app, Run& run);

}  // namespace freshet
