#include "featurestore/serve/plans.h"

#include <utility>

#include "featurestore/base/coding.h"
#include "featurestore/base/nearest.h"

namespace freshet {
namespace {

template <typename Things>
std::vector<std::string> NamesOf(const Things& things) {
  std::vector<std::string> names;
  for (const auto& thing : things) names.push_back(thing.name);
  return names;
}

// The wrong name and, where one is near, the right one: for programs.
std::vector<std::pair<std::string, std::string>> NameMetadata(
    const char* what, std::string_view wrong, const std::vector<std::string>& valid) {
  std::vector<std::pair<std::string, std::string>> metadata = {{what, std::string(wrong)}};
  if (auto nearest = NearestName(wrong, valid)) metadata.emplace_back("nearest", *nearest);
  return metadata;
}

ServeError UnknownFeature(const Catalog& catalog, std::string_view name, size_t index) {
  const auto where = fmt::format("features.names[{}]", index);
  const size_t colon = name.find(':');
  const std::string_view view_name = name.substr(0, colon);
  std::string message;
  std::vector<std::string> valid;
  const auto view = catalog.ViewIndex(view_name);
  if (view && colon != std::string_view::npos) {
    const FeatureView& found = catalog.views[*view];
    for (const Feature& feature : found.features) valid.push_back(found.name + ":" + feature.name);
    message = fmt::format("{}: feature view {} has no feature {}{}", where, found.name,
                          QuotedName(name.substr(colon + 1)), Suggestion(name, valid));
  } else {
    // A feature without its view is what people write first.
    if (colon == std::string_view::npos) {
      for (const FeatureView& candidate : catalog.views) {
        if (candidate.FeatureIndex(name)) valid.push_back(candidate.name + ":" + std::string(name));
      }
    }
    if (!valid.empty()) {
      message = fmt::format("{}: there is no feature view {}; did you mean {}?", where,
                            QuotedName(name), valid.front());
      return NotFoundError("UNKNOWN_FEATURE", std::move(message),
                           {{"feature", std::string(name)}, {"nearest", valid.front()}});
    }
    for (const FeatureService& service : catalog.services) {
      for (const ServedView& served : service.views) {
        if (served.role.empty() || served.role != view_name) continue;
        message = fmt::format(
            "{}: {} is a role of feature service {}, and a list of features has none; ask for the "
            "service, or for view {}",
            where, served.role, service.name, catalog.views[served.view].name);
        return NotFoundError("UNKNOWN_FEATURE", std::move(message),
                             {{"feature", std::string(name)}, {"feature_service", service.name}});
      }
    }
    valid = NamesOf(catalog.views);
    message = fmt::format(
        "{}: there is no feature view {}{}; write view:feature, or view for all of its features",
        where, QuotedName(view_name), Suggestion(view_name, valid));
  }
  return NotFoundError("UNKNOWN_FEATURE", std::move(message),
                       NameMetadata("feature", view ? name : view_name, valid));
}

// The feature's name, or view:feature where another view of the list has one of that name.
void NameServed(const Catalog& catalog, FeatureService& list) {
  const auto view_of = [&](const ServedFeature& one) -> const FeatureView& {
    return catalog.views[list.views[one.view].view];
  };
  std::unordered_map<std::string_view, uint32_t> views_of_name;
  std::unordered_map<std::string_view, bool> collides;
  for (const ServedFeature& one : list.features) {
    const std::string_view name = view_of(one).features[one.feature].name;
    const auto [at, fresh] = views_of_name.emplace(name, one.view);
    if (!fresh && at->second != one.view) collides[name] = true;
  }
  for (ServedFeature& one : list.features) {
    const std::string& name = view_of(one).features[one.feature].name;
    one.name = collides.contains(name) ? view_of(one).name + ":" + name : name;
  }
}

}  // namespace

Plans::Plans(std::shared_ptr<const Catalog> catalog) : catalog_(std::move(catalog)) {
  for (size_t s = 0; s < catalog_->services.size(); ++s) {
    const FeatureService& service = catalog_->services[s];
    const ServiceExpressions* expressions =
        s < catalog_->service_expressions.size() ? catalog_->service_expressions[s].get() : nullptr;
    services_[service.name] = CompilePlan(catalog_, service, expressions);
  }
}

Outcome Plans::Service(std::string_view name, std::shared_ptr<const Plan>& plan) const {
  const auto found = services_.find(name);
  if (found != services_.end()) {
    plan = found->second;
    return std::nullopt;
  }
  const std::vector<std::string> valid = NamesOf(catalog_->services);
  if (name.empty()) {
    return BadField(
        "MISSING_SELECTION", "selection",
        fmt::format("neither feature_service nor features is set{}", Suggestion(name, valid)));
  }
  return NotFoundError("UNKNOWN_FEATURE_SERVICE",
                       fmt::format("there is no feature service {} in project {}{}",
                                   QuotedName(name), catalog_->project, Suggestion(name, valid)),
                       NameMetadata("feature_service", name, valid));
}

Outcome Plans::Features(std::span<const std::string* const> names,
                        std::shared_ptr<const Plan>& plan) {
  if (names.size() > kMaxNames) {
    return BadField(
        "TOO_MANY_FEATURES", "features.names",
        fmt::format("{} names are more than {}; write view for all features of a view, "
                    "or declare a feature service",
                    names.size(), kMaxNames),
        {{"names", fmt::format("{}", names.size())}, {"max_names", fmt::format("{}", kMaxNames)}});
  }
  constexpr size_t kMaxKeptBytes = 64 * 1024;  // a longer list is compiled each time
  std::string key;
  ByteWriter writer(key);
  for (const std::string* name : names) {
    if (key.size() > kMaxKeptBytes) break;
    writer.LengthPrefixed(*name);
  }
  if (key.size() > kMaxKeptBytes) return CompileList(names, plan);
  {
    std::lock_guard lock(mutex_);
    const auto found = lists_.find(key);
    if (found != lists_.end()) {
      plan = found->second;
      return std::nullopt;
    }
  }
  if (auto error = CompileList(names, plan)) return error;
  std::lock_guard lock(mutex_);
  if (!lists_.emplace(key, plan).second) return std::nullopt;
  list_order_.push_back(std::move(key));
  if (list_order_.size() > kMaxLists) {
    lists_.erase(list_order_.front());
    list_order_.pop_front();
  }
  return std::nullopt;
}

Outcome Plans::CompileList(std::span<const std::string* const> names,
                           std::shared_ptr<const Plan>& plan) const {
  if (names.empty()) {
    return BadField("MISSING_SELECTION", "features.names",
                    "is empty; write view:feature, or view for all of its features");
  }
  FeatureService list;
  std::vector<uint32_t> used(catalog_->views.size(), kNoIndex);  // by view: index in list.views
  std::vector<std::vector<bool>> seen(catalog_->views.size());
  const auto add = [&](uint32_t view, uint32_t feature) {
    const FeatureView& declared = catalog_->views[view];
    if (used[view] == kNoIndex) {
      used[view] = static_cast<uint32_t>(list.views.size());
      seen[view].resize(declared.features.size());
      ServedView& served = list.views.emplace_back();
      served.view = view;
      for (const EntityKeyField& key : catalog_->entities[declared.entity].keys) {
        served.keys.push_back(key.name);
      }
    }
    if (seen[view][feature]) return;
    seen[view][feature] = true;
    list.features.push_back({used[view], feature, ""});
  };
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string_view name = *names[i];
    const size_t colon = name.find(':');
    const auto view = catalog_->ViewIndex(name.substr(0, colon));
    if (!view) return UnknownFeature(*catalog_, name, i);
    const FeatureView& found = catalog_->views[*view];
    if (colon == std::string_view::npos) {
      for (uint32_t feature = 0; feature < found.features.size(); ++feature) add(*view, feature);
      continue;
    }
    const auto feature = found.FeatureIndex(name.substr(colon + 1));
    if (!feature) return UnknownFeature(*catalog_, name, i);
    add(*view, *feature);
  }
  NameServed(*catalog_, list);
  plan = CompilePlan(catalog_, list);
  return std::nullopt;
}

}  // namespace freshet
