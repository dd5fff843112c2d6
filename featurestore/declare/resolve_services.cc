// Feature services: which features of which views, in which roles, and the names that they are answered under.
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
    catalog_.service_expressions.emplace_back();
    service.name = entry.key;
    const YamlNode* list = &object;
    ServiceNotes notes;
    // The short form says whole views and means it; in the long one they may be an oversight.
    if (object.kind == YamlNode::Kind::kMap) {
      list = Sound(object, "features");
      const YamlNode* open = Sound(object, "open");
      notes.warn_whole = !Declares(object, "open") || (open != nullptr && open->text == "false");
      service.about = ReadAnnotations(object);
    }
    if (list == nullptr) continue;
    if (list->items.empty()) {
      Error(list->place,
            fmt::format("feature service {} is empty; list views, or features as \"view:feature\"",
                        entry.key));
      notes.sound = false;
    }
    for (const YamlNode& item : list->items) {
      if (item.bad) {
        notes.sound = false;
      } else if (item.kind == YamlNode::Kind::kMap) {
        ResolveRole(item, notes, service);
      } else {
        ResolveServed(item, notes, service);
      }
    }
    NameServed(notes, service);
    if (object.kind != YamlNode::Kind::kMap) continue;
    ResolveInputs(object, notes, service);
    catalog_.service_expressions.back() = ResolveServiceDerive(object, notes, service);
    ResolveCountRequest(object, notes, service);
  }
}

const FeatureView* Resolver::FindServedView(const YamlNode& node, const std::string& name,
                                            ServiceNotes& notes, uint32_t& index) {
  if (const auto found = catalog_.ViewIndex(name)) {
    index = *found;
    return &catalog_.views[index];
  }
  notes.sound = false;
  if (Sound(root_, "feature_views") == nullptr) return nullptr;
  std::vector<std::string> names;
  for (const FeatureView& view : catalog_.views) names.push_back(view.name);
  std::string hint;
  for (const FeatureView& view : catalog_.views) {
    if (node.text == name && view.FeatureIndex(name)) {
      hint = fmt::format("; did you mean {}:{}?", view.name, name);
      break;
    }
  }
  if (hint.empty()) hint = diagnostics_.Suggest(name, names);
  Error(node.place, fmt::format("unknown feature view {}{}", name, hint));
  return nullptr;
}

const Entity* Resolver::KnownEntity(const FeatureView& view) const {
  if (view.entity >= catalog_.entities.size() || !entity_notes_[view.entity].sound) return nullptr;
  const Entity& entity = catalog_.entities[view.entity];
  return view.key_fields.size() == entity.keys.size() ? &entity : nullptr;
}

// "view:feature", or "view".
void Resolver::ResolveServed(const YamlNode& node, ServiceNotes& notes, FeatureService& service) {
  if (node.kind != YamlNode::Kind::kScalar) return;
  const size_t colon = node.text.find(':');
  uint32_t view = 0;
  if (FindServedView(node, node.text.substr(0, colon), notes, view) == nullptr) return;
  ServedView served{.view = view};
  const Entity* entity = KnownEntity(catalog_.views[view]);
  if (entity == nullptr) {
    notes.sound = false;
  } else {
    for (const EntityKeyField& key : entity->keys) served.keys.push_back(key.name);
  }
  const auto use = UseView(node.place, std::move(served), service);
  if (!use) {
    notes.sound = false;
  } else if (colon == std::string::npos) {
    ServeWholeView(node, *use, notes, service);
  } else {
    ServeFeature(node, *use, node.text.substr(colon + 1), notes, service);
  }
}

// { view: account_activity, as: sender, keys: { account: sender_id }, features: [sent_24h] }
void Resolver::ResolveRole(const YamlNode& node, ServiceNotes& notes, FeatureService& service) {
  const YamlNode* name = Sound(node, "view");
  uint32_t view = 0;
  if (name == nullptr || FindServedView(*name, name->text, notes, view) == nullptr) {
    notes.sound = false;
    return;
  }
  ServedView served{.view = view};
  const Entity* entity = KnownEntity(catalog_.views[view]);
  if (entity == nullptr) {
    notes.sound = false;
  } else {
    for (const EntityKeyField& key : entity->keys) served.keys.push_back(key.name);
  }
  if (const YamlNode* role = Sound(node, "as")) {
    served.role = role->text;
    if (role->text == "request") {
      Error(role->place, "role request would read as what comes with the request; use another");
      notes.sound = false;
      return;
    }
    if (catalog_.ViewIndex(role->text)) {
      Error(role->place,
            fmt::format("role {} is the name of a feature view, and view:feature would mean both; "
                        "use another",
                        role->text));
      notes.sound = false;
      return;
    }
  } else if (Declares(node, "as")) {
    notes.sound = false;
    return;
  }
  const YamlNode* keys = Sound(node, "keys");
  if (keys != nullptr && entity != nullptr) {
    std::vector<std::string> names = served.keys;
    for (const YamlEntry& key : keys->entries) {
      const auto found = std::find(names.begin(), names.end(), key.key);
      if (found == names.end()) {
        Error(key.key_place, fmt::format("entity {} has no key {}{}", entity->name, key.key,
                                         diagnostics_.Suggest(key.key, names)));
        notes.sound = false;
      } else if (!key.value.bad) {
        served.keys[static_cast<size_t>(found - names.begin())] = key.value.text;
      }
    }
    for (size_t k = 1; k < served.keys.size(); ++k) {
      if (std::find(served.keys.begin(), served.keys.begin() + static_cast<std::ptrdiff_t>(k),
                    served.keys[k]) == served.keys.begin() + static_cast<std::ptrdiff_t>(k)) {
        continue;
      }
      Error(keys->place, fmt::format("two keys of entity {} are called {} in the request; name "
                                     "them apart",
                                     entity->name, served.keys[k]));
      notes.sound = false;
      return;
    }
  }
  const auto use = UseView(node.place, std::move(served), service);
  if (!use) {
    notes.sound = false;
    return;
  }
  const YamlNode* features = Sound(node, "features");
  if (!Declares(node, "features")) {
    ServeWholeView(node, *use, notes, service);
  } else if (features == nullptr) {
    notes.sound = false;
  } else if (features->items.empty()) {
    Error(features->place, fmt::format("features of view {} is empty; list its features, or leave "
                                       "it out for all of them",
                                       catalog_.views[view].name));
    notes.sound = false;
  } else {
    for (const YamlNode& item : features->items) {
      if (item.bad || item.kind != YamlNode::Kind::kScalar) {
        notes.sound = false;
      } else {
        ServeFeature(item, *use, item.text, notes, service);
      }
    }
  }
}

