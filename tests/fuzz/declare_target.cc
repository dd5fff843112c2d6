// YAML declarations: any text is either refused, with places, or makes a project that can be described and planned.
#include <filesystem>
#include <fstream>

#include "featurestore/declare/describe.h"
#include "featurestore/declare/project.h"
#include "featurestore/serve/plans.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/temp_folder.h"

namespace freshet::fuzz {

void Run(std::string_view input) {
  static const TempFolder& folder =
      *new TempFolder;  // gone with the process alone: a fuzzer ends by _exit
  {
    std::ofstream file(folder.path() / "freshet.yaml", std::ios::binary | std::ios::trunc);
    file << input;
  }
  LoadOptions options;
  // Nothing of the machine's own: the same input is the same run.
  options.getenv = [](const std::string&) { return std::nullopt; };
  const Project project = LoadProject(folder.path(), options);
  if ((project.catalog == nullptr) == project.errors.empty()) {
    Finding(fmt::format("a catalog and {} errors: one or the other", project.errors.size()));
  }
  for (const auto* said : {&project.errors, &project.warnings}) {
    for (const Diagnostic& diagnostic : *said) {
      if (diagnostic.text.empty() || diagnostic.line < 0 || diagnostic.column < 0) {
        Finding("a mistake without words or place: " + ToString(diagnostic));
      }
    }
  }
  if (project.catalog == nullptr) return;
  DescribeProject(*project.catalog);
  const Plans plans(project.catalog);
}

}  // namespace freshet::fuzz
