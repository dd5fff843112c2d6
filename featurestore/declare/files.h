// The files of a project folder: freshet.yaml and what it includes, merged into one tree.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/declare/substitute.h"
#include "featurestore/declare/yaml_document.h"

namespace freshet {

// Of a regular file (through links) of at most so many bytes; never blocks on a pipe or a device.
StatusOr<std::string> ReadWholeFile(const std::filesystem::path& path, size_t max_bytes);

// As the user would type it: relative to the working directory where it lies below.
std::string ShownPath(const std::filesystem::path& path);

struct ProjectFile {
  std::filesystem::path path;
  Place named_at;  // the entry of `include` that names it; no place where it was found by itself
};

// A parsed file, its variables filled in. False where it cannot be read on; the reason is reported: of a file that cannot be
// read at all where it is named.
bool LoadYamlFile(const ProjectFile& file, const std::filesystem::path& folder,
                  const Getenv& getenv, Diagnostics& diagnostics, YamlNode& root);

// The files that `include` names (null: features.yaml and features/*.yaml where they exist), in order, each once.
std::vector<ProjectFile> IncludedFiles(const std::filesystem::path& folder, const YamlNode* include,
                                       Diagnostics& diagnostics);

// Adds an included file's sources, entities, views and services to `root`; refuses other keys, and names that stand
// there already.
void MergeIncluded(YamlNode& root, YamlNode included, Diagnostics& diagnostics);

}  // namespace freshet
