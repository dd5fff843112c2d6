// ${NAME}, ${NAME:-default}, ${file:PATH} and $${ in the values of a declaration.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "featurestore/declare/yaml_document.h"

namespace freshet {

using Getenv = std::function<std::optional<std::string>(const std::string&)>;

// In every scalar under `node`. What came from a file makes its scalar secret. Relative PATHs are the folder's.
// Values only, after parsing: what a variable holds is never read as YAML.
void Substitute(YamlNode& node, const std::filesystem::path& folder, const Getenv& getenv,
                Diagnostics& diagnostics);

}  // namespace freshet
