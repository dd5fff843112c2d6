// Features of a view: aggregation, field, windows, default.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "featurestore/aggregate/catalog.h"
#include "featurestore/declare/default_value.h"
#include "featurestore/declare/resolve.h"
#include "featurestore/declare/scalar_forms.h"
#include "featurestore/declare/window_entry.h"

namespace freshet {
namespace {

// What other tools call an aggregation of ours; only for "did you mean".
constexpr std::array<std::pair<std::string_view, std::string_view>, 27> kOtherNames = {{
    {"avg", "mean"},
    {"average", "mean"},
    {"stdev", "stddev"},
    {"std", "stddev"},
    {"stddev_samp", "stddev"},
    {"var", "variance"},
    {"var_samp", "variance"},
    {"total", "sum"},
    {"minimum", "min"},
    {"maximum", "max"},
    {"latest", "last"},
    {"cnt", "count"},
    {"skew", "skewness"},
    {"kurt", "kurtosis"},
    {"arg_min", "min_by"},
    {"argmin", "min_by"},
    {"arg_max", "max_by"},
    {"argmax", "max_by"},
    {"nunique", "count_distinct"},
    {"approx_count_distinct", "count_distinct"},
    {"approx_distinct", "count_distinct"},
    {"percentile", "quantile"},
    {"approx_percentile", "quantile"},
    {"median", "quantile with q: 0.5"},
    {"bool_or", "any"},
    {"bool_and", "every"},
    {"ewma", "decayed_mean"},
}};

const Aggregation* ReadAggregation(const YamlNode& node, Diagnostics& diagnostics) {
  if (const Aggregation* found = FindAggregation(node.text)) return found;
  const auto planned = PlannedAggregations();
  if (std::find(planned.begin(), planned.end(), node.text) != planned.end()) {
    diagnostics.Error(node.place, fmt::format("aggregate `{}` is not supported yet; there are: {}",
                                              node.text, fmt::join(AggregationNames(), ", ")));
    return nullptr;
  }
  std::string suggestion;
  for (const auto& [theirs, ours] : kOtherNames) {
    if (node.text == theirs) suggestion = fmt::format("; did you mean {}?", ours);
  }
  if (suggestion.empty()) suggestion = diagnostics.Suggest(node.text, AggregationNames());
  diagnostics.Error(node.place, fmt::format("unknown aggregation {}{}", node.text, suggestion));
  return nullptr;
}

std::optional<DefaultValue> BuiltInDefault(const Aggregation& aggregation, Type type) {
  if (!aggregation.zero_when_empty) return std::nullopt;
  if (type == Type::kInt64) return DefaultValue(int64_t{0});
  return DefaultValue(0.0);
}

}  // namespace

void Resolver::ResolveFeature(const YamlEntry& entry, Source* source, SourceNotes* notes,
                              FeatureView& view, ViewNotes& view_notes,
                              std::map<std::string, Place>& served) {
  view_notes.bad_features.insert(entry.key);  // until it is through
  const YamlNode& object = entry.value;
  if (object.bad || object.kind != YamlNode::Kind::kMap) return;
  const YamlNode* name = Sound(object, "aggregate");
  const Aggregation* aggregation = name == nullptr ? nullptr : ReadAggregation(*name, diagnostics_);
  bool sound = aggregation != nullptr;
  for (const YamlEntry& e : object.entries) sound &= !e.value.bad;

  // The field and the type of the answer.
  std::optional<uint32_t> of;
  std::optional<Type> of_type;
  bool of_known = true;
  if (const YamlEntry* declared = object.FindEntry("of")) {
    if (declared->value.bad || source == nullptr) {
      of_known = false;
    } else {
      of = FindField(declared->value, *source, *notes);
      of_known = of.has_value();
      if (of) of_type = source->fields[*of].type;
    }
    if (aggregation != nullptr && aggregation->of == OfRule::kNone) {
      Error(declared->key_place, fmt::format("{} takes no `of`; remove it", aggregation->name));
      sound = false;
      of_known = false;
    }
  } else if (aggregation != nullptr && aggregation->of == OfRule::kRequired) {
    Error(entry.key_place,
          fmt::format("feature {} needs `of`, the field that {} is computed of: {}", entry.key,
                      aggregation->name, aggregation->accepts));
    sound = false;
    of_known = false;
  }
  std::optional<Type> type;
  if (aggregation != nullptr && of_known) {
    type = aggregation->ResultType(of_type);
    if (!type) {
      Error(object.FindEntry("of")->value.place,
            fmt::format("{} cannot be computed of field {}, which is a {}; it takes {}",
                        aggregation->name, source->fields[*of].name, TypeName(*of_type),
                        aggregation->accepts));
    }
  }
  sound &= type.has_value();

  std::optional<DefaultValue> default_value;
  if (const YamlNode* declared = Sound(object, "default")) {
    if (type) {
      default_value = ReadDefault(*declared, *type);
      if (!default_value) {
        Error(declared->place,
              fmt::format("default {} does not fit feature {}, which is a {}; write {}",
                          ShownDefault(*declared), entry.key, TypeName(*type), ExampleOf(*type)));
        sound = false;
      }
    }
  } else if (type) {
    default_value = BuiltInDefault(*aggregation, *type);
  }

  const std::optional<uint32_t> where =
      source == nullptr ? std::nullopt : ResolveWhere(object, *source, *notes, sound);

  AggregationArguments arguments;
  if (aggregation != nullptr) {
    arguments = ResolveArguments(entry, *aggregation, source, notes);
    sound &= arguments.sound;
  }

  // The windows, one served feature each; of a list of q one each for every q.
  std::vector<WindowEntry> windows;
  if (const YamlNode* list = Sound(object, "windows")) {
    if (list->items.empty()) {
      Error(list->place,
            fmt::format("feature {} has no windows; write one such as [1h]", entry.key));
      sound = false;
    }
    for (const YamlNode& item : list->items) {
      auto window = ReadWindow(entry.key, item, view.history, diagnostics_);
      if (window) {
        windows.push_back(*std::move(window));
      } else {
        sound = false;
      }
    }
  } else if (!Declares(object, "windows")) {
    if (aggregation != nullptr && !aggregation->windows_optional) {
      Error(entry.key_place,
            fmt::format("feature {} needs windows: add windows: [1h], or [lifetime]", entry.key));
      sound = false;
    }
    windows.push_back({Window{}, entry.key, entry.key_place});
  }
  for (const WindowEntry& window : windows) {
    if (aggregation != nullptr && aggregation->needs_length)
      sound &= CheckLength(window, entry.key);
    for (const AggregationArguments::Quantile& quantile : arguments.quantiles) {
      const std::string name = window.served + quantile.suffix;
      const auto [first, is_new] = served.emplace(name, window.place);
      if (!is_new) {
        Error(window.place,
              fmt::format(
                  "{} is served twice in view {}; the first is at {}; rename one with as: NAME",
                  name, view.name, ToString(first->second)));
        sound = false;
      }
    }
  }
  if (!sound) return;
  view_notes.bad_features.erase(entry.key);
  const Annotations about = ReadAnnotations(object);
  for (const WindowEntry& window : windows) {
    for (const AggregationArguments::Quantile& quantile : arguments.quantiles) {
      arguments.arguments.q = quantile.q;
      view.features.push_back({.name = window.served + quantile.suffix,
                               .declared = entry.key,
                               .aggregate = std::string(aggregation->name),
                               .of = of,
                               .where = where,
                               .arguments = arguments.arguments,
                               .window = window.window,
                               .type = *type,
                               .default_value = default_value,
                               .about = about});
    }
  }
}

// Of an aggregation that divides by it.
bool Resolver::CheckLength(const WindowEntry& window, const std::string& feature) {
  if (HasLength(window.window)) return true;
  Error(window.place, fmt::format("feature {} divides by its window's length, and {} has none; "
                                  "write one such as 1h",
                                  feature, window.served));
  return false;
}

}  // namespace freshet
