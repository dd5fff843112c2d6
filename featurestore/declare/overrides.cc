#include "featurestore/declare/overrides.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "featurestore/base/utf8.h"
#include "featurestore/declare/language.h"

namespace freshet {
namespace {

constexpr std::string_view kPrefix = "FRESHET_";

std::vector<std::string> Split(std::string_view text, std::string_view by) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(by, begin), text.size());
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + by.size();
  }
  return parts;
}

// librdkafka's names have dots of their own.
void JoinOptions(std::vector<std::string>& path) {
  if (path.size() <= 3 || path[0] != "kafka" || path[1] != "options") return;
  for (size_t i = 3; i < path.size(); ++i) path[2] += "." + path[i];
  path.resize(3);
}

// A list or a map as YAML's flow style; all else is text.
YamlNode ValueNode(const std::string& text, const std::string* origin, Diagnostics& diagnostics) {
  YamlNode node;
  if (!text.empty() && (text[0] == '[' || text[0] == '{')) {
    if (ParseYaml(text, origin, diagnostics, node)) return node;
    node.bad = true;
  }
  if (FindInvalidUtf8(text) != std::string::npos) {
    diagnostics.Error({origin}, "is not UTF-8");
    node.bad = true;
  }
  node.kind = YamlNode::Kind::kScalar;
  node.text = text;
  node.place = {origin, 0, 0};
  return node;
}

std::optional<std::vector<std::string>> EnvironmentPath(const std::string& name) {
  if (name.rfind(kPrefix, 0) != 0) return std::nullopt;
  std::string lower = name.substr(kPrefix.size());
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  std::vector<std::string> path = Split(lower, "__");
  // FRESHET_PORT_7570_TCP and the like are set by Kubernetes for a service of our name: not ours to judge.
  if (path.size() == 1 && path[0] != "project" && path[0] != "clock" && path[0] != "include")
    return std::nullopt;
  if (path.size() == 3 && path[0] == "kafka" && path[1] == "options") {
    std::replace(path[2].begin(), path[2].end(), '_', '.');  // no shell takes dots in names
  }
  return path;
}

}  // namespace

std::vector<Override> ReadOverrides(
    const std::vector<std::string>& sets,
    const std::vector<std::pair<std::string, std::string>>& environment, Diagnostics& diagnostics) {
  std::vector<Override> overrides;
  for (const auto& [name, value] : environment) {
    auto path = EnvironmentPath(name);
    if (!path) continue;
    JoinOptions(*path);
    overrides.push_back(
        {*std::move(path), ValueNode(value, diagnostics.InternFile(name), diagnostics)});
  }
  for (const std::string& set : sets) {
    const size_t equals = set.find('=');
    if (equals == std::string::npos || equals == 0) {
      diagnostics.Error({diagnostics.InternFile("--set " + set)},
                        "is not KEY=VALUE; write one such as --set storage.memory=2GiB");
      continue;
    }
    const std::string name = set.substr(0, equals);
    std::vector<std::string> path = Split(name, ".");
    JoinOptions(path);
    overrides.push_back(
        {std::move(path),
         ValueNode(set.substr(equals + 1), diagnostics.InternFile("--set " + name), diagnostics)});
  }
  return overrides;
}

void ApplyOverride(YamlNode& root, const Override& override, Diagnostics& diagnostics) {
  const Place& place = override.value.place;
  YamlNode* node = &root;
  for (size_t i = 0; i < override.path.size(); ++i) {
    const std::string& step = override.path[i];
    if (node->kind == YamlNode::Kind::kNull) node->kind = YamlNode::Kind::kMap;
    if (node->kind != YamlNode::Kind::kMap || step.empty()) {
      diagnostics.Error(place, fmt::format("there is no key {}", fmt::join(override.path, ".")));
      return;
    }
    YamlNode* next = node->Find(step);
    if (next == nullptr) {
      if (i == 1 && IsDataKey(override.path[0])) {
        std::vector<std::string> names;
        for (const YamlEntry& entry : node->entries) names.push_back(entry.key);
        diagnostics.Error(place, fmt::format("{} has no {}{}", override.path[0], step,
                                             diagnostics.Suggest(step, names)));
        return;
      }
      YamlEntry entry;
      entry.key = step;
      entry.key_place = place;
      entry.value.place = place;
      node->entries.push_back(std::move(entry));
      next = &node->entries.back().value;
    }
    node = next;
  }
  *node = override.value;
}

}  // namespace freshet
