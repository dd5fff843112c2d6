// A declaration that stands inside another file, as a scenario's `project:` does (docs/testing.md).
#pragma once

#include <filesystem>
#include <memory>

#include "featurestore/declare/catalog.h"
#include "featurestore/declare/diagnostics.h"
#include "featurestore/declare/yaml_document.h"

namespace freshet {

// `root` is a map as freshet.yaml holds it; the operator's words (project, kafka, storage, server) may be left out. Mistakes are reported
// where they stand in the file around it; null where there are any. `folder`: what relative paths are relative to.
std::shared_ptr<const Catalog> ResolveInlineProject(YamlNode root, const Place& owner,
                                                    const std::filesystem::path& folder,
                                                    Diagnostics& diagnostics);

}  // namespace freshet
