#include <fmt/format.h>

#include <cstdio>
#include <memory>

#include "featurestore/declare/describe.h"
#include "featurestore/store/store.h"
#include "server/commands/commands.h"

namespace freshet {
namespace {

struct ValidateArguments : ProjectArguments {
  bool data = false;
  bool schema = false;
};

// What a start would do to the data folder, view by view.
int CompareWithData(const Catalog& catalog) {
  const std::string& folder = catalog.storage.path;
  fmt::print("\ndata folder {}\n", folder);
  StoreOptions options;
  options.path = folder;
  options.project = catalog.project;
  options.create_if_missing = false;
  options.read_only = true;
  auto store = Store::Open(options);
  if (absl::IsNotFound(store.status())) {
    fmt::print("  no data yet: a start builds every view from its log's start\n");
    return 0;
  }
  if (!store.ok()) return Fail(store.status());
  for (const FeatureView& view : catalog.views) {
    const std::optional<std::string> complete = (*store)->CompleteVersion(view.name);
    const char* what = !complete.has_value() ? "not complete yet: a start goes on building it"
                       : *complete == view.version
                           ? "unchanged: a start serves it at once"
                           : "changed: a start rebuilds it from its log's start";
    fmt::print("  {}  {}\n", view.name, what);
  }
  for (const std::string& name : (*store)->UnopenedViews()) {
    if (!catalog.ViewIndex(name).has_value())
      fmt::print("  {}  not declared any more: its rows are kept\n", name);
  }
  return 0;
}

int Validate(const ValidateArguments& arguments) {
  if (arguments.schema) {
    fmt::print("{}\n", DeclarationJsonSchema());
    return 0;
  }
  const Project project = LoadOrExplain(arguments);
  for (const Diagnostic& warning : project.warnings)
    fmt::print(stderr, "warning: {}\n", ToString(warning));
  if (project.catalog == nullptr) return 1;
  fmt::print("{}", DescribeProject(*project.catalog));
  return arguments.data ? CompareWithData(*project.catalog) : 0;
}

}  // namespace

void AddValidateCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "validate", "Checks a project, and says what each view serves and how large its rows are");
  auto arguments = std::make_shared<ValidateArguments>();
  auto* folder =
      command->add_option("DIR", arguments->folder, "Project folder: where freshet.yaml is");
  AddSetOption(*command, *arguments);
  command->add_flag("--data", arguments->data,
                    "Say which views a start would rebuild; may run beside a server");
  command->add_flag("--schema", arguments->schema,
                    "Print the JSON Schema of the language instead, for editors");
  command->footer("Example:\n  freshet validate config/quickstart --data");
  command->callback([arguments, folder, &run] {
    if (!arguments->schema && folder->empty()) throw CLI::RequiredError("DIR");
    run = [arguments] { return Validate(*arguments); };
  });
}

}  // namespace freshet
