#include "server/proto_catalog.h"

#include <set>
#include <type_traits>

#include "featurestore/declare/describe.h"
#include "featurestore/model/packed.h"
#include "featurestore/model/type_text.h"

namespace freshet {
namespace {

std::string Text(std::string_view text) { return std::string(text); }

v1::About About(const Annotations& from) {
  v1::About about;
  about.set_description(from.description);
  about.set_owner(from.owner);
  for (const auto& [name, value] : from.tags) (*about.mutable_tags())[name] = value;
  return about;
}

std::string DescribeDefault(const DefaultValue& value, Type type) {
  return std::visit(
      [type](const auto& v) -> std::string {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, bool>) {
          return v ? "true" : "false";
        } else if constexpr (std::is_same_v<T, std::string>) {
          return IsScalar(type) ? v : PackedToDebugString(v);
        } else if constexpr (std::is_same_v<T, Timestamp>) {
          return FormatTimestamp(v);
        } else {
          return fmt::format("{}", v);
        }
      },
      value);
}

void Put(const Catalog& catalog, const Store& store, uint32_t index, v1::FeatureViewInfo& out) {
  const FeatureView& view = catalog.views[index];
  const Source& source = catalog.sources[view.source];
  out.set_name(view.name);
  out.set_version(view.version);
  out.set_entity(catalog.entities[view.entity].name);
  out.set_source(source.name);
  out.set_ttl_us(view.ttl ? view.ttl->us : -1);
  out.set_history_us(view.history.us);
  for (const Feature& feature : view.features) {
    v1::FeatureInfo& info = *out.add_features();
    info.set_name(feature.name);
    info.set_type(TypeText(feature.type, feature.vector_size));
    info.set_aggregate(feature.aggregate);
    if (feature.of) info.set_of(source.fields[*feature.of].name);
    if (!view.latest_values) info.set_window(DescribeWindow(feature.window));
    info.set_arguments(DescribeArguments(feature, source));
    if (feature.default_value)
      info.set_default_value(DescribeDefault(*feature.default_value, feature.type));
    *info.mutable_about() = About(feature.about);
  }
  out.set_complete(store.view_status(ViewId{catalog.StoreView(index)}).complete.load());
  out.set_row_bytes_max(catalog.layouts[index]->size().bytes_max);
  *out.mutable_about() = About(view.about);
}

void Put(const Entity& entity, v1::EntityInfo& out) {
  out.set_name(entity.name);
  for (const EntityKeyField& key : entity.keys) {
    v1::KeyInfo& info = *out.add_keys();
    info.set_name(key.name);
    info.set_type(Text(TypeName(key.type)));
  }
  *out.mutable_about() = About(entity.about);
}

void Put(const Source& source, v1::SourceInfo& out) {
  out.set_name(source.name);
  out.set_topic(source.topic);
  for (uint32_t i = 0; i < source.named_fields; ++i) {
    const Field& field = source.fields[i];
    v1::KeyInfo& info = *out.add_fields();
    info.set_name(field.name);
    info.set_type(TypeText(field.type, field.vector_size));
  }
  out.set_lateness_us(source.lateness.us);
  *out.mutable_about() = About(source.about);
}

void Put(const Plan& plan, const FeatureService& service, v1::FeatureServiceInfo& out) {
  out.set_name(service.name);
  for (const PlanColumn& column : plan.columns) out.add_features(column.name);
  std::set<std::string> views;
  for (size_t v = 0; v < plan.views.size(); ++v) {
    if (views.insert(plan.view_name(v)).second) out.add_views(plan.view_name(v));
    const PlanView& view = plan.views[v];
    if (view.role.empty()) continue;
    v1::RoleInfo& role = *out.add_roles();
    role.set_role(view.role);
    role.set_view(plan.view_name(v));
    for (const uint32_t key : view.keys) role.add_keys(plan.keys[key].name);
  }
  const auto put = [](const PlanKey& from, v1::KeyInfo& info) {
    info.set_name(from.name);
    info.set_type(Text(TypeName(from.type)));
  };
  for (const PlanKey& key : plan.keys) put(key, *out.add_keys());
  for (const PlanKey& input : plan.inputs) put(input, *out.add_inputs());
  for (const DerivedFeature& derived : service.derived) {
    v1::DerivedInfo& info = *out.add_derived();
    info.set_name(derived.name);
    info.set_type(Text(TypeName(derived.type)));
    info.set_expression(derived.expression);
  }
  if (plan.event) out.set_count_request(plan.event->source->name);
  out.set_schema_id(plan.schema_id);
  *out.mutable_about() = About(service.about);
}

}  // namespace

Outcome DescribeCatalog(const Plans& plans, const Store& store, std::string_view service,
                        v1::DescribeCatalogResponse& response) {
  const Catalog& catalog = *plans.catalog();
  std::set<uint32_t> views;
  std::set<uint32_t> entities;
  std::set<uint32_t> sources;
  std::shared_ptr<const Plan> plan;
  if (!service.empty()) {
    if (auto error = plans.Service(service, plan)) return error;
    for (const PlanView& view : plan->views) views.insert(view.view);
  } else {
    for (uint32_t v = 0; v < catalog.views.size(); ++v) views.insert(v);
    for (uint32_t e = 0; e < catalog.entities.size(); ++e) entities.insert(e);
    for (uint32_t s = 0; s < catalog.sources.size(); ++s) sources.insert(s);
  }
  for (const uint32_t view : views) {
    entities.insert(catalog.views[view].entity);
    sources.insert(catalog.views[view].source);
  }
  response.set_project(catalog.project);
  response.set_clock(catalog.clock == ClockKind::kWall ? "wall" : "event_time");
  for (const uint32_t entity : entities) Put(catalog.entities[entity], *response.add_entities());
  for (const uint32_t view : views) Put(catalog, store, view, *response.add_views());
  for (const uint32_t source : sources) Put(catalog.sources[source], *response.add_sources());
  for (const FeatureService& declared : catalog.services) {
    if (!service.empty() && declared.name != service) continue;
    if (auto error = plans.Service(declared.name, plan)) return error;
    Put(*plan, declared, *response.add_services());
  }
  return std::nullopt;
}

}  // namespace freshet