std::optional<uint32_t> Resolver::UseView(const Place& place, ServedView served,
                                          FeatureService& service) {
  for (uint32_t i = 0; i < service.views.size(); ++i) {
    const ServedView& other = service.views[i];
    if (other.view != served.view || other.role != served.role) continue;
    if (other.keys == served.keys) return i;
    Error(place,
          fmt::format("view {} is in service {} {} by other keys already; give each a role of its "
                      "own: as: …",
                      catalog_.views[served.view].name, service.name,
                      served.role.empty() ? "without a role" : "as " + served.role));
    return std::nullopt;
  }
  service.views.push_back(std::move(served));
  return static_cast<uint32_t>(service.views.size() - 1);
}

void Resolver::ServeWholeView(const YamlNode& node, uint32_t use, ServiceNotes& notes,
                              FeatureService& service) {
  const uint32_t index = service.views[use].view;
  const FeatureView& view = catalog_.views[index];
  if (notes.warn_whole) {
    Warning(node.place,
            fmt::format("service {} takes the whole of view {}: a feature added there will widen "
                        "its answer; {}, or add open: true",
                        service.name, view.name,
                        node.kind == YamlNode::Kind::kMap ? "list its features: […]"
                                                          : "name features as \"view:feature\""));
  }
  notes.sound =
      notes.sound && view_notes_[index].features_known && view_notes_[index].bad_features.empty();
  for (uint32_t i = 0; i < view.features.size(); ++i) {
    AddServed(node.place, use, i, notes, service);
  }
}

void Resolver::ServeFeature(const YamlNode& node, uint32_t use, const std::string& feature_name,
                            ServiceNotes& notes, FeatureService& service) {
  const uint32_t index = service.views[use].view;
  const FeatureView& view = catalog_.views[index];
  if (const auto feature = view.FeatureIndex(feature_name)) {
    AddServed(node.place, use, *feature, notes, service);
    return;
  }
  notes.sound = false;
  if (!view_notes_[index].features_known) return;
  for (const std::string& bad : view_notes_[index].bad_features) {
    if (feature_name.rfind(bad, 0) == 0)
      return;  // surely one of a feature whose mistakes were told
  }
  std::vector<std::string> names;
  for (const Feature& feature : view.features) names.push_back(feature.name);
  Error(node.place, fmt::format("view {} has no feature {}{}", view.name, feature_name,
                                diagnostics_.Suggest(feature_name, names)));
}

void Resolver::AddServed(const Place& place, uint32_t use, uint32_t feature, ServiceNotes& notes,
                         FeatureService& service) {
  const FeatureView& view = catalog_.views[service.views[use].view];
  const auto [first, is_new] = notes.served.emplace(std::pair(use, feature), place);
  if (!is_new) {
    Error(place, fmt::format("{}:{} is in service {} twice; the first is at {}", view.name,
                             view.features[feature].name, service.name, ToString(first->second)));
    return;
  }
  service.features.push_back({use, feature, view.features[feature].name});
}

void Resolver::NameServed(ServiceNotes& notes, FeatureService& service) {
  // By role and name: which uses of views serve it.
  std::map<std::pair<std::string, std::string>, std::set<uint32_t>> uses_of;
  for (const ServedFeature& served : service.features) {
    uses_of[{service.views[served.view].role, served.name}].insert(served.view);
  }
  for (ServedFeature& served : service.features) {
    const std::string feature = served.name;
    const ServedView& use = service.views[served.view];
    const std::set<uint32_t>& uses = uses_of[{use.role, feature}];
    if (use.role.empty()) {
      if (uses.size() > 1) served.name = catalog_.views[use.view].name + ":" + feature;
      continue;
    }
    served.name = use.role + ":" + feature;
    if (uses.size() == 1 || *uses.begin() == served.view) continue;
    Error(notes.served.at({served.view, served.feature}),
          fmt::format("{} is served twice in service {}: by view {} and by view {}; give them "
                      "different roles",
                      served.name, service.name,
                      catalog_.views[service.views[*uses.begin()].view].name,
                      catalog_.views[use.view].name));
    notes.sound = false;
  }
}

}  // namespace freshet
