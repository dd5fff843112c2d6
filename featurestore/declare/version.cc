#include "featurestore/declare/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "featurestore/base/hash.h"
#include "featurestore/model/type_text.h"

namespace freshet {
namespace {

// Text of the user's, so that no two texts run together: 5:hello.
std::string Quoted(std::string_view text) { return fmt::format("{}:{}", text.size(), text); }

std::string_view UnitName(const std::optional<TimeUnit>& unit) {
  return unit ? TimeUnitName(*unit) : std::string_view("-");
}

std::string FieldText(const Field& field) {
  std::string text = fmt::format("{} {} {}", field.name, TypeText(field.type, field.vector_size),
                                 UnitName(field.unit));
  for (const std::string& step : field.path) text += " " + Quoted(step);
  if (!field.expression.empty()) text += " = " + Quoted(field.expression);
  if (field.required) text += " required";
  if (field.bad_is_null) text += " bad_is_null";
  return text;
}

std::string_view WindowName(const Window& window) {
  switch (window.kind) {
    case WindowKind::kSliding:
      return "sliding";
    case WindowKind::kTumbling:
      return window.completed ? "tumbling_completed" : "tumbling";
    case WindowKind::kLifetime:
      return "lifetime";
    case WindowKind::kHopping:
      return "hopping";
    case WindowKind::kSession:
      return window.completed ? "session_ended" : "session";
    case WindowKind::kRows:
      return "rows";
    case WindowKind::kExact:
      return "exact";
  }
  return "";
}

// What an aggregation stores by. Not q, per, k and counts, which only finish.
std::string ArgumentsText(const Feature& feature, const Source& source) {
  const FeatureArguments& arguments = feature.arguments;
  std::string text;
  if (arguments.order_by)
    text += fmt::format(" order_by {}", source.fields[*arguments.order_by].name);
  if (arguments.exact_to != 0) text += fmt::format(" exact_to {}", arguments.exact_to);
  if (arguments.error != 0) text += fmt::format(" error {}", arguments.error);
  if (arguments.half_life.us != 0) text += fmt::format(" half_life_us {}", arguments.half_life.us);
  if (arguments.by) text += fmt::format(" by {}", source.fields[*arguments.by].name);
  if (arguments.max_keys != 0) text += fmt::format(" max_keys {}", arguments.max_keys);
  for (const double bound : arguments.bounds) text += fmt::format(" bound {}", bound);
  if (arguments.n != 0 && feature.aggregate != "top_k") text += fmt::format(" n {}", arguments.n);
  // Side by side in one list; of one field alone nothing but its name, above, is said.
  if (arguments.of.size() > 1) {
    for (const uint32_t field : arguments.of) text += " of " + source.fields[field].name;
  }
  return text;
}

}  // namespace

std::string CanonicalText(const FeatureView& view, const Source& source, const Entity& entity,
                          ClockKind clock) {
  std::string text = "freshet view 1\n";
  const auto line = [&text](std::string_view what, std::string_view value) {
    text += fmt::format("{} {}\n", what, value);
  };
  line("clock", clock == ClockKind::kWall ? "wall" : "event_time");
  line("topic", Quoted(source.topic));
  line("format", "json");
  line("record_key", source.key ? source.fields[*source.key].name : "-");
  line("timestamp", source.time_field ? fmt::format("{} {}", source.fields[*source.time_field].name,
                                                    UnitName(source.time_unit))
                                      : "kafka");
  line("lateness_us", fmt::to_string(source.lateness.us));
  line("max_future_skew_us", fmt::to_string(source.max_future_skew.us));
  std::vector<std::string> fields;
  for (uint32_t i = 0; i < source.named_fields; ++i) fields.push_back(FieldText(source.fields[i]));
  std::sort(fields.begin(), fields.end());
  for (const std::string& field : fields) line("field", field);
  for (size_t i = 0; i < entity.keys.size(); ++i) {
    const std::string& from = source.fields[view.key_fields[i]].name;
    line("key", fmt::format("{} {} {}", entity.keys[i].name, TypeName(entity.keys[i].type), from));
  }
  if (source.where) line("source_where", Quoted(source.fields[*source.where].expression));
  if (source.dedup) {
    std::string text = fmt::format("{} {}", source.dedup->within.us, source.dedup->max_ids);
    for (const uint32_t field : source.dedup->by) text += " " + source.fields[field].name;
    line("dedup", text);
  }
  if (view.where) line("where", Quoted(source.fields[*view.where].expression));
  line("history_us", fmt::to_string(view.history.us));
  std::set<std::string> features;
  bool lifetime = false;
  for (const Feature& feature : view.features) {
    const Window& window = feature.window;
    // Not the unit and the time zone of a calendar: they are asked when a window is read.
    std::string what = fmt::format(
        "{} {} {} {} {} {}", feature.aggregate, feature.of ? source.fields[*feature.of].name : "-",
        WindowName(window), window.length.us, window.hop.us, window.offset.us);
    if (window.events != 0) what += fmt::format(" {}", window.events);
    what += ArgumentsText(feature, source);
    if (feature.where) what += " where " + Quoted(source.fields[*feature.where].expression);
    features.insert(std::move(what));
    lifetime |= window.kind == WindowKind::kLifetime || window.kind == WindowKind::kRows;
  }
  for (const std::string& feature : features) line("feature", feature);
  if (lifetime) line("ttl_us", view.ttl ? fmt::to_string(view.ttl->us) : "never");
  return text;
}

std::string ViewVersion(const FeatureView& view, const Source& source, const Entity& entity,
                        ClockKind clock) {
  return fmt::format("{:016x}", Hash64(CanonicalText(view, source, entity, clock)));
}

}  // namespace freshet
