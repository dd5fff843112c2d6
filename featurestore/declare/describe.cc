#include "featurestore/declare/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "featurestore/aggregate/catalog.h"
#include "featurestore/aggregate/top_k.h"
#include "featurestore/model/type_text.h"

namespace freshet {
namespace {

std::string Plural(size_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

// By what sizes are told where features keep texts.
std::string TextsCounted(const FeatureView& view, const Source& source) {
  const auto is_text = [&](std::optional<uint32_t> field) {
    return field && IsText(source.fields[*field].type);
  };
  const bool any = std::any_of(view.features.begin(), view.features.end(), [&](const Feature& f) {
    const std::vector<uint32_t>& of = f.arguments.of;
    return is_text(f.of) || is_text(f.arguments.order_by) || is_text(f.arguments.by) ||
           std::any_of(of.begin(), of.end(), is_text);
  });
  if (!any) return "";
  return fmt::format("; a text counted as {} bytes, {}", RowSize::kAssumedTextBytes,
                     view.latest_values ? "kept however long" : "kept up to 1024");
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
    if (where) out += fmt::format("  where    {}\n", source.fields[*where].written);
  }
  if (source.key && view.key_fields.size() == 1 && view.key_fields[0] == *source.key) {
    out += "  deletes  a record without a value, by its key\n";
  }
  size_t width = 0;
  for (const Feature& feature : view.features) width = std::max(width, feature.name.size());
  std::vector<std::string> without_history;
  for (const Feature& feature : view.features) {
    if (!feature.window.has_history()) without_history.push_back(feature.name);
    std::string of = feature.of ? source.fields[*feature.of].name : "";
    const std::string arguments = DescribeArguments(feature, source);
    if (!of.empty() && !arguments.empty()) of += ", ";
    of += arguments;
    const std::string where =
        feature.where ? ", where " + source.fields[*feature.where].written : "";
    if (view.latest_values) {
      out += fmt::format("  field    {:<{}}  {}\n", feature.name, width,
                         TypeText(feature.type, feature.vector_size));
      continue;
    }
    out += fmt::format("  feature  {:<{}}  {:<9}  {}({}), {}{}\n", feature.name, width,
                       TypeText(feature.type, feature.vector_size), feature.aggregate, of,
                       DescribeWindow(feature.window), where);
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
  for (const RunListInfo& list : layout.run_lists()) {
    out += fmt::format(
        "  runs     {}: at most {}: {}\n",
        list.gap ? fmt::format("sessions of gap {}", FormatDuration(*list.gap)) : "lifetime",
        Plural(list.runs_max, "run", "runs"), fmt::join(list.accumulators, ", "));
  }
  const RowSize size = layout.size();
  if (size.events_max > 0) {
    out += fmt::format("  log      at most {}: {}\n", Plural(size.events_max, "event", "events"),
                       layout.log_fields().empty()
                           ? "their times"
                           : fmt::format("{}", fmt::join(layout.log_fields(), ", ")));
  }
  if (source.dedup) {
    std::vector<std::string_view> by;
    for (const uint32_t field : source.dedup->by) by.push_back(source.fields[field].name);
    out += fmt::format("  dedup    by {}, within {}: at most {}, {} bytes\n", fmt::join(by, ", "),
                       FormatDuration(source.dedup->within), Plural(size.ids_max, "id", "ids"),
                       size.ids_bytes_max);
  }
  out += fmt::format("  row      {} bytes after one event; at most {} and {} bytes ({} a pane){}\n",
                     size.bytes_one_event, Plural(size.panes_max, "pane", "panes"), size.bytes_max,
                     size.bytes_per_pane_max, TextsCounted(view, source));
}

void DescribeService(const Catalog& catalog, const FeatureService& service, std::string& out) {
  std::vector<std::string_view> names;
  for (const ServedFeature& feature : service.features) names.push_back(feature.name);
  for (const DerivedFeature& derived : service.derived) names.push_back(derived.name);
  out += fmt::format("service {}: {}\n", service.name, fmt::join(names, ", "));
  for (const ServedView& use : service.views) {
    const FeatureView& view = catalog.views[use.view];
    const std::vector<EntityKeyField>& keys = catalog.entities[view.entity].keys;
    std::vector<std::string> named;
    for (size_t k = 0; k < keys.size(); ++k) {
      if (use.keys[k] != keys[k].name)
        named.push_back(fmt::format("{} as {}", keys[k].name, use.keys[k]));
    }
    if (use.role.empty() && named.empty()) continue;
    out += fmt::format("  view     {}{}{}{}\n", view.name,
                       use.role.empty() ? "" : fmt::format(" as {}", use.role),
                       named.empty() ? "" : ", key ", fmt::join(named, ", "));
  }
  for (const RequestInput& input : service.inputs) {
    out += fmt::format("  input    {} {}\n", input.name, TypeName(input.type));
  }
  for (const DerivedFeature& derived : service.derived) {
    out += fmt::format("  derive   {} {} = {}\n", derived.name, TypeName(derived.type),
                       derived.expression);
  }
  if (!service.event) return;
  const Source& source = catalog.sources[service.event->source];
  std::vector<std::string> fields;
  for (const RequestEvent::Given& given : service.event->given) {
    const std::string& field = source.fields[given.field].name;
    fields.push_back(
        given.input || given.key == field ? field : fmt::format("{} from {}", field, given.key));
  }
  out += fmt::format("  counts   the request's own event of source {}: {}\n", source.name,
                     fmt::join(fields, ", "));
}

std::string DescribeBucket(const Window& window) {
  switch (window.calendar) {
    case CalendarUnit::kNone:
      break;
    case CalendarUnit::kDay:
      return fmt::format("day in {}", window.time_zone);
    case CalendarUnit::kWeek:
      return fmt::format("week in {}", window.time_zone);
    case CalendarUnit::kMonth:
      return fmt::format("month in {}", window.time_zone);
  }
  return FormatDuration(window.length);
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
      text = fmt::format("tumbling {}", DescribeBucket(window));
      break;
    case WindowKind::kHopping:
      text = fmt::format("hopping {}, hop {}", FormatDuration(window.length),
                         FormatDuration(window.hop));
      break;
    case WindowKind::kSession:
      return fmt::format("session, gap {}{}", FormatDuration(window.length),
                         window.completed ? ", ended" : "");
    case WindowKind::kRows:
      return fmt::format("rows {}", window.events);
    case WindowKind::kExact:
      return fmt::format("sliding {}, exact, at most {} events", FormatDuration(window.length),
                         window.events);
    case WindowKind::kLifetime:
      return "lifetime";
  }
  if (window.offset.us != 0) text += fmt::format(", offset {}", FormatDuration(window.offset));
  if (window.completed) text += ", completed";
  return text;
}

std::string DescribeArguments(const Feature& feature, const Source& source) {
  const FeatureArguments& given = feature.arguments;
  const Aggregation* aggregation = FindAggregation(feature.aggregate);
  if (aggregation == nullptr) return "";  // the latest value of a field
  const uint32_t takes = aggregation->takes;
  std::vector<std::string> parts;
  if (given.order_by)
    parts.push_back(fmt::format("order_by {}", source.fields[*given.order_by].name));
  if ((takes & kArgumentQ) != 0) parts.push_back(fmt::format("q {}", given.q));
  if ((takes & kArgumentExactTo) != 0) parts.push_back(fmt::format("exact to {}", given.exact_to));
  if ((takes & kArgumentError) != 0) parts.push_back(fmt::format("then within {}", given.error));
  if ((takes & kArgumentHalfLife) != 0) {
    parts.push_back(fmt::format("half_life {}", FormatDuration(given.half_life)));
  }
  if ((takes & (kArgumentN | kArgumentK)) != 0) {
    parts.push_back(fmt::format("{} {}", (takes & kArgumentN) != 0 ? "n" : "k", given.n));
  }
  if ((takes & kArgumentK) != 0) {
    parts.push_back(
        fmt::format("then counts within {:.4g} of all values", TopK::ErrorOf(given.exact_to)));
  }
  if (given.by) parts.push_back(fmt::format("by {}", source.fields[*given.by].name));
  if (given.max_keys != 0) parts.push_back(fmt::format("max_keys {}", given.max_keys));
  if (given.counts) parts.emplace_back("counts");
  if (!given.bounds.empty()) {
    parts.push_back(fmt::format("bounds {}", fmt::join(given.bounds, " ")));
  }
  if ((takes & kArgumentPer) != 0)
    parts.push_back(fmt::format("per {}", FormatDuration(given.per)));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string DescribeProject(const Catalog& catalog) {
  std::string out = fmt::format("project {}: {}, {}, {}, {}\n", catalog.project,
                                Plural(catalog.sources.size(), "source", "sources"),
                                Plural(catalog.entities.size(), "entity", "entities"),
                                Plural(catalog.views.size(), "view", "views"),
                                Plural(catalog.services.size(), "service", "services"));
  for (size_t i = 0; i < catalog.views.size(); ++i) DescribeView(catalog, i, out);
  for (const FeatureService& service : catalog.services) {
    DescribeService(catalog, service, out);
  }
  return out;
}

}  // namespace freshet
