// How a view of latest values is laid out.
#include <algorithm>

#include "featurestore/model/default_value.h"
#include "featurestore/state/row_layout_impl.h"

namespace freshet {

Status PlanLatest(RowLayout::Impl& impl) {
  LatestLayout latest;
  for (const Feature& feature : impl.view.features) {
    if (!feature.of || *feature.of >= impl.source.fields.size() ||
        impl.source.fields[*feature.of].type != feature.type) {
      return Internal("view {}: {} is no field of its source", impl.view.name, feature.name);
    }
    latest.fields.push_back({*feature.of, feature.type, feature.vector_size});
  }
  // By name: the order in which they are declared decides no stored byte.
  std::sort(latest.fields.begin(), latest.fields.end(),
            [&](const LatestLayout::Field& a, const LatestLayout::Field& b) {
              return impl.source.fields[a.field].name < impl.source.fields[b.field].name;
            });
  for (const Feature& feature : impl.view.features) {
    FeaturePlan plan;
    plan.place = FeaturePlace::kLatest;
    plan.window = feature.window;
    if (feature.default_value) plan.when_empty = AsValue(*feature.default_value, feature.type);
    const auto found =
        std::find_if(latest.fields.begin(), latest.fields.end(),
                     [&](const LatestLayout::Field& field) { return field.field == *feature.of; });
    plan.list = static_cast<uint32_t>(found - latest.fields.begin());
    impl.features.push_back(std::move(plan));
  }
  impl.has_text = std::any_of(latest.fields.begin(), latest.fields.end(), [](const auto& field) {
    return !IsScalar(field.type) || IsText(field.type);
  });
  impl.latest = std::move(latest);
  return OkStatus();
}

}  // namespace freshet
