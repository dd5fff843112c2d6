// What an aggregation takes beside `of`: order_by, q, exact_to, error, half_life, per, n, k, by, max_keys, counts, bounds.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "featurestore/declare/resolve.h"
#include "featurestore/declare/scalar_forms.h"
#include "featurestore/model/type_text.h"

namespace freshet {
namespace {

struct ArgumentKey {
  Argument argument;
  std::string_view name;
  std::string_view what;  // for a feature that lacks it
};
constexpr std::array<ArgumentKey, 12> kArgumentKeys = {{
    {kArgumentOrderBy, "order_by", "the field that is compared"},
    {kArgumentQ, "q", "which quantile, such as 0.99, or a list of them"},
    {kArgumentExactTo, "exact_to", ""},
    {kArgumentError, "error", ""},
    {kArgumentHalfLife, "half_life", "after how long an event weighs half, such as 1h"},
    {kArgumentPer, "per", ""},
    {kArgumentN, "n", "the length of the list, such as 10"},
    {kArgumentK, "k", "the length of the list, such as 10"},
    {kArgumentBy, "by", ""},
    {kArgumentMaxKeys, "max_keys", ""},
    {kArgumentCounts, "counts", ""},
    {kArgumentBounds, "bounds", ""},
}};

constexpr double kErrorMost = 0.5;
constexpr size_t kBoundsMost = 1000;

// 0.5 → _p50, 0.05 → _p05, 0.999 → _p999, 1 → _p100. None: too many decimals for a name.
std::optional<std::string> SuffixOf(double q) {
  std::string text = fmt::format("{:.9f}", q);
  if (*ReadReal(text) != q) return std::nullopt;
  if (q == 1) return "_p100";
  std::string digits = text.substr(2);
  digits.resize(std::max<size_t>(2, digits.find_last_not_of('0') + 1));
  return "_p" + digits;
}

}  // namespace

void Resolver::ReadQuantiles(const YamlNode& q, AggregationArguments& read) {
  const bool is_list = q.kind == YamlNode::Kind::kList;
  const std::span<const YamlNode> nodes =
      is_list ? std::span<const YamlNode>(q.items) : std::span(&q, 1);
  if (nodes.empty()) {
    Error(q.place, "q is an empty list; write one such as [0.5, 0.99]");
    read.sound = false;
  }
  for (const YamlNode& node : nodes) {
    const std::optional<double> value = node.bad ? std::nullopt : ReadReal(node.text);
    if (!value) {
      read.sound = false;
      continue;
    }
    std::string suffix;
    if (*value < 0 || *value > 1) {
      Error(node.place, fmt::format("q is {}; it may be 0 to 1", node.Shown()));
      read.sound = false;
      continue;
    }
    if (is_list) {
      const std::optional<std::string> made = SuffixOf(*value + 0.0);
      if (!made) {
        Error(node.place,
              fmt::format("q {} has too many decimals to be part of a name; nine will do",
                          node.Shown()));
        read.sound = false;
        continue;
      }
      suffix = *made;
    }
    const auto same = [&](const AggregationArguments::Quantile& other) {
      return other.q == *value;
    };
    if (std::any_of(read.quantiles.begin(), read.quantiles.end(), same)) {
      Error(node.place, fmt::format("q {} is asked for twice", node.Shown()));
      read.sound = false;
      continue;
    }
    read.quantiles.push_back({*value + 0.0, suffix});  // one zero
  }
}

void Resolver::ReadBounds(const YamlNode& bounds, AggregationArguments& read) {
  if (bounds.items.empty() || bounds.items.size() > kBoundsMost) {
    Error(bounds.place, fmt::format("{} bounds; it may be 1 to {}, or leave `bounds` out for a map "
                                    "by value",
                                    bounds.items.size(), kBoundsMost));
    read.sound = false;
  }
  for (const YamlNode& node : bounds.items) {
    const std::optional<double> bound = node.bad ? std::nullopt : ReadReal(node.text);
    if (!bound) {
      read.sound = false;
      continue;
    }
    std::vector<double>& to = read.arguments.bounds;
    if (!to.empty() && *bound <= to.back()) {
      Error(node.place,
            fmt::format("bound {} is not above the one before it; let them rise", node.Shown()));
      read.sound = false;
    }
    to.push_back(*bound + 0.0);  // one zero
  }
}

// The keys of a map, of those that can give one.
void Resolver::ResolveMap(const YamlNode& object, const Aggregation& aggregation,
                          const Source* source, const SourceNotes* notes,
                          AggregationArguments& read) {
  FeatureArguments& to = read.arguments;
  const YamlNode* by = (aggregation.takes & kArgumentBy) != 0 ? Sound(object, "by") : nullptr;
  if (by != nullptr) {
    if (source != nullptr) to.by = FindField(*by, *source, *notes);
    read.sound &= to.by.has_value();
    if (to.by && !IsScalar(source->fields[*to.by].type)) {
      Error(by->place, fmt::format("field {} is {}; a map's keys are single values", by->text,
                                   WithArticle(source->fields[*to.by].type)));
      read.sound = false;
    }
  }
  const bool is_map = (aggregation.takes & kArgumentBounds) != 0 ? !Declares(object, "bounds")
                                                                 : Declares(object, "by");
  if (is_map) to.max_keys = kMaxKeysDefault;
  const YamlNode* max_keys = Sound(object, "max_keys");
  if (max_keys == nullptr) return;
  if (!is_map) {
    Error(
        object.FindEntry("max_keys")->key_place,
        (aggregation.takes & kArgumentBounds) != 0
            ? "max_keys is of a map by value; remove it, or `bounds`"
            : "max_keys is of a map; add `by`, the field whose values are its keys, or remove it");
    read.sound = false;
    return;
  }
  to.max_keys = static_cast<uint32_t>(*ReadInteger(max_keys->text));
}

AggregationArguments Resolver::ResolveArguments(const YamlEntry& feature,
                                                const Aggregation& aggregation,
                                                const Source* source, const SourceNotes* notes) {
  AggregationArguments read;
  const YamlNode& object = feature.value;
  for (const ArgumentKey& key : kArgumentKeys) {
    const YamlEntry* declared = object.FindEntry(key.name);
    if (declared == nullptr) {
      if ((aggregation.needs_arguments & key.argument) == 0) continue;
      Error(feature.key_place,
            fmt::format("feature {} needs `{}`: {}", feature.key, key.name, key.what));
      read.sound = false;
    } else if ((aggregation.takes & key.argument) == 0) {
      Error(declared->key_place,
            fmt::format("{} takes no `{}`; remove it", aggregation.name, key.name));
      read.sound = false;
    } else if (declared->value.bad) {
      read.sound = false;
    }
  }
  const auto given = [&](Argument argument, std::string_view key) {
    return (aggregation.takes & argument) != 0 ? Sound(object, key) : nullptr;
  };
  FeatureArguments& to = read.arguments;
  if ((aggregation.takes & kArgumentExactTo) != 0) to.exact_to = aggregation.exact_to;
  if ((aggregation.takes & kArgumentError) != 0) to.error = aggregation.error;
  if ((aggregation.takes & kArgumentPer) != 0) to.per = Duration::Seconds(1);
  if (const YamlNode* node = given(kArgumentOrderBy, "order_by")) {
    if (source != nullptr) to.order_by = FindField(*node, *source, *notes);
    if (to.order_by && !IsScalar(source->fields[*to.order_by].type)) {
      Error(node->place, fmt::format("order_by {} is a list, which has no order", node->text));
      to.order_by.reset();
    }
    read.sound &= to.order_by.has_value();
  }
  if (const YamlNode* node = given(kArgumentQ, "q")) ReadQuantiles(*node, read);
  if (const YamlNode* node = given(kArgumentExactTo, "exact_to")) {
    to.exact_to = static_cast<uint32_t>(*ReadInteger(node->text));
  }
  if (const YamlNode* node = given(kArgumentError, "error")) {
    to.error = *ReadReal(node->text);
    if (to.error < aggregation.error_least || to.error > kErrorMost) {
      Error(node->place, fmt::format("error is {}; of {} it may be {} to {}", node->Shown(),
                                     aggregation.name, aggregation.error_least, kErrorMost));
      read.sound = false;
    }
  }
  for (const auto& [argument, key] : {std::pair(kArgumentN, "n"), std::pair(kArgumentK, "k")}) {
    const YamlNode* node = given(argument, key);
    if (node == nullptr) continue;
    to.n = static_cast<uint32_t>(*ReadInteger(node->text));
    if (argument == kArgumentK && to.n > to.exact_to) {
      Error(node->place, fmt::format("k is {}, and no more than exact_to, {}, are told apart; "
                                     "write more there",
                                     to.n, to.exact_to));
      read.sound = false;
    }
  }
  if (const YamlNode* node = given(kArgumentCounts, "counts")) to.counts = node->text == "true";
  if (const YamlNode* node = given(kArgumentBounds, "bounds")) ReadBounds(*node, read);
  if ((aggregation.takes & kArgumentMaxKeys) != 0) {
    ResolveMap(object, aggregation, source, notes, read);
  }
  to.half_life = (aggregation.takes & kArgumentHalfLife) != 0 ? DurationOr(object, "half_life", {})
                                                              : Duration{};
  if ((aggregation.takes & kArgumentPer) != 0) to.per = DurationOr(object, "per", to.per);
  if ((aggregation.takes & kArgumentQ) == 0) read.quantiles.push_back({0, ""});
  return read;
}

}  // namespace freshet
