#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>

#include "featurestore/scenario/report.h"
#include "server/commands/commands.h"

namespace freshet {
namespace {

namespace fs = std::filesystem;

struct TestArguments {
  std::vector<std::string> paths;
  ProjectArguments project;
  std::string filter;
  std::string output = "text";
  size_t batch_records = 16384;
  bool schema = false;
};

// A scenario file, and the folder of the project that it is about where it has none of its own.
struct TestFile {
  fs::path path;
  std::string project;
};

bool IsProject(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / "freshet.yaml", error);
}

std::vector<fs::path> YamlFiles(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const fs::path& path = it->path();
    if (path.extension() == ".yaml" && path.filename().string()[0] != '.') files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  return files;
}

// The folder of the project that a file in its `tests` or `scenarios` is about; "" where there is none.
std::string ProjectAround(const fs::path& file) {
  const fs::path folder = fs::absolute(file).parent_path();
  if (folder.filename() != "tests" && folder.filename() != "scenarios") return "";
  return IsProject(folder.parent_path()) ? folder.parent_path().string() : "";
}

StatusOr<std::vector<TestFile>> FindFiles(const TestArguments& arguments) {
  std::vector<TestFile> files;
  for (const std::string& argument : arguments.paths) {
    const fs::path path = argument;
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      const std::string around = ProjectAround(path);
      files.push_back({path, arguments.project.folder.empty() ? around : arguments.project.folder});
      continue;
    }
    const bool is_project = IsProject(path);
    std::string project = arguments.project.folder;
    if (project.empty() && is_project) project = path.string();
    const size_t before = files.size();
    const std::vector<fs::path> folders =
        is_project ? std::vector<fs::path>{path / "tests", path / "scenarios"}
                   : std::vector<fs::path>{path};
    for (const fs::path& folder : folders) {
      for (const fs::path& file : YamlFiles(folder)) {
        files.push_back({file, project.empty() ? ProjectAround(file) : project});
      }
    }
    if (files.size() == before) {
      return NotFound("{} holds no scenarios; write one into {}", argument,
                      (is_project ? path / "tests" / "first.yaml" : path / "first.yaml").string());
    }
  }
  return files;
}

// Projects that are asked for, each loaded once.
class Projects {
 public:
  explicit Projects(const ProjectArguments& arguments) : sets_(arguments.sets) {}
  // False where it has errors, which were printed.
  bool Load(const std::string& folder, std::shared_ptr<const Catalog>& catalog) {
    if (folder.empty()) return true;
    const auto [found, is_new] = loaded_.try_emplace(folder);
    if (is_new) {
      ProjectArguments arguments;
      arguments.folder = folder;
      arguments.sets = sets_;
      found->second = LoadOrExplain(arguments).catalog;
    }
    catalog = found->second;
    return catalog != nullptr;
  }

 private:
  std::vector<std::string> sets_;
  std::map<std::string, std::shared_ptr<const Catalog>> loaded_;
};

int Test(const TestArguments& arguments) {
  if (arguments.schema) {
    fmt::print("{}", ScenarioJsonSchema());
    return 0;
  }
  const auto begun = std::chrono::steady_clock::now();
  const auto files = FindFiles(arguments);
  if (!files.ok()) return Fail(files.status());
  Projects projects(arguments.project);
  const bool text = arguments.output == "text";
  TestReport report;
  ScenarioRunOptions options;
  options.batch_records = arguments.batch_records;
  for (const TestFile& file : *files) {
    std::shared_ptr<const Catalog> catalog;
    if (!projects.Load(file.project, catalog)) return 1;
    const ScenarioFile read = ReadScenarios(file.path, catalog);
    for (const Diagnostic& error : read.errors) {
      fmt::print(stderr, "{}\n", ToString(error));
      report.mistakes.push_back(error);
    }
    for (const Scenario& scenario : read.scenarios) {
      if (scenario.name.find(arguments.filter) == std::string::npos &&
          scenario.file.find(arguments.filter) == std::string::npos) {
        continue;
      }
      ScenarioReport& one = report.scenarios.emplace_back();
      one.file = scenario.file;
      one.name = scenario.name;
      one.rules = scenario.rules;
      auto result = RunScenario(scenario, options);
      if (result.ok()) {
        one.result = *std::move(result);
      } else {
        one.error = std::string(MessageOf(result.status()));
      }
      if (text) fmt::print("{}", AsText(one));
    }
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  if (arguments.output == "json") fmt::print("{}", AsJson(report));
  if (arguments.output == "junit") fmt::print("{}", AsJUnit(report));
  if (text) fmt::print("{}", Summary(report));
  if (report.scenarios.empty() && report.mistakes.empty()) {
    return Fail(NotFound("no scenario's name or file holds \"{}\"", arguments.filter));
  }
  return report.passed() ? 0 : 1;
}

}  // namespace

void AddTestCommand(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "test",
      "Runs scenarios: events, lookups and the answers that are expected, without a broker");
  auto arguments = std::make_shared<TestArguments>();
  auto* paths = command->add_option(
      "PATHS", arguments->paths,
      "Project folders (their tests/*.yaml and scenarios/*.yaml), or scenario files");
  command
      ->add_option("--project", arguments->project.folder,
                   "What scenarios without a declaration of their own are about")
      ->type_name("DIR");
  AddSetOption(*command, arguments->project);
  command
      ->add_option("--filter", arguments->filter,
                   "Only scenarios whose name or file holds this text")
      ->type_name("TEXT");
  command->add_option("--output", arguments->output, "text, json or junit")
      ->check(CLI::IsMember({"text", "json", "junit"}))
      ->capture_default_str();
  command
      ->add_option("--batch", arguments->batch_records,
                   "At most so many records in a batch; the answers do not depend on it")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->add_flag("--schema", arguments->schema,
                    "Print the JSON Schema of scenario files instead, for editors");
  command->footer(
      "Example:\n  freshet test config/quickstart\n  freshet test night.yaml --project fraud");
  command->callback([arguments, paths, &run] {
    if (!arguments->schema && paths->empty()) throw CLI::RequiredError("PATHS");
    run = [arguments] { return Test(*arguments); };
  });
}

}  // namespace freshet
