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
    if (list == nullptr) {
      notes.views_known = notes.features_known = false;
    } else if (list->items.empty()) {
      Error(list->place,
            fmt::format("feature service {} is empty; list views, or features as \"view:feature\"",
                        entry.key));
      notes.views_known = notes.features_known = false;
    } else {
      for (const YamlNode& item : list->items) ResolveItem(item, notes, service);
    }
    NameServed(notes, service);
    if (object.kind != YamlNode::Kind::kMap) continue;
    ResolveInputs(object, notes, service);
    catalog_.service_expressions.back() = ResolveServiceDerive(object, notes, service);
    ResolveCountRequest(object, notes, service);
  }
}

void Resolver::ResolveItem(const YamlNode& item, ServiceNotes& notes, FeatureService& service) {
  if (!item.bad && item.kind == YamlNode::Kind::kMap) {
    ResolveRole(item, notes, service);
  } else if (!item.bad && item.kind == YamlNode::Kind::kScalar) {
    ResolveServed(item, notes, service);
  } else {
    notes.views_known = notes.features_known = false;
  }
}

const FeatureView* Resolver::FindServedView(const YamlNode& node, const std::string& name,
                                            uint32_t& index) {
  if (const auto found = catalog_.ViewIndex(name)) {
    index = *found;
    return &catalog_.views[index];
  }
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
  const size_t colon = node.text.find(':');
  uint32_t view = 0;
  if (FindServedView(node, node.text.substr(0, colon), view) == nullptr) {
    LeaveOut(node, std::nullopt, notes);
    return;
  }
  ServedView served{.view = view};
  const Entity* entity = KnownEntity(catalog_.views[view]);
  if (entity == nullptr) {
    notes.views_known = false;
  } else {
    for (const EntityKeyField& key : entity->keys) served.keys.push_back(key.name);
  }
  const auto use = UseView(node.place, std::move(served), service);
  if (!use) {
    LeaveOut(node, view, notes);
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
  if (name == nullptr || FindServedView(*name, name->text, view) == nullptr) {
    LeaveOut(node, std::nullopt, notes);
    return;
  }
  ServedView served{.view = view};
  const Entity* entity = KnownEntity(catalog_.views[view]);
  if (entity == nullptr) {
    notes.views_known = false;
  } else {
    for (const EntityKeyField& key : entity->keys) served.keys.push_back(key.name);
  }
  if (const YamlNode* role = Sound(node, "as")) {
    served.role = role->text;
    if (role->text == "request") {
      Error(role->place, "role request would read as what comes with the request; use another");
      LeaveOut(node, view, notes);
      return;
    }
    if (catalog_.ViewIndex(role->text)) {
      Error(role->place,
            fmt::format("role {} is the name of a feature view, and view:feature would mean both; "
                        "use another",
                        role->text));
      LeaveOut(node, view, notes);
      return;
    }
  } else if (Declares(node, "as")) {
    LeaveOut(node, view, notes);
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
        notes.views_known = false;
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
      LeaveOut(node, view, notes);
      return;
    }
  }
  const auto use = UseView(node.place, std::move(served), service);
  if (!use) {
    LeaveOut(node, view, notes);
    return;
  }
  const YamlNode* features = Sound(node, "features");
  if (!Declares(node, "features")) {
    ServeWholeView(node, *use, notes, service);
  } else if (features == nullptr) {
    notes.features_known = false;
  } else if (features->items.empty()) {
    Error(features->place, fmt::format("features of view {} is empty; list its features, or leave "
                                       "it out for all of them",
                                       catalog_.views[view].name));
    notes.features_known = false;
  } else {
    for (const YamlNode& item : features->items) {
      if (item.bad || item.kind != YamlNode::Kind::kScalar) {
        notes.features_known = false;
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
  notes.whole.insert(index);
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
  notes.missing.insert(feature_name);
  if (!view_notes_[index].features_known || view_notes_[index].MayBeBad(feature_name)) return;
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
  }
}

void Resolver::LeaveOut(const YamlNode& node, std::optional<uint32_t> view, ServiceNotes& notes) {
  notes.views_known = false;
  const YamlNode* features = node.kind == YamlNode::Kind::kMap ? Sound(node, "features") : nullptr;
  const size_t colon = node.text.find(':');
  if (node.kind == YamlNode::Kind::kScalar && colon != std::string::npos) {
    notes.missing.insert(node.text.substr(colon + 1));
  } else if (features != nullptr) {
    for (const YamlNode& item : features->items) notes.missing.insert(item.text);
  } else if (!view) {
    notes.features_known = false;
  } else {
    notes.whole.insert(*view);
    for (const Feature& feature : catalog_.views[*view].features)
      notes.missing.insert(feature.name);
  }
}

// `column` as SQL names it, with or without what stands before its name.
bool Resolver::MayBeThere(const ServiceNotes& notes, const std::string& column) const {
  if (!notes.features_known || !notes.inputs_known) return true;
  const std::string name = column.substr(column.rfind('.') + 1);
  return notes.missing.contains(name) ||
         std::any_of(notes.whole.begin(), notes.whole.end(), [&](uint32_t view) {
           return !view_notes_[view].features_known || view_notes_[view].MayBeBad(name);
         });
}

bool ViewNotes::MayBeBad(std::string_view feature) const {
  return std::any_of(bad_features.begin(), bad_features.end(), [&](const std::string& bad) {
    return feature == bad || feature.starts_with(bad + "_");
  });
}

}  // namespace freshet
