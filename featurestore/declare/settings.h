// The operator's words: project, clock, kafka, storage, server.
#pragma once

#include <filesystem>
#include <vector>

#include "featurestore/declare/catalog.h"
#include "featurestore/declare/project.h"
#include "featurestore/declare/yaml_document.h"

namespace freshet {

// Fills the settings of `catalog` from the checked tree. `folder` is what a relative storage.path is relative to.
void ResolveSettings(const YamlNode& root, const std::filesystem::path& folder,
                     const LoadOptions& options, Catalog& catalog, Diagnostics& diagnostics);

// The settings as they came out, each with where it came from; secrets are ***.
std::vector<Setting> ListSettings(const YamlNode& root, const Catalog& catalog);

}  // namespace freshet
