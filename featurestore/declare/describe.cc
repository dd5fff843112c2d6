#include "featurestore/declare/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace freshet {
namespace {

std::string Plural(size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

void DescribeView(const Catalog& catalog, size_t index, std::string& out) {
  const FeatureView& view = catalog.views[index];
  const Source& source = catalog.sources[view.source];
  const Entity& entity = catalog.entities[view.entity];
  std::vector<std::string> keys;
  for (size_t i = 0; i < entity.keys.size(); ++i) {
    const std::string& field = source.fields[view.key_fields[i]].name;
    keys.push_back(field == entity.keys[i].name
                       ? field
                       : fmt::format("{} from {}", entity.keys[i].name, field));
  }
  out += fmt::format("view {}@{}\n", view.name, view.version);
  out += fmt::format("  source   {} (topic {})\n", source.name, source.topic);
  out += fmt::format("  entity   {} ({})\n", entity.name, fmt::join(keys, ", "));
  out += fmt::format("  ttl      {}{}\n", view.ttl ? FormatDuration(*view.ttl) : "never",
                     view.default_ttl.us > 0
                         ? fmt::format(" (windows need {})", FormatDuration(view.default_ttl))
                         : "");
  out += fmt::format("  history  {}\n", FormatDuration(view.history));
  for (const auto& where : {source.where, view.where}) {
    if (where) out += fmt::format("  where    {}\n", source.fields[*where].expression);
  }
  size_t width = 0;
  for (const Feature& feature : view.features) width = std::max(width, feature.name.size());
  std::vector<std::string> without_history;
  for (const Feature& feature : view.features) {
    const std::string of = feature.of ? source.fields[*feature.of].name : "";
    const std::string where =
        feature.where ? ", where " + source.fields[*feature.where].expression : "";
    out += fmt::format("  feature  {:<{}}  {:<9}  {}({}), {}{}\n", feature.name, width,
                       TypeName(feature.type), feature.aggregate, of,
                       DescribeWindow(feature.window), where);
    if (!feature.window.has_panes()) without_history.push_back(feature.name);
  }
  if (view.history.us > 0 && !without_history.empty()) {
    out += fmt::format("  history counts as 0 for {}\n", fmt::join(without_history, ", "));
  }
  if (index >= catalog.layouts.size() || catalog.layouts[index] == nullptr) return;
  const RowLayout& layout = *catalog.layouts[index];
  for (const RingInfo& ring : layout.rings()) {
    out += fmt::format(
        "  ring     chain {}, {} of {}{}, reaching {}: {}\n", ring.chain,
        Plural(ring.panes_max, "pane", "panes"), FormatDuration(ring.hop),
        ring.offset.us == 0 ? "" : fmt::format(" at offset {}", FormatDuration(ring.offset)),
        FormatDuration(ring.longest_window), fmt::join(ring.accumulators, ", "));
  }
  const RowSize size = layout.size();
  out += fmt::format("  row      {} bytes after one event; at most {} and {} bytes ({} a pane)\n",
                     size.bytes_one_event, Plural(size.panes_max, "pane", "panes"), size.bytes_max,
                     size.bytes_per_pane_max);
}

}  // namespace

std::string DescribeWindow(const Window& window) {
  std::string text;
  switch (window.kind) {
    case WindowKind::kSliding:
      text = fmt::format("sliding {}, hop {}", FormatDuration(window.length),
                         FormatDuration(window.hop));
      break;
    case WindowKind::kTumbling:
      text = fmt::format("tumbling {}", FormatDuration(window.length));
      break;
    case WindowKind::kHopping:
    case WindowKind::kSession:
    case WindowKind::kRows:
    case WindowKind::kExact:
      break;  // not declared yet
    case WindowKind::kLifetime:
      return "lifetime";
  }
  if (window.offset.us != 0) text += fmt::format(", offset {}", FormatDuration(window.offset));
  if (window.completed) text += ", completed";
  return text;
}

std::string DescribeProject(const Catalog& catalog) {
  std::string out = fmt::format("project {}: {}, {}, {}, {}\n", catalog.project,
                                Plural(catalog.sources.size(), "source", "sources"),
                                Plural(catalog.entities.size(), "entity", "entities"),
                                Plural(catalog.views.size(), "view", "views"),
                                Plural(catalog.services.size(), "service", "services"));
  for (size_t i = 0; i < catalog.views.size(); ++i) DescribeView(catalog, i, out);
  for (const FeatureService& service : catalog.services) {
    std::vector<std::string_view> names;
    for (const ServedFeature& feature : service.features) names.push_back(feature.name);
    out += fmt::format("service {}: {}\n", service.name, fmt::join(names, ", "));
  }
  return out;
}

}  // namespace freshet
