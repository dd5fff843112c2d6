// Sources and entities.
#include <fmt/format.h>

#include <algorithm>

#include "featurestore/declare/resolve.h"
#include "featurestore/declare/scalar_forms.h"
#include "featurestore/model/entity_key.h"
#include "featurestore/model/type_text.h"

namespace freshet {
namespace {

constexpr uint32_t kDefaultMaxIds = 1000;  // of dedup

}  // namespace

const YamlNode* Sound(const YamlNode& object, std::string_view key) {
  const YamlEntry* entry = object.FindEntry(key);
  return entry == nullptr || entry->value.bad ? nullptr : &entry->value;
}

Duration DurationOr(const YamlNode& object, std::string_view key, Duration otherwise) {
  const YamlNode* node = Sound(object, key);
  return node == nullptr ? otherwise : ParseDuration(node->text).value_or(otherwise);
}

Annotations ReadAnnotations(const YamlNode& object) {
  Annotations about;
  if (const YamlNode* node = Sound(object, "description")) about.description = node->text;
  if (const YamlNode* node = Sound(object, "owner")) about.owner = node->text;
  if (const YamlNode* node = Sound(object, "tags")) {
    for (const YamlEntry& tag : node->entries) about.tags[tag.key] = tag.value.text;
  }
  return about;
}

void Resolver::Run() {
  ResolveSources();
  ResolveEntities();
  ResolveViews();
  ResolveServices();
  for (size_t s = 0; s < catalog_.sources.size(); ++s) {
    std::vector<Expression>& expressions = source_notes_[s].expressions;
    const size_t first = catalog_.sources[s].fields.size() - expressions.size();
    catalog_.derived.push_back(std::make_shared<const DerivedFields>(static_cast<uint32_t>(first),
                                                                     std::move(expressions)));
  }
}

std::optional<uint32_t> Resolver::FindField(const YamlNode& node, const Source& source,
                                            const SourceNotes& notes) {
  if (const auto index = source.FieldIndex(node.text)) return index;
  if (!notes.fields_known || notes.bad_fields.count(node.text) != 0) return std::nullopt;
  std::vector<std::string> names;
  for (const Field& field : source.fields) names.push_back(field.name);
  names.insert(names.end(), notes.bad_fields.begin(), notes.bad_fields.end());
  Error(node.place, fmt::format("unknown field {} of source {}{}", node.text, source.name,
                                diagnostics_.Suggest(node.text, names)));
  return std::nullopt;
}

void Resolver::ResolveSources() {
  const YamlNode* sources = Sound(root_, "sources");
  if (sources == nullptr) return;
  for (const YamlEntry& entry : sources->entries) ResolveSource(entry);
  WarnSharedTopics();
}

void Resolver::ResolveSource(const YamlEntry& entry) {
  Source source;
  SourceNotes notes{.place = entry.key_place};
  source.name = entry.key;
  if (catalog_.clock == ClockKind::kEventTime) source.max_future_skew = Duration{};
  if (const YamlNode& object = entry.value; !object.bad && object.kind == YamlNode::Kind::kMap) {
    if (const YamlNode* topic = Sound(object, "topic")) source.topic = topic->text;
    source.lateness = DurationOr(object, "lateness", source.lateness);
    source.idle_after = DurationOr(object, "idle_after", source.idle_after);
    if (catalog_.clock == ClockKind::kWall) {
      source.max_future_skew = DurationOr(object, "max_future_skew", source.max_future_skew);
    }
    if (const YamlNode* allow = Sound(object, "allow_compacted")) {
      source.allow_compacted = allow->text == "true";
    }
    source.about = ReadAnnotations(object);
    ResolveFields(object, source, notes);
    ResolveTimestamp(object, source, notes);
    source.named_fields = static_cast<uint32_t>(source.fields.size());
    ResolveDerive(object, source, notes);
    bool sound = true;
    source.where = ResolveWhere(object, &source, &notes, sound);
    ResolveKey(object, source, notes);
    ResolveDedup(object, source, notes);
  }
  catalog_.sources.push_back(std::move(source));
  source_notes_.push_back(std::move(notes));
}

void Resolver::ResolveKey(const YamlNode& object, Source& source, const SourceNotes& notes) {
  const YamlNode* key = Sound(object, "key");
  if (key == nullptr) return;
  source.key = FindField(*key, source, notes);
  if (!source.key || CanBeKey(source.fields[*source.key].type)) return;
  Error(key->place,
        fmt::format("key {} is {}; a key can be bool, int64, string, bytes or timestamp", key->text,
                    WithArticle(source.fields[*source.key].type)));
}

void Resolver::ResolveDedup(const YamlNode& object, Source& source, const SourceNotes& notes) {
  const YamlNode* declared = Sound(object, "dedup");
  if (declared == nullptr || declared->kind != YamlNode::Kind::kMap) return;
  Dedup dedup;
  dedup.within = DurationOr(*declared, "within", {});
  dedup.max_ids = kDefaultMaxIds;
  if (const YamlNode* max_ids = Sound(*declared, "max_ids")) {
    dedup.max_ids = static_cast<uint32_t>(ReadInteger(max_ids->text).value_or(kDefaultMaxIds));
  }
  const YamlNode* by = Sound(*declared, "by");
  if (by == nullptr || by->kind != YamlNode::Kind::kList) return;
  if (by->items.empty()) {
    Error(by->place, "dedup by an empty list; name the fields of an event's id, such as by: [id]");
  }
  for (const YamlNode& item : by->items) {
    if (item.bad) continue;
    const auto field = FindField(item, source, notes);
    if (!field) continue;
    const Type type = source.fields[*field].type;
    if (!CanBeKey(type)) {
      Error(item.place,
            fmt::format("{} is {}, which cannot be part of an event's id; use string, int64, "
                        "bytes, timestamp or bool",
                        item.text, WithArticle(type)));
    } else if (std::find(dedup.by.begin(), dedup.by.end(), *field) != dedup.by.end()) {
      Error(item.place, fmt::format("dedup names {} twice", item.text));
    } else {
      dedup.by.push_back(*field);
    }
  }
  if (!dedup.by.empty() && dedup.within.us > 0) source.dedup = std::move(dedup);
}

void Resolver::ResolveFields(const YamlNode& object, Source& source, SourceNotes& notes) {
  const YamlNode* fields = Sound(object, "fields");
  if (fields == nullptr || fields->kind != YamlNode::Kind::kMap) return;
  notes.fields_known = true;
  if (fields->entries.empty()) {
    Error(fields->place, fmt::format("source {} has no fields", source.name));
    notes.fields_known = false;
  }
  for (const YamlEntry& entry : fields->entries) {
    const YamlNode& value = entry.value;
    const YamlNode* type = value.kind == YamlNode::Kind::kMap ? Sound(value, "type")
                           : value.bad                        ? nullptr
                                                              : &value;
    const auto known = type == nullptr ? std::nullopt : ParseTypeText(type->text);
    if (!known || !IsName(entry.key)) {
      notes.bad_fields.insert(entry.key);
      continue;
    }
    Field field{.name = entry.key,
                .type = known->type,
                .path = {entry.key},
                .vector_size = known->vector_size};
    if (value.kind == YamlNode::Kind::kMap) {
      if (const YamlNode* path = Sound(value, "path")) {
        if (auto read = ReadPath(path->text); read.ok()) field.path = *std::move(read);
        if (!IsScalar(field.type) &&
            (field.path[0] == "$headers" || (field.path[0] == "$key" && field.path.size() == 1))) {
          Error(path->place,
                fmt::format("field {} is {}, and {} is plain text; a list stands in the record's "
                            "JSON",
                            field.name, WithArticle(field.type, field.vector_size), path->text));
        }
      }
      if (const YamlNode* unit = Sound(value, "unit")) {
        field.unit = TimeUnitFromName(unit->text);
        if (field.type != Type::kTimestamp) {
          Error(unit->place,
                fmt::format("unit is for timestamps, and {} is {}; write type: timestamp",
                            field.name, WithArticle(field.type, field.vector_size)));
        }
      }
      if (const YamlNode* required = Sound(value, "required")) {
        field.required = required->text == "true";
      }
      field.bad_is_null = Sound(value, "on_bad") != nullptr;
    }
    source.fields.push_back(std::move(field));
  }
}

void Resolver::ResolveTimestamp(const YamlNode& object, Source& source, const SourceNotes& notes) {
  const YamlNode* timestamp = Sound(object, "timestamp");
  if (timestamp == nullptr) return;
  const bool is_map = timestamp->kind == YamlNode::Kind::kMap;
  const YamlNode* name = is_map ? Sound(*timestamp, "field") : timestamp;
  const YamlNode* unit = is_map ? Sound(*timestamp, "unit") : nullptr;
  if (name == nullptr || (!is_map && name->text == "kafka")) return;
  const auto index = FindField(*name, source, notes);
  if (!index) return;
  Field& field = source.fields[*index];
  source.time_field = index;
  const std::optional<TimeUnit> time_unit =
      unit == nullptr ? std::nullopt : TimeUnitFromName(unit->text);
  switch (field.type) {
    case Type::kTimestamp:
      if (time_unit && field.unit && *time_unit != *field.unit) {
        Error(unit->place, fmt::format("unit {} is not that of field {}, {}; leave it out here",
                                       unit->text, field.name, TimeUnitName(*field.unit)));
      } else if (time_unit) {
        field.unit = time_unit;
      }
      break;
    case Type::kInt64:
    case Type::kDouble:
      source.time_unit = time_unit;
      if (!time_unit && !(is_map && Declares(*timestamp, "unit"))) {
        Error(name->place, fmt::format("field {} is {}; say its unit: {{ field: {}, unit: ms }}",
                                       field.name, WithArticle(field.type), field.name));
      }
      break;
    default:
      Error(name->place, fmt::format("field {} is {} and cannot be the event's time; declare it "
                                     "as timestamp, or as int64 or "
                                     "double with a unit",
                                     field.name, WithArticle(field.type, field.vector_size)));
  }
}

void Resolver::WarnSharedTopics() {
  for (size_t i = 0; i < catalog_.sources.size(); ++i) {
    const Source& source = catalog_.sources[i];
    if (source.topic.empty()) continue;
    for (size_t j = 0; j < i; ++j) {
      if (catalog_.sources[j].topic != source.topic) continue;
      Warning(source_notes_[i].place,
              fmt::format("source {} reads topic {}, as source {} does ({}); each reads all of it",
                          source.name, source.topic, catalog_.sources[j].name,
                          ToString(source_notes_[j].place)));
      break;
    }
    if (!catalog_.kafka.dead_letters.empty() && source.topic == catalog_.kafka.dead_letters) {
      Error(
          source_notes_[i].place,
          fmt::format("source {} reads topic {}, where refused records go; set kafka.dead_letters",
                      source.name, source.topic));
    }
  }
}

void Resolver::ResolveEntities() {
  const YamlNode* entities = Sound(root_, "entities");
  if (entities == nullptr) return;
  for (const YamlEntry& entry : entities->entries) {
    Entity entity;
    EntityNotes notes{.place = entry.key_place, .sound = true};
    entity.name = entry.key;
    const YamlNode* keys = entry.value.bad ? nullptr : Sound(entry.value, "keys");
    if (keys == nullptr || keys->kind != YamlNode::Kind::kMap) {
      notes.sound = false;
    } else {
      if (keys->entries.empty()) {
        Error(keys->place, fmt::format("entity {} has no keys; write keys: {{ {}: string }}",
                                       entity.name, entity.name));
        notes.sound = false;
      }
      for (const YamlEntry& key : keys->entries) {
        const auto type = key.value.bad ? std::nullopt : ParseTypeText(key.value.text);
        if (!type) {
          notes.sound = false;
          continue;
        }
        if (!CanBeKey(type->type)) {
          Error(key.value.place, fmt::format("key {} is {}, which cannot be a key; use int64, "
                                             "string, bool, bytes or timestamp",
                                             key.key, WithArticle(type->type, type->vector_size)));
          notes.sound = false;
        }
        entity.keys.push_back({key.key, type->type});
      }
    }
    entity.about = ReadAnnotations(entry.value);
    catalog_.entities.push_back(std::move(entity));
    entity_notes_.push_back(notes);
  }
}

}  // namespace freshet
