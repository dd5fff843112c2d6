// Feature services: which features of which views, and the names that they are answered under.
#include <fmt/format.h>

#include <algorithm>

#include "featurestore/declare/resolve.h"

namespace freshet {

void Resolver::ResolveServices() {
  const YamlNode* services = Sound(root_, "feature_services");
  if (services == nullptr) return;
  for (const YamlEntry& entry : services->entries) {
    const YamlNode& object = entry.value;
    if (object.bad) continue;
    FeatureService& service = catalog_.services.emplace_back();
    service.name = entry.key;
    const YamlNode* list = &object;
    // The short form says whole views and means it; in the long one they may be an oversight.
    bool warn_whole = false;
    if (object.kind == YamlNode::Kind::kMap) {
      list = Sound(object, "features");
      const YamlNode* open = Sound(object, "open");
      warn_whole = !Declares(object, "open") || (open != nullptr && open->text == "false");
      service.about = ReadAnnotations(object);
    }
    if (list == nullptr) continue;
    if (list->items.empty()) {
      Error(list->place,
            fmt::format("feature service {} is empty; list views, or features as \"view:feature\"",
                        entry.key));
    }
    std::map<std::pair<uint32_t, uint32_t>, Place> seen;
    for (const YamlNode& item : list->items) ResolveServed(item, warn_whole, service, seen);

    std::map<std::string, std::set<uint32_t>> views_of;
    for (const ServedFeature& served : service.features) views_of[served.name].insert(served.view);
    for (ServedFeature& served : service.features) {
      if (views_of[served.name].size() > 1) {
        served.name = fmt::format("{}:{}", catalog_.views[served.view].name, served.name);
      }
    }
  }
}

void Resolver::ResolveServed(const YamlNode& node, bool warn_whole, FeatureService& service,
                             std::map<std::pair<uint32_t, uint32_t>, Place>& seen) {
  if (node.bad || node.kind != YamlNode::Kind::kScalar) return;
  const size_t colon = node.text.find(':');
  const std::string view_name = node.text.substr(0, colon);
  const auto view_index = catalog_.ViewIndex(view_name);
  if (!view_index) {
    if (Sound(root_, "feature_views") == nullptr) return;
    std::vector<std::string> names;
    for (const FeatureView& view : catalog_.views) names.push_back(view.name);
    std::string hint;
    for (const FeatureView& view : catalog_.views) {
      if (colon == std::string::npos && view.FeatureIndex(view_name)) {
        hint = fmt::format("; did you mean {}:{}?", view.name, view_name);
        break;
      }
    }
    if (hint.empty()) hint = diagnostics_.Suggest(view_name, names);
    Error(node.place, fmt::format("unknown feature view {}{}", view_name, hint));
    return;
  }
  const FeatureView& view = catalog_.views[*view_index];
  const ViewNotes& notes = view_notes_[*view_index];
  const auto add = [&](uint32_t feature) {
    const auto [first, is_new] = seen.emplace(std::pair(*view_index, feature), node.place);
    if (!is_new) {
      Error(node.place,
            fmt::format("{}:{} is in service {} twice; the first is at {}", view.name,
                        view.features[feature].name, service.name, ToString(first->second)));
      return;
    }
    service.features.push_back({*view_index, feature, view.features[feature].name});
  };
  if (colon == std::string::npos) {
    if (warn_whole) {
      Warning(
          node.place,
          fmt::format(
              "service {} takes the whole of view {}: a feature added there will widen its answer; "
              "name features as \"view:feature\", or add open: true",
              service.name, view.name));
    }
    for (uint32_t i = 0; i < view.features.size(); ++i) add(i);
    return;
  }
  const std::string feature_name = node.text.substr(colon + 1);
  if (const auto feature = view.FeatureIndex(feature_name)) {
    add(*feature);
    return;
  }
  if (!notes.features_known) return;
  for (const std::string& bad : notes.bad_features) {
    if (feature_name.rfind(bad, 0) == 0)
      return;  // surely one of a feature whose mistakes were told
  }
  std::vector<std::string> names;
  for (const Feature& feature : view.features) names.push_back(feature.name);
  Error(node.place, fmt::format("view {} has no feature {}{}", view.name, feature_name,
                                diagnostics_.Suggest(feature_name, names)));
}

}  // namespace freshet
