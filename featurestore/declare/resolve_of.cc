// The field that an aggregation is computed of, or the list of them.
#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "featurestore/aggregate/catalog.h"
#include "featurestore/declare/resolve.h"

namespace freshet {

AggregatedFields Resolver::ResolveOf(const YamlEntry& feature, const Aggregation* aggregation,
                                     const Source* source, const SourceNotes* notes) {
  AggregatedFields read;
  const YamlEntry* declared = feature.value.FindEntry("of");
  if (declared == nullptr) {
    if (aggregation != nullptr && aggregation->of == OfRule::kRequired) {
      Error(feature.key_place,
            fmt::format("feature {} needs `of`, the field that {} is computed of: {}", feature.key,
                        aggregation->name, aggregation->accepts));
      read.known = false;
    }
    read.fields.emplace_back();
    return read;
  }
  const YamlNode& of = declared->value;
  const bool is_list = of.kind == YamlNode::Kind::kList;
  if (aggregation != nullptr && aggregation->of == OfRule::kNone) {
    Error(declared->key_place, fmt::format("{} takes no `of`; remove it", aggregation->name));
    read.known = false;
  } else if (is_list && aggregation != nullptr && !aggregation->of_list) {
    Error(of.place, fmt::format("{} is computed of one field, not of a list; write a feature for "
                                "each",
                                aggregation->name));
    read.known = false;
  } else if (is_list && of.items.empty()) {
    Error(of.place, fmt::format("feature {} is of no field; name one", feature.key));
    read.known = false;
  } else if (is_list && of.items.size() > kColumnsMost) {
    Error(of.place, fmt::format("feature {} is of {} fields; at most {} can stand side by side",
                                feature.key, of.items.size(), kColumnsMost));
    read.known = false;
  }
  if (of.bad || source == nullptr) {
    read.known = false;
    return read;
  }
  const std::span<const YamlNode> nodes =
      is_list ? std::span<const YamlNode>(of.items) : std::span(&of, 1);
  for (const YamlNode& node : nodes) {
    const std::optional<uint32_t> field =
        node.bad ? std::nullopt : FindField(node, *source, *notes);
    if (!field) {
      read.known = false;
      continue;
    }
    const Field& found = source->fields[*field];
    const auto same = [&](const AggregatedFields::OfField& other) { return other.field == field; };
    if (std::any_of(read.fields.begin(), read.fields.end(), same)) {
      Error(node.place, fmt::format("field {} is named twice", found.name));
      read.known = false;
      continue;
    }
    read.fields.push_back({field, found.type, is_list ? "_" + found.name : ""});
    if (is_list) read.listed.push_back(*field);
  }
  std::sort(read.listed.begin(), read.listed.end(), [&](uint32_t a, uint32_t b) {
    return source->fields[a].name < source->fields[b].name;
  });
  return read;
}

}  // namespace freshet
