#include "featurestore/verify/verify_store.h"

#include <algorithm>

#include "featurestore/base/nearest.h"
#include "featurestore/verify/verify_source.h"

namespace freshet {
namespace {

StatusOr<std::vector<uint32_t>> ChosenViews(const Catalog& catalog,
                                            const std::vector<std::string>& names) {
  std::vector<uint32_t> chosen;
  if (names.empty()) {
    for (uint32_t v = 0; v < catalog.views.size(); ++v) chosen.push_back(v);
    return chosen;
  }
  std::vector<std::string> known;
  for (const FeatureView& view : catalog.views) known.push_back(view.name);
  for (const std::string& name : names) {
    const auto index = catalog.ViewIndex(name);
    if (!index) {
      return NotFound("project {} has no feature view {}{}", catalog.project, name,
                      Suggestion(name, known));
    }
    chosen.push_back(*index);
  }
  std::sort(chosen.begin(), chosen.end());
  chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
  return chosen;
}

}  // namespace

bool VerifyReport::ok() const {
  return std::all_of(views.begin(), views.end(),
                     [](const ViewVerified& view) { return view.ok(); });
}

StatusOr<VerifyReport> VerifyStore(const Catalog& catalog, Store& store, const VerifyLog& log,
                                   const VerifyOptions& options) {
  ASSIGN_OR_RETURN(const std::vector<uint32_t> chosen, ChosenViews(catalog, options.views));
  VerifyReport report;
  report.views.resize(chosen.size());
  std::map<uint32_t, std::vector<ViewToVerify>> by_source;
  for (size_t i = 0; i < chosen.size(); ++i) {
    const FeatureView& view = catalog.views[chosen[i]];
    ViewVerified& verified = report.views[i];
    verified.view = view.name;
    verified.version = view.version;
    verified.source = catalog.sources[view.source].name;
    const auto id = store.OpenView(StoreView::Of(view));
    if (absl::IsNotFound(id.status())) {
      verified.not_built = true;
      continue;
    }
    RETURN_IF_ERROR(id.status());
    verified.complete = store.IsComplete(*id);
    by_source[view.source].push_back({chosen[i], *id, &verified});
  }
  for (auto& [source, views] : by_source) {
    ASSIGN_OR_RETURN(SourceVerified verified,
                     VerifySource(catalog, source, views, store, log, options));
    report.sources.push_back(std::move(verified));
  }
  return report;
}

}  // namespace freshet
