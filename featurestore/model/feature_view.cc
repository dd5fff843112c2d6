#include "featurestore/model/feature_view.h"

namespace freshet {

std::optional<uint32_t> FeatureView::FeatureIndex(std::string_view feature) const {
  for (uint32_t i = 0; i < features.size(); ++i) {
    if (features[i].name == feature) return i;
  }
  return std::nullopt;
}

}  // namespace freshet
