#include "featurestore/declare/inline_project.h"

#include <fmt/format.h>

#include "featurestore/declare/check.h"
#include "featurestore/declare/resolve.h"
#include "featurestore/declare/settings.h"

namespace freshet {
namespace {

YamlNode ScalarAt(const Place& place, std::string text) {
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.place = place;
  node.text = std::move(text);
  return node;
}

void AddIfMissing(YamlNode& root, const Place& place, const std::string& key, YamlNode value) {
  if (root.FindEntry(key) == nullptr) root.entries.push_back({key, place, std::move(value)});
}

}  // namespace

std::shared_ptr<const Catalog> ResolveInlineProject(YamlNode root, const Place& owner,
                                                    const std::filesystem::path& folder,
                                                    Diagnostics& diagnostics) {
  const size_t errors_before = diagnostics.error_count();
  if (root.kind != YamlNode::Kind::kMap) {
    diagnostics.Error(owner, "project is a map of sources, entities, feature_views and services");
    return nullptr;
  }
  if (const YamlEntry* include = root.FindEntry("include")) {
    diagnostics.Error(include->key_place, "include works in freshet.yaml alone; write it out here");
  }
  AddIfMissing(root, owner, "project", ScalarAt(owner, "scenario"));
  YamlNode kafka;
  kafka.kind = YamlNode::Kind::kMap;
  kafka.place = owner;
  kafka.entries.push_back({"brokers", owner, ScalarAt(owner, "embedded")});
  AddIfMissing(root, owner, "kafka", std::move(kafka));
  for (const char* section : {"sources", "entities", "feature_views"}) {
    if (root.FindEntry(section) == nullptr) {
      diagnostics.Error(owner, fmt::format("the project has no {}", section));
    }
  }
  auto catalog = std::make_shared<Catalog>();
  CheckObject(root, LanguageRoot(), owner, diagnostics);
  ResolveSettings(root, folder, {}, *catalog, diagnostics);
  Resolver(root, *catalog, diagnostics).Run();
  if (diagnostics.error_count() > errors_before) return nullptr;
  return catalog;
}

}  // namespace freshet
