#include "featurestore/serve/plan.h"

#include <algorithm>

#include "featurestore/base/coding.h"
#include "featurestore/base/hash.h"

namespace freshet {
namespace {

using Kind = ServiceExpressions::Kind;

void AddSorted(std::vector<uint32_t>& to, uint32_t index) {
  const auto at = std::lower_bound(to.begin(), to.end(), index);
  if (at == to.end() || *at != index) to.insert(at, index);
}

class PlanCompiler {
 public:
  PlanCompiler(std::shared_ptr<const Catalog> catalog, const FeatureService& service)
      : plan_(std::make_shared<Plan>()), service_(service) {
    plan_->service = service.name;
    plan_->catalog = std::move(catalog);
  }

  std::shared_ptr<const Plan> Compile(const ServiceExpressions* expressions) {
    for (const ServedView& served : service_.views) AddView(served);
    plan_->columns.reserve(service_.features.size() + service_.derived.size());
    for (const ServedFeature& served : service_.features) AddFeature(served);
    for (const RequestInput& input : service_.inputs) {
      plan_->inputs.push_back({input.name, input.type});
    }
    plan_->first_derived = static_cast<uint32_t>(plan_->columns.size());
    if (expressions != nullptr) {
      for (size_t d = 0; d < service_.derived.size(); ++d) AddDerived(*expressions, d);
      KeepFeatures(*expressions);
    }
    if (service_.event) AddEvent(*service_.event);
    plan_->schema_id = SchemaId();
    return plan_;
  }

 private:
  uint32_t KeyIndex(const std::string& name, Type type) {
    for (uint32_t i = 0; i < plan_->keys.size(); ++i) {
      if (plan_->keys[i].name == name && plan_->keys[i].type == type) return i;
    }
    plan_->keys.push_back({name, type});
    return static_cast<uint32_t>(plan_->keys.size() - 1);
  }

  void AddView(const ServedView& served) {
    PlanView planned;
    planned.view = served.view;
    planned.role = served.role;
    planned.layout = plan_->catalog->layouts[served.view].get();
    planned.id = ViewId{plan_->catalog->StoreView(served.view)};
    const Entity& entity = plan_->catalog->entities[plan_->catalog->views[served.view].entity];
    for (size_t k = 0; k < entity.keys.size(); ++k) {
      planned.keys.push_back(KeyIndex(served.keys[k], entity.keys[k].type));
    }
    for (uint32_t i = 0; i < plan_->views.size() && !planned.same_rows; ++i) {
      const PlanView& other = plan_->views[i];
      if (other.view == planned.view && other.keys == planned.keys) planned.same_rows = i;
    }
    plan_->views.push_back(std::move(planned));
  }

  void AddFeature(const ServedFeature& served) {
    PlanView& view = plan_->views[served.view];
    view.features.push_back(served.feature);
    view.columns.push_back(static_cast<uint32_t>(plan_->columns.size()));
    const Feature& feature = plan_->catalog->views[view.view].features[served.feature];
    plan_->columns.push_back({.name = served.name,
                              .type = feature.type,
                              .vector_size = feature.vector_size,
                              .view = served.view,
                              .has_default = feature.default_value.has_value()});
  }

  void AddDerived(const ServiceExpressions& expressions, size_t d) {
    PlanDerived derived;
    derived.expression = &expressions.expressions[d];
    for (const uint32_t column : derived.expression->columns()) {
      const ServiceExpressions::Column& read = expressions.scope[column];
      switch (read.kind) {
        case Kind::kFeature:
          AddSorted(derived.views, service_.features[read.index].view);
          break;
        case Kind::kInput:
          AddSorted(derived.inputs, read.index);
          break;
        case Kind::kNow:
          derived.reads_now = true;
          break;
        case Kind::kDerived: {
          PlanDerived& earlier = plan_->derived[read.index];
          earlier.kept = true;
          for (const uint32_t view : earlier.views) AddSorted(derived.views, view);
          for (const uint32_t input : earlier.inputs) AddSorted(derived.inputs, input);
          derived.reads_now |= earlier.reads_now;
          break;
        }
      }
    }
    plan_->derived.push_back(std::move(derived));
    plan_->columns.push_back(
        {.name = service_.derived[d].name, .type = service_.derived[d].type, .view = kNoIndex});
  }

