// Views of latest values: `fields` instead of `features`.
#include <fmt/format.h>

#include "featurestore/declare/default_value.h"
#include "featurestore/declare/resolve.h"
#include "featurestore/model/type_text.h"

namespace freshet {

void Resolver::ResolveLatest(const YamlEntry& entry, const Source* source, const SourceNotes* notes,
                             FeatureView& view, ViewNotes& view_notes) {
  const YamlNode& list = entry.value;
  view.latest_values = true;
  if (list.bad || list.kind != YamlNode::Kind::kList) return;
  view_notes.features_known = true;
  if (list.items.empty()) {
    Error(list.place, fmt::format("view {} has no fields; write fields: [tier]", view.name));
  }
  std::map<std::string, Place> seen;
  for (const YamlNode& item : list.items) {
    if (item.bad) {
      view_notes.features_known = false;  // any field may have been meant
    } else if (item.kind == YamlNode::Kind::kScalar) {
      ResolveLatestField(item, nullptr, source, notes, view, view_notes, seen);
    } else if (item.kind == YamlNode::Kind::kMap) {
      for (const YamlEntry& field : item.entries) {
        YamlNode name;
        name.kind = YamlNode::Kind::kScalar;
        name.place = field.key_place;
        name.text = field.key;
        ResolveLatestField(name, &field.value, source, notes, view, view_notes, seen);
      }
    }
  }
}

void Resolver::ResolveLatestField(const YamlNode& name, const YamlNode* options,
                                  const Source* source, const SourceNotes* notes, FeatureView& view,
                                  ViewNotes& view_notes, std::map<std::string, Place>& seen) {
  view_notes.bad_features.insert(name.text);  // until it is through
  const auto [first, is_new] = seen.emplace(name.text, name.place);
  if (!is_new) {
    Error(name.place, fmt::format("{} is a field of view {} already, at {}; remove one", name.text,
                                  view.name, ToString(first->second)));
    return;
  }
  const auto field = source == nullptr ? std::nullopt : FindField(name, *source, *notes);
  if (!field || (options != nullptr && options->bad)) return;
  const Field& of = source->fields[*field];
  Feature feature{.name = name.text,
                  .declared = name.text,
                  .aggregate = "latest",
                  .of = field,
                  .type = of.type,
                  .vector_size = of.vector_size};
  if (options != nullptr) {
    feature.about = ReadAnnotations(*options);
    if (const YamlNode* declared = Sound(*options, "default")) {
      feature.default_value = ReadDefault(*declared, of.type);
      if (!feature.default_value) {
        Error(declared->place,
              fmt::format("default {} does not fit field {}, which is {}; write {}",
                          ShownDefault(*declared), name.text, WithArticle(of.type, of.vector_size),
                          ExampleOf(of.type)));
        return;
      }
    } else if (Declares(*options, "default")) {
      return;  // with a mistake
    }
  }
  view_notes.bad_features.erase(name.text);
  view.features.push_back(std::move(feature));
}

}  // namespace freshet
