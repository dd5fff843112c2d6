// Loads a project folder (docs/declarations.md): every mistake is reported in one go, sorted by file and line.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/declare/catalog.h"

namespace freshet {

// file:line:column: text. Lines and columns begin at 1; 0 where there is no place (--set, environment).
struct Diagnostic {
  std::string
      file;  // as the user would type it: relative to the working directory where it lies below
  int line = 0;
  int column = 0;
  std::string text;
};
std::string ToString(const Diagnostic& diagnostic);

// What `freshet config` prints: a setting, its value (secrets as ***), and where it came from
// ("freshet.yaml:3:9", "--set", "FRESHET_STORAGE__MEMORY", "default").
struct Setting {
  std::string path;  // storage.memory
  std::string value;
  std::string origin;
};

struct LoadOptions {
  std::vector<std::string> sets;  // "storage.memory=2GiB", in the order given
  // The environment; tests give their own. Empty: the process's.
  std::function<std::optional<std::string>(const std::string&)> getenv;
  std::vector<std::pair<std::string, std::string>>
      environment;  // for FRESHET_…; filled from the process where getenv is empty
  // What Kafka's client says of an entry of `kafka: { options: … }`: an error is reported at the entry. Empty: not asked.
  std::function<Status(const std::string& name, const std::string& value)> check_kafka_option;
};

struct Project {
  std::shared_ptr<const Catalog> catalog;  // null where there are errors
  std::vector<Diagnostic> errors;
  std::vector<Diagnostic> warnings;
  std::vector<Setting> settings;
};

// `folder` holds freshet.yaml. Never fails otherwise than by `errors`.
Project LoadProject(const std::filesystem::path& folder, const LoadOptions& options = {});

// JSON Schema (draft 2020-12) of the language, printed from the parser's own tables.
std::string DeclarationJsonSchema();

}  // namespace freshet
