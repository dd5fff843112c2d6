// Feature views: source, entity, keys, ttl, history.
#include <fmt/format.h>

#include <algorithm>

#include "featurestore/declare/resolve.h"
#include "featurestore/declare/scalar_forms.h"
#include "featurestore/declare/version.h"
#include "featurestore/model/type_text.h"
#include "featurestore/state/row_layout.h"

namespace freshet {
namespace {

constexpr uint64_t kManyPanes = 10'000;
constexpr uint64_t kManyEvents = 10'000;
constexpr uint64_t kManyIds = 10'000;

template <typename Things>
std::vector<std::string> NamesOf(const Things& things) {
  std::vector<std::string> names;
  for (const auto& thing : things) names.push_back(thing.name);
  return names;
}

template <typename Things>
std::optional<uint32_t> IndexOf(const Things& things, std::string_view name) {
  for (uint32_t i = 0; i < things.size(); ++i) {
    if (things[i].name == name) return i;
  }
  return std::nullopt;
}

// The oldest an event can be and still count (semantics.md, Age).
Duration OldestThatCounts(const Window& window) {
  switch (window.kind) {
    case WindowKind::kSliding:
      return window.length + window.hop;
    case WindowKind::kTumbling:
      return window.reach();
    case WindowKind::kHopping:
      return window.length + window.hop;
    case WindowKind::kExact:
    case WindowKind::kSession:
      return window.length;
    case WindowKind::kRows:
    case WindowKind::kLifetime:
      break;
  }
  return {};
}

// Why a view with such a feature declares a ttl.
std::string_view EndlessReach(const Window& window) {
  if (window.kind == WindowKind::kRows) return "counts events of any age";
  if (window.kind == WindowKind::kSession) return "tells of a session that ended at any time";
  return "is over the lifetime of a row";
}

}  // namespace

void Resolver::ResolveViews() {
  const YamlNode* views = Sound(root_, "feature_views");
  if (views == nullptr) return;
  for (const YamlEntry& entry : views->entries) ResolveView(entry);
  WarnUnreadSources();
}

// With a mistake in a view it is not known which source was meant.
void Resolver::WarnUnreadSources() {
  if (!diagnostics_.ok()) return;
  for (uint32_t s = 0; s < catalog_.sources.size(); ++s) {
    const bool read = std::any_of(catalog_.views.begin(), catalog_.views.end(),
                                  [s](const FeatureView& view) { return view.source == s; });
    if (read) continue;
    Warning(source_notes_[s].place,
            fmt::format("no feature view reads source {}, so its topic {} is not read either",
                        catalog_.sources[s].name, catalog_.sources[s].topic));
  }
}

void Resolver::ResolveView(const YamlEntry& entry) {
  FeatureView view;
  ViewNotes notes{.place = entry.key_place};
  view.name = entry.key;
  const YamlNode& object = entry.value;
  const bool readable = !object.bad && object.kind == YamlNode::Kind::kMap;
  bool source_known = false;
  if (readable) {
    view.about = ReadAnnotations(object);
    view.history = DurationOr(object, "history", {});
    if (const YamlNode* name = Sound(object, "source")) {
      if (const auto index = IndexOf(catalog_.sources, name->text)) {
        view.source = *index;
        source_known = true;
      } else if (Sound(root_, "sources") != nullptr) {
        Error(name->place,
              fmt::format("unknown source {}{}", name->text,
                          diagnostics_.Suggest(name->text, NamesOf(catalog_.sources))));
      }
    }
    ResolveKeys(entry, source_known, view);
    bool sound = true;
    view.where = ResolveWhere(object, source_known ? &catalog_.sources[view.source] : nullptr,
                              source_known ? &source_notes_[view.source] : nullptr, sound);
    const YamlNode* features = Sound(object, "features");
    const YamlEntry* fields = object.FindEntry("fields");
    if (fields != nullptr && Declares(object, "features")) {
      Error(fields->key_place,
            fmt::format("view {} has features and fields; put its latest values into a view of "
                        "their own",
                        view.name));
    } else if (fields != nullptr) {
      ResolveLatest(*fields, source_known ? &catalog_.sources[view.source] : nullptr,
                    source_known ? &source_notes_[view.source] : nullptr, view, notes);
    }
    if (features != nullptr && features->kind == YamlNode::Kind::kMap) {
      notes.features_known = true;
      if (features->entries.empty())
        Error(features->place, fmt::format("view {} has no features", view.name));
      std::map<std::string, Place> served;
      for (const YamlEntry& feature : features->entries) {
        ResolveFeature(feature, source_known ? &catalog_.sources[view.source] : nullptr,
                       source_known ? &source_notes_[view.source] : nullptr, view, notes, served);
      }
    } else if (!Declares(object, "features") && !Declares(object, "fields")) {
      Error(entry.key_place,
            fmt::format("view {} has no features: add features: {{ … }}, or fields: [ … ] for "
                        "latest values",
                        view.name));
    }
    ResolveTtl(entry, view);
    view.tuning = ResolveTuning(object);
  }
  if (source_known) {
    view.lateness = catalog_.sources[view.source].lateness;
    view.max_future_skew = catalog_.sources[view.source].max_future_skew;
    if (const auto& dedup = catalog_.sources[view.source].dedup) view.dedup_within = dedup->within;
  }
  notes.source_known = source_known;
  FinishView(entry, view);
  catalog_.views.push_back(std::move(view));
  view_notes_.push_back(std::move(notes));
}

void Resolver::ResolveKeys(const YamlEntry& entry, bool source_known, FeatureView& view) {
  const YamlNode& object = entry.value;
  const YamlNode* name = Sound(object, "entity");
  const YamlNode* keys = Sound(object, "keys");
  if (name == nullptr) return;
  const auto index = IndexOf(catalog_.entities, name->text);
  if (!index) {
    if (Sound(root_, "entities") != nullptr) {
      Error(name->place, fmt::format("unknown entity {}{}", name->text,
                                     diagnostics_.Suggest(name->text, NamesOf(catalog_.entities))));
    }
    if (keys == nullptr || !source_known) return;
    for (const YamlEntry& key : keys->entries) {
      if (key.value.bad) continue;
      FindField(key.value, catalog_.sources[view.source], source_notes_[view.source]);
    }
    return;
  }
  view.entity = *index;
  const Entity& entity = catalog_.entities[*index];
  if (keys != nullptr && entity_notes_[*index].sound) {
    for (const YamlEntry& key : keys->entries) {
      if (IndexOf(entity.keys, key.key)) continue;
      Error(key.key_place, fmt::format("entity {} has no key {}{}", entity.name, key.key,
                                       diagnostics_.Suggest(key.key, NamesOf(entity.keys))));
    }
  }
  if (!source_known) return;
  const Source& source = catalog_.sources[view.source];
  const SourceNotes& notes = source_notes_[view.source];
  for (const EntityKeyField& key : entity.keys) {
    const YamlEntry* mapped = keys == nullptr ? nullptr : keys->FindEntry(key.name);
    if (mapped != nullptr && mapped->value.bad) continue;
    std::optional<uint32_t> field;
    Place place = name->place;
    if (mapped != nullptr) {
      place = mapped->value.place;
      field = FindField(mapped->value, source, notes);
      if (!field) continue;
    } else {
      field = source.FieldIndex(key.name);
      if (!field) {
        if (notes.fields_known && notes.bad_fields.count(key.name) == 0) {
          Error(place, fmt::format("source {} has no field {}, which entity {} needs; say which it "
                                   "is: keys: {{ {}: FIELD }}{}",
                                   source.name, key.name, entity.name, key.name,
                                   diagnostics_.Suggest(key.name, NamesOf(source.fields))));
        }
        continue;
      }
    }
    if (source.fields[*field].type != key.type) {
      Error(
          place,
          fmt::format("key {} of entity {} is {}, and field {} of source {} {}; make them the same",
                      key.name, entity.name, WithArticle(key.type), source.fields[*field].name,
                      source.name, WithArticle(source.fields[*field].type)));
    }
    view.key_fields.push_back(*field);
  }
}

StorageTuning Resolver::ResolveTuning(const YamlNode& object) {
  StorageTuning tuning;
  const YamlNode* advanced = Sound(object, "advanced");
  if (advanced == nullptr || advanced->kind != YamlNode::Kind::kMap) return tuning;
  const auto is = [advanced](std::string_view key, std::string_view word) {
    const YamlNode* node = Sound(*advanced, key);
    return node != nullptr && node->text == word;
  };
  const auto compression = [&is](std::string_view key) -> std::optional<Compression> {
    if (is(key, "none")) return Compression::kNone;
    if (is(key, "snappy")) return Compression::kSnappy;
    if (is(key, "lz4")) return Compression::kLz4;
    if (is(key, "zstd")) return Compression::kZstd;
    return std::nullopt;
  };
  if (is("compaction", "universal")) tuning.compaction = CompactionStyle::kUniversal;
  if (is("filter", "none")) tuning.filter = FilterKind::kNone;
  if (const YamlNode* filter = Sound(*advanced, "filter")) {
    const YamlNode* bloom = Sound(*filter, "bloom");
    const YamlNode* ribbon = Sound(*filter, "ribbon");
    if (bloom != nullptr && ribbon != nullptr) {
      Error(ribbon->place, "a filter is bloom or ribbon, not both; remove one");
    }
    if (ribbon != nullptr) tuning.filter = FilterKind::kRibbon;
    if (const YamlNode* bits = ribbon != nullptr ? ribbon : bloom) {
      tuning.filter_bits =
          static_cast<uint32_t>(ReadInteger(bits->text).value_or(tuning.filter_bits));
    }
  }
  if (const YamlNode* size = Sound(*advanced, "block_size")) {
    tuning.block_bytes = ReadSize(size->text).value_or(tuning.block_bytes);
  }
  tuning.compression = compression("compression");
  tuning.last_level_compression = compression("last_level_compression");
  tuning.memtable_filter = is("memtable_filter", "true");
  tuning.hash_index = is("hash_index", "true");
  return tuning;
}

void Resolver::ResolveTtl(const YamlEntry& entry, FeatureView& view) {
  const YamlNode& object = entry.value;
  const Feature* longest = nullptr;
  const Feature* endless = nullptr;
  bool any_history = false;
  for (const Feature& feature : view.features) {
    const Duration oldest = OldestThatCounts(feature.window);
    any_history |= feature.window.has_history();
    if (feature.window.needs_ttl()) {
      if (endless == nullptr) endless = &feature;
    } else if (longest == nullptr || oldest > OldestThatCounts(longest->window)) {
      longest = &feature;
    }
    view.default_ttl = std::max(view.default_ttl, oldest);
  }
  const YamlNode* ttl = Sound(object, "ttl");
  if (ttl != nullptr && ttl->text != "never") view.ttl = ParseDuration(ttl->text);
  if (!Declares(object, "ttl")) {
    view.ttl = view.default_ttl;
    if (endless != nullptr) {
      Error(entry.key_place, fmt::format("view {} needs a ttl, since {} {}: add ttl: 30d, or ttl: "
                                         "never",
                                         view.name, endless->name,
                                         view.latest_values ? "is the latest of any age"
                                                            : EndlessReach(endless->window)));
    }
  }
  if (ttl != nullptr && view.ttl && longest != nullptr && *view.ttl < longest->window.reach()) {
    Warning(
        ttl->place,
        fmt::format(
            "ttl {} is shorter than the window of {}, {}: rows expire before their events leave it",
            FormatDuration(*view.ttl), longest->name, FormatDuration(longest->window.reach())));
  }
  if (const YamlNode* history = Sound(object, "history");
      history != nullptr && view.history.us > 0 && !any_history && !view.features.empty()) {
    Warning(history->place,
            fmt::format("history {} reaches nothing: all features of view {} are "
                        "over a lifetime, sessions, rows or latest values, for which it counts "
                        "as 0; give one a window or leave history out",
                        FormatDuration(view.history), view.name));
  }
}

// Only where nothing was wrong anywhere up to here can it be compiled.
void Resolver::FinishView(const YamlEntry& entry, FeatureView& view) {
  catalog_.layouts.emplace_back();
  if (!diagnostics_.ok() || view.features.empty()) return;
  const Source& source = catalog_.sources[view.source];
  view.version = ViewVersion(view, source, catalog_.entities[view.entity], catalog_.clock);
  auto layout = RowLayout::Compile(view, source);
  if (!layout.ok()) {
    Error(entry.key_place, fmt::format("view {}: {}", view.name, MessageOf(layout.status())));
    return;
  }
  const RowSize size = (*layout)->size();
  if (size.events_max > kManyEvents) {
    Warning(entry.key_place,
            fmt::format("a row of view {} may hold {} events, {} bytes, which are read and written "
                        "again with each new one; fewer rows or max_events make it smaller",
                        view.name, size.events_max, size.bytes_max));
  }
  if (size.ids_max > kManyIds) {
    Warning(
        entry.key_place,
        fmt::format("a row of view {} may remember {} ids of events (dedup), {} bytes, which are "
                    "read and written again with each new one; fewer max_ids make it smaller",
                    view.name, size.ids_max, size.ids_bytes_max));
  }
  if (size.panes_max > kManyPanes) {
    Warning(entry.key_place, fmt::format("a row of view {} may hold {} panes, {} bytes; longer "
                                         "hops or less history make it smaller",
                                         view.name, size.panes_max, size.bytes_max));
  }
  catalog_.layouts.back() = *std::move(layout);
}

}  // namespace freshet
