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
#include "featurestore/model/packed.h"
#include "featurestore/model/type_text.h"

namespace freshet {
namespace {

// What other tools call an aggregation of ours; only for "did you mean".
constexpr std::array<std::pair<std::string_view, std::string_view>, 34> kOtherNames = {{
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
    {"first_k", "first_n"},
    {"last_k", "last_n"},
    {"last_distinct", "last_distinct_n"},
    {"approx_top_k", "top_k"},
    {"mode", "top_k with k: 1"},
    {"collect_list", "last_n"},
    {"value_counts", "histogram"},
}};

// p50, p99, p999, p100: 0.50, 0.99, 0.999, 1.
std::string QuantileOf(std::string_view name) {
  if (name.size() < 3 || name[0] != 'p') return "";
  const std::string_view digits = name.substr(1);
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return "";
  return fmt::format("; did you mean quantile with q: {}{}?", digits == "100" ? "" : "0.",
                     digits == "100" ? "1" : digits);
}

const Aggregation* ReadAggregation(const YamlNode& node, Diagnostics& diagnostics) {
  if (const Aggregation* found = FindAggregation(node.text)) return found;
  std::string suggestion = QuantileOf(node.text);
  for (const auto& [theirs, ours] : kOtherNames) {
    if (node.text == theirs) suggestion = fmt::format("; did you mean {}?", ours);
  }
  if (suggestion.empty()) suggestion = diagnostics.Suggest(node.text, AggregationNames());
  diagnostics.Error(node.place, fmt::format("unknown aggregation {}{}", node.text, suggestion));
  return nullptr;
}

// Of a map the empty one: no key is there, which is 0 of each.
std::optional<DefaultValue> BuiltInDefault(const Aggregation& aggregation, Type type) {
  if (!aggregation.zero_when_empty) return std::nullopt;
  if (IsMap(type)) return DefaultValue(std::string(EmptyPacked(type).as_packed()));
  if (type == Type::kInt64) return DefaultValue(int64_t{0});
  return DefaultValue(0.0);
}

// Behind the name of a window: of each feature that is served over it.
std::vector<std::string> SuffixesOf(const AggregatedFields& of,
                                    const AggregationArguments& arguments) {
  std::vector<std::string> suffixes;
  for (const auto& field : of.fields) {
    for (const auto& quantile : arguments.quantiles) {
      suffixes.push_back(field.suffix + quantile.suffix);
    }
  }
  return suffixes;
}

// What its windows call themselves.
std::set<std::string> RenamedTo(const YamlNode& feature) {
  std::set<std::string> names;
  const YamlNode* windows = Sound(feature, "windows");
  if (windows == nullptr) return names;
  for (const YamlNode& window : windows->items) {
    if (const YamlNode* as = Sound(window, "as")) names.insert(as->text);
  }
  return names;
}

}  // namespace

void Resolver::ResolveFeature(const YamlEntry& entry, Source* source, SourceNotes* notes,
                              FeatureView& view, ViewNotes& view_notes,
                              std::map<std::string, Place>& served) {
  const YamlNode& object = entry.value;
  const bool readable = !object.bad && object.kind == YamlNode::Kind::kMap;
  // Until it is through:
  std::set<std::string> names = readable ? RenamedTo(object) : std::set<std::string>();
  names.insert(entry.key);
  view_notes.bad_features.insert(names.begin(), names.end());
  if (!readable) return;
  const YamlNode* name = Sound(object, "aggregate");
  const Aggregation* aggregation = name == nullptr ? nullptr : ReadAggregation(*name, diagnostics_);
  bool sound = aggregation != nullptr;
  for (const YamlEntry& e : object.entries) sound &= !e.value.bad;

  const AggregatedFields of = ResolveOf(entry, aggregation, source, notes);
  sound &= of.known;
  AggregationArguments arguments;
  if (aggregation != nullptr) {
    arguments = ResolveArguments(entry, *aggregation, source, notes);
    arguments.arguments.of = of.listed;
    sound &= arguments.sound;
  }
  const std::vector<Type> types = ResultTypes(entry, aggregation, of, arguments, source);
  sound &= !types.empty();
  std::vector<std::optional<DefaultValue>> defaults;
  for (const Type type : types) {
    defaults.push_back(ResolveDefault(entry, *aggregation, type, sound));
    if (!sound) break;  // said once
  }
  const std::optional<uint32_t> where = ResolveWhere(object, source, notes, sound);

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
    for (const std::string& suffix : SuffixesOf(of, arguments)) {
      const std::string name = window.served + suffix;
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
  for (const std::string& name : names) view_notes.bad_features.erase(name);
  const Annotations about = ReadAnnotations(object);
  for (const WindowEntry& window : windows) {
    for (size_t f = 0; f < of.fields.size(); ++f) {
      for (const AggregationArguments::Quantile& quantile : arguments.quantiles) {
        arguments.arguments.q = quantile.q;
        view.features.push_back({.name = window.served + of.fields[f].suffix + quantile.suffix,
                                 .declared = entry.key,
                                 .aggregate = std::string(aggregation->name),
                                 .of = of.fields[f].field,
                                 .where = where,
                                 .arguments = arguments.arguments,
                                 .window = window.window,
                                 .type = types[f],
                                 .default_value = defaults[f],
                                 .about = about});
      }
    }
  }
}

// Of each field of `of` the type of the answer. Empty: not known, or a mistake was reported.
std::vector<Type> Resolver::ResultTypes(const YamlEntry& feature, const Aggregation* aggregation,
                                        const AggregatedFields& of,
                                        const AggregationArguments& arguments,
                                        const Source* source) {
  std::vector<Type> types;
  if (aggregation == nullptr || !of.known) return types;
  const std::optional<uint32_t> by = arguments.arguments.by;
  // Of bad arguments nothing follows.
  const FeatureArguments asked = arguments.sound ? arguments.arguments : FeatureArguments{};
  for (size_t f = 0; f < of.fields.size(); ++f) {
    const std::optional<Type> type = aggregation->ResultType(
        of.fields[f].type, asked, by ? std::optional(source->fields[*by].type) : std::nullopt);
    if (type) {
      types.push_back(*type);
      continue;
    }
    const YamlNode& node = feature.value.FindEntry("of")->value;
    const Field& field = source->fields[*of.fields[f].field];
    Error(node.kind == YamlNode::Kind::kList ? node.items[f].place : node.place,
          fmt::format("{} cannot be computed of field {}, which is {}; it takes {}",
                      aggregation->name, field.name, WithArticle(field.type, field.vector_size),
                      aggregation->accepts));
  }
  if (types.size() < of.fields.size()) types.clear();
  return types;
}

// The declared default, or the built-in one.
std::optional<DefaultValue> Resolver::ResolveDefault(const YamlEntry& feature,
                                                     const Aggregation& aggregation, Type type,
                                                     bool& sound) {
  const YamlNode* declared = Sound(feature.value, "default");
  if (declared == nullptr) return BuiltInDefault(aggregation, type);
  std::optional<DefaultValue> value = ReadDefault(*declared, type);
  if (value) return value;
  sound = false;
  Error(declared->place,
        fmt::format("default {} does not fit feature {}, which is {}; write {}",
                    ShownDefault(*declared), feature.key, WithArticle(type), ExampleOf(type)));
  return std::nullopt;
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
