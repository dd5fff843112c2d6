#include "featurestore/declare/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <unordered_map>

#include "featurestore/declare/language.h"

namespace freshet {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFiles = 1000;

// `*` stands for any letters, `?` for one. Linear in practice: the last * is the only one gone back to.
bool Matches(std::string_view name, std::string_view pattern) {
  size_t n = 0, p = 0, star = std::string_view::npos, mark = 0;
  while (n < name.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n]) && pattern[p] != '*') {
      ++n;
      ++p;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

// Files of one folder whose name matches, sorted.
std::vector<fs::path> Glob(const fs::path& pattern) {
  std::vector<fs::path> found;
  std::error_code error;
  const std::string name = pattern.filename().string();
  for (fs::directory_iterator it(pattern.parent_path(), error), end; !error && it != end;
       it.increment(error)) {
    const std::string candidate = it->path().filename().string();
    if (candidate[0] != '.' && Matches(candidate, name)) found.push_back(it->path());
    if (found.size() > kMaxFiles) break;
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The file that includes the others, under whatever name.
bool IsRoot(const fs::path& path, const fs::path& folder) {
  std::error_code error;
  return fs::equivalent(path, folder / "freshet.yaml", error);
}

}  // namespace

StatusOr<std::string> ReadWholeFile(const fs::path& path, size_t max_bytes) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return NotFound("there is no file {}", ShownPath(path));
  if (!fs::is_regular_file(status)) return InvalidArgument("{} is not a file", ShownPath(path));
  std::ifstream in(path, std::ios::binary);
  std::string bytes(max_bytes + 1, '\0');
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!in.is_open() || in.bad())
    return InvalidArgument("{} cannot be read; look at its permissions", ShownPath(path));
  bytes.resize(static_cast<size_t>(in.gcount()));
  if (bytes.size() > max_bytes) {
    return InvalidArgument("{} is larger than {} bytes", ShownPath(path), max_bytes);
  }
  return bytes;
}

std::string ShownPath(const fs::path& path) {
  std::error_code error;
  const fs::path here = fs::current_path(error);
  const fs::path absolute = fs::absolute(path, error).lexically_normal();
  const fs::path relative = absolute.lexically_relative(here);
  if (error || relative.empty() || *relative.begin() == "..") return absolute.string();
  return relative.string();
}

bool LoadYamlFile(const ProjectFile& project_file, const fs::path& folder, const Getenv& getenv,
                  Diagnostics& diagnostics, YamlNode& root) {
  const std::string* file = diagnostics.InternFile(ShownPath(project_file.path));
  const auto text = ReadWholeFile(project_file.path, kMaxYamlBytes);
  if (!text.ok()) {
    const Place& named_at = project_file.named_at;
    diagnostics.Error(named_at.file == nullptr ? Place{file, 1, 1} : named_at,
                      std::string(MessageOf(text.status())));
    return false;
  }
  if (!ParseYaml(*text, file, diagnostics, root)) return false;
  if (root.kind != YamlNode::Kind::kMap && root.kind != YamlNode::Kind::kNull) {
    diagnostics.Error(
        root.place,
        fmt::format("the file is {}; it should be a map of keys such as sources:", root.Shown()));
    return false;
  }
  if (root.place.line == 0) root.place = {file, 1, 1};
  Substitute(root, folder, getenv, diagnostics);
  return true;
}

std::vector<ProjectFile> IncludedFiles(const fs::path& folder, const YamlNode* include,
                                       Diagnostics& diagnostics) {
  std::vector<ProjectFile> files;
  const auto add = [&files](const fs::path& path, const Place& named_at = {}) {
    const fs::path normal = path.lexically_normal();
    const auto same = [&normal](const ProjectFile& file) { return file.path == normal; };
    if (std::none_of(files.begin(), files.end(), same)) files.push_back({normal, named_at});
  };
  if (include == nullptr) {
    std::error_code error;
    if (fs::exists(folder / "features.yaml", error)) add(folder / "features.yaml");
    for (const fs::path& path : Glob(folder / "features" / "*.yaml")) add(path);
    return files;
  }
  std::vector<const YamlNode*> wanted;
  if (include->kind == YamlNode::Kind::kScalar) wanted.push_back(include);
  for (const YamlNode& item : include->items) {
    if (item.kind == YamlNode::Kind::kScalar) wanted.push_back(&item);
  }
  for (const YamlNode* one : wanted) {
    if (one->bad) continue;
    if (one->secret) {
      diagnostics.Error(one->place,
                        "include names a file, which cannot come from ${file:…}; write the name");
      continue;
    }
    const fs::path path = folder / one->text;
    if (path.filename().string().find_first_of("*?") != std::string::npos) {
      const auto found = Glob(path);
      if (found.empty()) {
        diagnostics.Error(one->place, fmt::format("include {}: no file has such a name in {}",
                                                  one->text, ShownPath(path.parent_path())));
      }
      for (const fs::path& file : found) {
        if (!IsRoot(file, folder)) add(file, one->place);
      }
      continue;
    }
    std::error_code error;
    if (IsRoot(path, folder)) {
      diagnostics.Error(one->place, fmt::format("include {}: that is the file which includes; "
                                                "name others",
                                                one->text));
      continue;
    }
    if (!fs::is_regular_file(path, error)) {
      diagnostics.Error(one->place,
                        fmt::format("include {}: there is no file {}", one->text, ShownPath(path)));
      continue;
    }
    add(path, one->place);
  }
  if (files.size() > kMaxFiles) {
    diagnostics.Error(include->place, fmt::format("include names {} files; at most {} are read",
                                                  files.size(), kMaxFiles));
    files.resize(kMaxFiles);
  }
  return files;
}

void MergeIncluded(YamlNode& root, YamlNode included, Diagnostics& diagnostics) {
  for (YamlEntry& entry : included.entries) {
    if (!IsDataKey(entry.key)) {
      if (LanguageRoot().Find(entry.key) != nullptr) {
        diagnostics.Error(
            entry.key_place,
            fmt::format("{} belongs into freshet.yaml, not into an included file", entry.key));
      } else {
        std::vector<std::string> valid;
        for (const Key& key : LanguageRoot().keys) {
          if (IsDataKey(key.name)) valid.emplace_back(key.name);
        }
        diagnostics.Error(entry.key_place, fmt::format("unknown key {}{}", entry.key,
                                                       diagnostics.Suggest(entry.key, valid)));
      }
      continue;
    }
    YamlNode* section = root.Find(entry.key);
    if (section == nullptr) {
      root.entries.push_back(std::move(entry));
      continue;
    }
    if (entry.value.kind == YamlNode::Kind::kNull) continue;
    if (entry.value.kind != YamlNode::Kind::kMap) {
      diagnostics.Error(entry.value.place, fmt::format("{} is {}; write a map of names", entry.key,
                                                       entry.value.Shown()));
      continue;
    }
    if (section->kind == YamlNode::Kind::kNull) {
      *section = std::move(entry.value);
      continue;
    }
    if (section->kind != YamlNode::Kind::kMap) continue;  // the checks of the tree will say so
    std::unordered_map<std::string, Place> known;
    for (const YamlEntry& one : section->entries) known.emplace(one.key, one.key_place);
    for (YamlEntry& one : entry.value.entries) {
      const auto first = known.find(one.key);
      if (first == known.end()) {
        section->entries.push_back(std::move(one));
        continue;
      }
      diagnostics.Error(one.key_place,
                        fmt::format("{} is declared in {} already, at {}; rename or remove one",
                                    one.key, entry.key, ToString(first->second)));
    }
  }
}

}  // namespace freshet
