#include "featurestore/declare/project.h"

#include <fmt/format.h>

#include <cstdlib>

#include "featurestore/declare/check.h"
#include "featurestore/declare/files.h"
#include "featurestore/declare/memory_budget.h"
#include "featurestore/declare/overrides.h"
#include "featurestore/declare/resolve.h"
#include "featurestore/declare/settings.h"

extern char** environ;

namespace freshet {
namespace {

Getenv ProcessGetenv() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  };
}

std::vector<std::pair<std::string, std::string>> ProcessEnvironment() {
  std::vector<std::pair<std::string, std::string>> variables;
  for (char** one = environ; one != nullptr && *one != nullptr; ++one) {
    const std::string_view text(*one);
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos)
      variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

class Loader {
 public:
  Loader(const std::filesystem::path& folder, const LoadOptions& options)
      : folder_(folder),
        options_(options),
        getenv_(options.getenv ? options.getenv : ProcessGetenv()),
        overrides_(ReadOverrides(options.sets,
                                 options.getenv ? options.environment : ProcessEnvironment(),
                                 diagnostics_)) {}

  Project Load() {
    auto catalog = std::make_shared<Catalog>();
    YamlNode root;
    bool complete = false;
    if (ReadRoot(root)) {
      complete = ReadIncluded(root);
      ApplyOverrides(root);
      CheckObject(root, LanguageRoot(), {root_file_, 1, 1}, diagnostics_);
      ResolveSettings(root, folder_, options_, *catalog, diagnostics_);
      // With a file missing, every name of it would be reported as unknown.
      if (complete) {
        CheckNotEmpty(root);
        Resolver(root, *catalog, diagnostics_).Run();
        if (diagnostics_.ok()) CheckMemoryBudget(root, *catalog, diagnostics_);
      }
    }
    Project project;
    project.settings = ListSettings(root, *catalog);
    if (diagnostics_.ok()) project.catalog = std::move(catalog);
    project.errors = diagnostics_.TakeErrors();
    project.warnings = diagnostics_.TakeWarnings();
    return project;
  }

 private:
  bool ReadRoot(YamlNode& root) {
    const std::filesystem::path path = folder_ / "freshet.yaml";
    root_file_ = diagnostics_.InternFile(ShownPath(path));
    std::error_code error;
    if (!std::filesystem::is_directory(folder_, error)) {
      diagnostics_.Error({diagnostics_.InternFile(ShownPath(folder_)), 0, 0},
                         "is not a project folder; give the folder that holds freshet.yaml");
      return false;
    }
    if (!std::filesystem::exists(path, error)) {
      const bool misspelt = std::filesystem::exists(folder_ / "freshet.yml", error);
      diagnostics_.Error({root_file_, 0, 0},
                         misspelt ? "there is no such file; rename freshet.yml"
                                  : "there is no such file, and a project begins with it");
      return false;
    }
    if (LoadYamlFile({path, {}}, folder_, getenv_, diagnostics_, root)) {
      if (root.kind == YamlNode::Kind::kNull) {
        diagnostics_.Error({root_file_, 1, 1}, "the file is empty; begin with project: NAME");
        return false;
      }
      return true;
    }
    ReadIncluded(root);  // their own mistakes are worth telling, whatever is wrong here
    return false;
  }

  bool ReadIncluded(YamlNode& root) {
    // --set include=… must be known before the files are read.
    for (Override& override : overrides_) {
      Substitute(override.value, folder_, getenv_, diagnostics_);
      if (override.path.size() == 1 && override.path[0] == "include")
        ApplyOverride(root, override, diagnostics_);
    }
    const YamlNode* include = Sound(root, "include");
    bool complete = true;
    for (const ProjectFile& file : IncludedFiles(folder_, include, diagnostics_)) {
      YamlNode included;
      if (LoadYamlFile(file, folder_, getenv_, diagnostics_, included)) {
        MergeIncluded(root, std::move(included), diagnostics_);
      } else {
        complete = false;
      }
    }
    return complete;
  }

  void ApplyOverrides(YamlNode& root) {
    for (const Override& override : overrides_) ApplyOverride(root, override, diagnostics_);
  }

  void CheckNotEmpty(const YamlNode& root) {
    for (const std::string_view section : {"sources", "entities", "feature_views"}) {
      const YamlEntry* entry = root.FindEntry(section);
      if (entry == nullptr) {
        diagnostics_.Error({root_file_, 1, 1},
                           fmt::format("the project has no {}; add {}: here or in features.yaml",
                                       section, section));
      } else if (entry->value.kind == YamlNode::Kind::kMap && entry->value.entries.empty()) {
        diagnostics_.Error(entry->key_place,
                           fmt::format("{} is empty; declare at least one", section));
      }
    }
  }

  std::filesystem::path folder_;
  const LoadOptions& options_;
  Diagnostics diagnostics_;
  Getenv getenv_;
  std::vector<Override> overrides_;
  const std::string* root_file_ = nullptr;
};

}  // namespace

Project LoadProject(const std::filesystem::path& folder, const LoadOptions& options) {
  return Loader(folder, options).Load();
}

}  // namespace freshet
