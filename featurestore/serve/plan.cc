#include "featurestore/serve/plan.h"

#include <algorithm>
#include <utility>

#include "featurestore/base/coding.h"
#include "featurestore/base/hash.h"

namespace freshet {
namespace {

uint32_t KeyIndex(Plan& plan, const EntityKeyField& key) {
  for (uint32_t i = 0; i < plan.keys.size(); ++i) {
    if (plan.keys[i].name == key.name && plan.keys[i].type == key.type) return i;
  }
  plan.keys.push_back({key.name, key.type});
  return static_cast<uint32_t>(plan.keys.size() - 1);
}

uint32_t PlanViewIndex(Plan& plan, uint32_t view) {
  for (uint32_t i = 0; i < plan.views.size(); ++i) {
    if (plan.views[i].view == view) return i;
  }
  PlanView planned;
  planned.view = view;
  planned.layout = plan.catalog->layouts[view].get();
  const Entity& entity = plan.catalog->entities[plan.catalog->views[view].entity];
  for (const EntityKeyField& key : entity.keys) planned.keys.push_back(KeyIndex(plan, key));
  plan.views.push_back(std::move(planned));
  return static_cast<uint32_t>(plan.views.size() - 1);
}

// What a client holds when it holds a schema: the order, names and types of the columns, and whose event times are whose.
uint64_t SchemaId(const Plan& plan) {
  std::string bytes;
  ByteWriter writer(bytes);
  for (const PlanView& view : plan.views) {
    writer.LengthPrefixed(plan.catalog->views[view.view].name);
  }
  for (const PlanColumn& column : plan.columns) {
    writer.LengthPrefixed(column.name);
    writer.Byte(static_cast<uint8_t>(column.type));
    if (column.type == kFloatVector) writer.Varint(column.vector_size);
    writer.Varint(column.view);
    writer.Byte(column.has_default ? 1 : 0);
  }
  return std::max<uint64_t>(Hash64(bytes), 1);
}

}  // namespace

std::shared_ptr<const Plan> CompilePlan(std::shared_ptr<const Catalog> catalog, std::string service,
                                        const std::vector<ServedFeature>& features) {
  auto plan = std::make_shared<Plan>();
  plan->service = std::move(service);
  plan->catalog = std::move(catalog);
  plan->columns.reserve(features.size());
  for (const ServedFeature& served : features) {
    const uint32_t view = PlanViewIndex(*plan, served.view);
    plan->views[view].features.push_back(served.feature);
    plan->views[view].columns.push_back(static_cast<uint32_t>(plan->columns.size()));
    const Feature& feature = plan->catalog->views[served.view].features[served.feature];
    plan->columns.push_back({.name = served.name,
                             .type = feature.type,
                             .vector_size = feature.vector_size,
                             .view = view,
                             .has_default = feature.default_value.has_value()});
  }
  plan->schema_id = SchemaId(*plan);
  return plan;
}

}  // namespace freshet
