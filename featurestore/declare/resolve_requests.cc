// What comes with a request: a service's inputs, what it derives at the read, and the event that the request tells of itself.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "featurestore/declare/resolve.h"
#include "featurestore/model/type_text.h"

namespace freshet {
namespace {

using Kind = ServiceExpressions::Kind;

constexpr const char* kNow = "now";
constexpr const char* kRequestQualifier = "request";

bool IsKeyName(const FeatureService& service, const std::string& name) {
  return std::any_of(service.views.begin(), service.views.end(), [&](const ServedView& view) {
    return std::find(view.keys.begin(), view.keys.end(), name) != view.keys.end();
  });
}

// By the name alone, without a role.
bool IsFeatureName(const FeatureService& service, const std::string& name) {
  return std::any_of(service.features.begin(), service.features.end(),
                     [&](const ServedFeature& feature) { return feature.name == name; });
}

std::optional<uint32_t> InputIndex(const FeatureService& service, const std::string& name) {
  for (uint32_t i = 0; i < service.inputs.size(); ++i) {
    if (service.inputs[i].name == name) return i;
  }
  return std::nullopt;
}

}  // namespace

void Resolver::ResolveInputs(const YamlNode& object, ServiceNotes& notes, FeatureService& service) {
  const YamlNode* request = Sound(object, "request");
  if (request == nullptr || request->kind != YamlNode::Kind::kMap) {
    notes.inputs_known = !Declares(object, "request");
    return;
  }
  for (const YamlEntry& entry : request->entries) {
    const auto type = entry.value.bad ? std::nullopt : TypeFromName(entry.value.text);
    const auto refuse = [&](std::string text) {
      Error(entry.key_place, std::move(text));
      notes.missing.insert(entry.key);
    };
    if (!type) {
      notes.missing.insert(entry.key);
    } else if (!IsScalar(*type)) {
      refuse(fmt::format("input {} is a {}; inputs are scalars", entry.key, entry.value.text));
    } else if (entry.key == kNow) {
      refuse("now is the read's time in every service; give the input another name");
    } else if (IsKeyName(service, entry.key)) {
      refuse(
          fmt::format("{} is a key of service {} already, and comes with every request; remove "
                      "it, or give the input another name",
                      entry.key, service.name));
    } else {
      service.inputs.push_back({entry.key, *type});
    }
  }
}

std::shared_ptr<const ServiceExpressions> Resolver::ResolveServiceDerive(const YamlNode& object,
                                                                         ServiceNotes& notes,
                                                                         FeatureService& service) {
  const YamlNode* derive = Sound(object, "derive");
  if (derive == nullptr || derive->kind != YamlNode::Kind::kMap) return nullptr;
  auto compiled = std::make_shared<ServiceExpressions>();
  SqlScope scope;
  const auto add = [&](std::string qualifier, std::string name, Type type, Kind kind,
                       size_t index) {
    scope.Add({std::move(qualifier), std::move(name), type});
    compiled->scope.push_back({kind, static_cast<uint32_t>(index)});
  };
  for (size_t f = 0; f < service.features.size(); ++f) {
    const ServedFeature& served = service.features[f];
    const ServedView& use = service.views[served.view];
    const FeatureView& view = catalog_.views[use.view];
    const Feature& feature = view.features[served.feature];
    if (!IsScalar(feature.type)) continue;
    // As it is answered: sender:sent_24h is sender.sent_24h. Beside an input of its name (count_request asks for a field's name),
    // neither is meant by the name alone.
    const bool qualified = served.name != feature.name || InputIndex(service, feature.name);
    const std::string qualifier = !qualified ? "" : use.role.empty() ? view.name : use.role;
    if (const bool takes_now = !qualified && feature.name == kNow;
        takes_now || qualifier == kRequestQualifier) {
      Error(notes.served.at({served.view, served.feature}),
            fmt::format("{}; serve view {} in a role: {{ view: {}, as: … }}",
                        takes_now ? fmt::format("feature now of view {} would read as the read's "
                                                "time in derive",
                                                view.name)
                                  : fmt::format("request.{} would read as the input {} in derive",
                                                feature.name, feature.name),
                        view.name, view.name));
      notes.missing.insert(feature.name);
      continue;
    }
    add(qualifier, feature.name, feature.type, Kind::kFeature, f);
  }
  for (size_t i = 0; i < service.inputs.size(); ++i) {
    const std::string& name = service.inputs[i].name;
    add(IsFeatureName(service, name) ? kRequestQualifier : "", name, service.inputs[i].type,
        Kind::kInput, i);
  }
  add("", kNow, Type::kTimestamp, Kind::kNow, 0);
  for (const YamlEntry& entry : derive->entries) {
    if (entry.key == kNow || IsFeatureName(service, entry.key) || InputIndex(service, entry.key)) {
      Error(entry.key_place,
            fmt::format("service {} has {} already ({}); derive it under another name",
                        service.name, entry.key,
                        entry.key == kNow                   ? "the read's time"
                        : IsFeatureName(service, entry.key) ? "a feature"
                                                            : "an input"));
      continue;
    }
    std::optional<Expression> expression;
    if (!entry.value.bad) {
      expression = CompileSql(entry.value, scope, Expression::Use::kValue,
                              [&](const std::string& column) { return MayBeThere(notes, column); });
    }
    if (!expression) {
      notes.missing.insert(entry.key);  // to what is derived of it
      continue;
    }
    const Type type = expression->type();
    add("", entry.key, type, Kind::kDerived, service.derived.size());
    service.derived.push_back({entry.key, type, entry.value.text});
    compiled->expressions.push_back(*std::move(expression));
  }
  return compiled->expressions.empty() ? nullptr : compiled;
}

namespace {

// Which fields of the source decide what the service answers, each with the first thing that reads it.
class FieldReaders {
 public:
  FieldReaders(const Source& source, const std::vector<Expression>& expressions)
      : source_(source),
        first_derived_(static_cast<uint32_t>(source.fields.size() - expressions.size())),
        expressions_(expressions) {}

