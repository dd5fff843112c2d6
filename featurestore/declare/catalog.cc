#include "featurestore/declare/catalog.h"

#include <algorithm>

namespace freshet {
namespace {

template <typename Things>
std::optional<uint32_t> IndexOf(const Things& things, std::string_view name) {
  for (uint32_t i = 0; i < things.size(); ++i) {
    if (things[i].name == name) return i;
  }
  return std::nullopt;
}

}  // namespace

const FeatureService* Catalog::FindService(std::string_view name) const {
  const auto index = IndexOf(services, name);
  return index ? &services[*index] : nullptr;
}

std::optional<uint32_t> Catalog::ViewIndex(std::string_view name) const {
  return IndexOf(views, name);
}

std::optional<uint32_t> Catalog::SourceIndex(std::string_view name) const {
  return IndexOf(sources, name);
}

bool Catalog::IsRead(uint32_t source) const {
  return std::any_of(views.begin(), views.end(),
                     [source](const FeatureView& view) { return view.source == source; });
}

}  // namespace freshet