  // A place for the values of each feature that something is derived of.
  void KeepFeatures(const ServiceExpressions& expressions) {
    plan_->scope = expressions.scope;
    std::vector<uint32_t> slot(service_.features.size(), kNoIndex);
    for (const Expression& expression : expressions.expressions) {
      for (const uint32_t column : expression.columns()) {
        const ServiceExpressions::Column& read = expressions.scope[column];
        if (read.kind == Kind::kFeature && slot[read.index] == kNoIndex) {
          slot[read.index] = plan_->kept_features++;
        }
      }
    }
    for (ServiceExpressions::Column& column : plan_->scope) {
      if (column.kind == Kind::kFeature) column.index = slot[column.index];
    }
    for (PlanView& view : plan_->views) {
      std::vector<uint32_t> kept;
      for (const uint32_t column : view.columns) kept.push_back(slot[column]);
      const bool any =
          std::any_of(kept.begin(), kept.end(), [](uint32_t at) { return at != kNoIndex; });
      if (any) view.kept = std::move(kept);
    }
  }

  void AddEvent(const RequestEvent& event) {
    const Catalog& catalog = *plan_->catalog;
    PlanEvent& planned = plan_->event.emplace();
    planned.source = &catalog.sources[event.source];
    const DerivedFields* derived =
        event.source < catalog.derived.size() ? catalog.derived[event.source].get() : nullptr;
    if (derived != nullptr && !derived->empty()) planned.derived = derived;
    for (const RequestEvent::Given& given : event.given) {
      const Field& field = planned.source->fields[given.field];
      const uint32_t index = given.input ? *given.input : KeyIndex(given.key, field.type);
      planned.given.push_back({given.field, given.input.has_value(), index, field.required});
    }
    for (PlanView& view : plan_->views) {
      const FeatureView& declared = catalog.views[view.view];
      view.joins = declared.source == event.source;
      for (size_t k = 0; view.joins && k < view.keys.size(); ++k) {
        const uint32_t field = declared.key_fields[k];
        const bool is_the_key = std::any_of(
            planned.given.begin(), planned.given.end(), [&](const PlanEvent::Given& given) {
              return given.field == field && !given.is_input && given.index == view.keys[k];
            });
        if (!is_the_key) view.compared.emplace_back(field, view.keys[k]);
      }
    }
  }

  // What a client holds when it holds a schema: the order, names and types of the columns, and whose event times are whose.
  uint64_t SchemaId() const {
    std::string bytes;
    ByteWriter writer(bytes);
    for (size_t v = 0; v < plan_->views.size(); ++v) {
      writer.LengthPrefixed(plan_->view_label(v));
    }
    for (uint32_t c = 0; c < plan_->columns.size(); ++c) {
      const PlanColumn& column = plan_->columns[c];
      writer.LengthPrefixed(column.name);
      writer.Byte(static_cast<uint8_t>(column.type));
      if (column.type == kFloatVector) writer.Varint(column.vector_size);
      if (column.view == kNoIndex) {
        const std::vector<uint32_t>& views = plan_->derived[c - plan_->first_derived].views;
        writer.Byte(0xff);
        writer.Varint(views.size());
        for (const uint32_t view : views) writer.Varint(view);
        continue;
      }
      writer.Varint(column.view);
      writer.Byte(column.has_default ? 1 : 0);
    }
    return std::max<uint64_t>(Hash64(bytes), 1);
  }

  const std::shared_ptr<Plan> plan_;
  const FeatureService& service_;
};

}  // namespace

std::shared_ptr<const Plan> CompilePlan(std::shared_ptr<const Catalog> catalog,
                                        const FeatureService& service,
                                        const ServiceExpressions* expressions) {
  return PlanCompiler(std::move(catalog), service).Compile(expressions);
}

}  // namespace freshet