  void Read(uint32_t field, const std::string& reader) {
    if (!seen_.insert(field).second) return;
    if (field < first_derived_) {
      readers_.emplace(field, reader);
      return;
    }
    for (const uint32_t column : expressions_[field - first_derived_].columns()) {
      Read(column, field < source_.named_fields
                       ? fmt::format("{} of source {}", source_.fields[field].name, source_.name)
                       : reader);
    }
  }
  void Read(const std::optional<uint32_t>& field, const std::string& reader) {
    if (field) Read(*field, reader);
  }
  const std::map<uint32_t, std::string>& readers() const { return readers_; }

 private:
  const Source& source_;
  const uint32_t first_derived_;
  const std::vector<Expression>& expressions_;
  std::set<uint32_t> seen_;
  std::map<uint32_t, std::string> readers_;
};

}  // namespace

void Resolver::ResolveCountRequest(const YamlNode& object, const ServiceNotes& notes,
                                   FeatureService& service) {
  const YamlNode* node = Sound(object, "count_request");
  if (node == nullptr) return;
  const auto index = catalog_.SourceIndex(node->text);
  if (!index) {
    if (Sound(root_, "sources") == nullptr) return;
    std::vector<std::string> names;
    for (const Source& source : catalog_.sources) names.push_back(source.name);
    Error(node->place,
          fmt::format("unknown source {}{}", node->text, diagnostics_.Suggest(node->text, names)));
    return;
  }
  std::set<std::string> others;
  bool joins = false;
  bool views_known =
      notes
          .views_known;  // what is missing could be of that source, or ask by the key that a field needs
  for (const ServedView& use : service.views) {
    const FeatureView& view = catalog_.views[use.view];
    if (!view_notes_[use.view].source_known) {
      views_known = false;
      continue;
    }
    joins |= view.source == *index;
    others.insert(catalog_.sources[view.source].name);
  }
  if (!joins) {
    if (!views_known) return;
    Error(node->place,
          fmt::format("no view of service {} is computed of source {}; its views are of {}",
                      service.name, node->text, fmt::join(others, ", ")));
    return;
  }
  std::vector<RequestEvent::Given> given = EventFields(node->place, *index, service);
  const Source& source = catalog_.sources[*index];
  const SourceNotes& source_notes = source_notes_[*index];
  if (!source_notes.fields_known || !views_known || !notes.inputs_known) return;
  FieldReaders fields(source, source_notes.expressions);
  fields.Read(source.where, fmt::format("where of source {}", source.name));
  for (const ServedView& use : service.views) {
    const FeatureView& view = catalog_.views[use.view];
    if (view.source != *index) continue;
    fields.Read(view.where, fmt::format("where of view {}", view.name));
    for (const uint32_t key : view.key_fields) {
      fields.Read(key, fmt::format("the key of view {}", view.name));
    }
  }
  for (const ServedFeature& served : service.features) {
    const FeatureView& view = catalog_.views[service.views[served.view].view];
    if (view.source != *index) continue;
    const Feature& feature = view.features[served.feature];
    const std::string reader = fmt::format("feature {} of view {}", feature.name, view.name);
    for (const auto& field :
         {feature.of, feature.where, feature.arguments.order_by, feature.arguments.by}) {
      fields.Read(field, reader);
    }
    for (const uint32_t field : feature.arguments.of) fields.Read(field, reader);
  }
  bool complete = true;
  for (const auto& needed : fields.readers()) {
    const uint32_t field = needed.first;
    const std::string& reader = needed.second;
    const bool known = source.time_field == field ||
                       std::any_of(given.begin(), given.end(),
                                   [&](const RequestEvent::Given& g) { return g.field == field; });
    if (known) continue;
    complete = false;
    const Field& missing = source.fields[field];
    if (notes.missing.contains(missing.name)) continue;
    std::string remedy = fmt::format("add {}: {} to request", missing.name, TypeName(missing.type));
    if (IsKeyName(service, missing.name)) {
      remedy = fmt::format(
          "the request's key {} is not that field: call the key otherwise in the "
          "service ({{ view: …, keys: {{ … }} }}), and {}",
          missing.name, remedy);
    }
    Error(node->place, fmt::format("count_request needs field {} of source {}, which {} reads; {}",
                                   missing.name, source.name, reader, remedy));
  }
  if (complete) service.event = RequestEvent{*index, std::move(given)};
}

namespace {

// By which of the request's keys views of this source are asked, for each of their key fields.
std::map<uint32_t, std::set<std::string>> KeysOfFields(const Catalog& catalog, uint32_t source,
                                                       const FeatureService& service) {
  std::map<uint32_t, std::set<std::string>> keys;
  for (const ServedView& use : service.views) {
    const FeatureView& view = catalog.views[use.view];
    if (view.source != source) continue;
    for (size_t k = 0; k < use.keys.size() && k < view.key_fields.size(); ++k) {
      keys[view.key_fields[k]].insert(use.keys[k]);
    }
  }
  return keys;
}

}  // namespace

// Which of the request's keys each field of the request's event is: the one by which views with that key field are asked, of several
// the one of the field's name; else one of the field's name that is no other field's. A key called `card` that asks for the row of a
// card_number is no value of a field `card`, whatever they share.
std::map<uint32_t, std::string> Resolver::KeyFields(uint32_t source_index,
                                                    const FeatureService& service) const {
  const Source& source = catalog_.sources[source_index];
  std::map<uint32_t, std::string> key_of;
  std::set<std::string> taken;
  for (const auto& [field, keys] : KeysOfFields(catalog_, source_index, service)) {
    const bool named = keys.contains(source.fields[field].name);
    if (!named && keys.size() > 1) continue;
    key_of[field] = named ? source.fields[field].name : *keys.begin();
    taken.insert(key_of[field]);
  }
  for (uint32_t f = 0; f < source.named_fields; ++f) {
    const Field& field = source.fields[f];
    if (key_of.contains(f) || taken.contains(field.name)) continue;
    for (const ServedView& use : service.views) {
      if (use.keys.empty()) continue;  // not known, nor perhaps the entity
      const Entity& entity = catalog_.entities[catalog_.views[use.view].entity];
      for (size_t k = 0; k < use.keys.size() && k < entity.keys.size(); ++k) {
        if (use.keys[k] == field.name && entity.keys[k].type == field.type) key_of[f] = field.name;
      }
    }
  }
  return key_of;
}

// Where the fields of the request's own event come from: an input of the field's name, else the key that it is.
std::vector<RequestEvent::Given> Resolver::EventFields(const Place& place, uint32_t source_index,
                                                       const FeatureService& service) {
  const Source& source = catalog_.sources[source_index];
  const std::map<uint32_t, std::string> key_of = KeyFields(source_index, service);
  std::vector<RequestEvent::Given> given;
  for (uint32_t f = 0; f < source.named_fields; ++f) {
    const Field& field = source.fields[f];
    const auto input = InputIndex(service, field.name);
    if (input && !field.expression.empty()) {
      Error(place, fmt::format("input {} is what source {} derives; leave it out of request, and "
                               "give what it is derived of",
                               field.name, source.name));
    } else if (input && source.time_field == f) {
      Error(place, fmt::format("input {} is the time of source {}'s events, and the request's own "
                               "event happens at the read's time; leave it out of request (in "
                               "derive it is now)",
                               field.name, source.name));
    } else if (input && service.inputs[*input].type != field.type) {
      Error(place, fmt::format("input {} is {}, and field {} of source {} {}; count_request "
                               "needs them alike",
                               field.name, WithArticle(service.inputs[*input].type), field.name,
                               source.name, WithArticle(field.type)));
    }
    if (input) {
      given.push_back({f, input, ""});
      continue;
    }
    if (!field.expression.empty() || source.time_field == f) continue;
    if (const auto key = key_of.find(f); key != key_of.end()) {
      given.push_back({f, std::nullopt, key->second});
    }
  }
  return given;
}

}  // namespace freshet
