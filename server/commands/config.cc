#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "server/commands/commands.h"

namespace freshet {
namespace {

int Config(const ProjectArguments& arguments) {
  const Project project = LoadOrExplain(arguments);
  size_t setting_width = 0;
  size_t value_width = 0;
  for (const Setting& setting : project.settings) {
    setting_width = std::max(setting_width, setting.path.size());
    value_width = std::max(value_width, std::min<size_t>(setting.value.size(), 40));
  }
  for (const Setting& setting : project.settings) {
    fmt::print("{:<{}}  {:<{}}  {}\n", setting.path, setting_width, setting.value, value_width,
               setting.origin);
  }
  return project.catalog == nullptr ? 1 : 0;
}

}  // namespace

void AddConfigCommand(CLI::App& app, Run& run) {
  auto* command =
      app.add_subcommand("config", "Prints every setting, its value and where the value came from");
  auto arguments = std::make_shared<ProjectArguments>();
  AddProjectArguments(*command, *arguments);
  command->footer("Example:\n  FRESHET_STORAGE__MEMORY=1GiB freshet config config/quickstart");
  command->callback([arguments, &run] { run = [arguments] { return Config(*arguments); }; });
}

}  // namespace freshet
