#include "server/folder_facts.h"

#include <memory>
#include <string_view>

#include "featurestore/ingest/view_progress.h"
#include "featurestore/observe/metrics.h"
#include "featurestore/state/row.h"
#include "featurestore/store/store.h"
#include "server/doctor/rules.h"
#include "server/store_metrics.h"

namespace freshet {
namespace {

constexpr uint64_t kRowsLookedAt = 200'000;  // of a view: a second or so
// Compaction comes to every file within a day: what has expired longer ago should have left.
constexpr Duration kLeftBy = Duration::Days(2);

StatusOr<std::unique_ptr<Store>> OpenFolder(const Catalog& catalog) {
  StoreOptions options;
  options.path = catalog.storage.path;
  options.project = catalog.project;
  options.memory_bytes = catalog.storage.memory_bytes - catalog.storage.ingest_bytes();
  options.create_if_missing = false;
  options.read_only = true;
  return Store::Open(options);
}

// None: the folder has nothing of this version.
StatusOr<std::optional<ViewId>> OpenView(Store& store, const FeatureView& view) {
  const auto id = store.OpenView(StoreView::Of(view));
  if (absl::IsNotFound(id.status())) return std::nullopt;
  RETURN_IF_ERROR(id.status());
  return *id;
}

}  // namespace

StatusOr<Exposition> ReadFolderMetrics(const Catalog& catalog) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, OpenFolder(catalog));
  for (const FeatureView& view : catalog.views) RETURN_IF_ERROR(OpenView(*store, view).status());
  Metrics metrics;
  ExportStoreMetrics(*store, metrics);
  ASSIGN_OR_RETURN(Exposition exposition, Exposition::Parse(metrics.Expose()));
  exposition.Add({"freshet_memory_budget_bytes",
                  {{"part", "ingest"}},
                  static_cast<double>(catalog.storage.ingest_bytes())});
  return exposition;
}

Status AddExpiredRows(const Catalog& catalog, Exposition& exposition) {
  // By the events' clock a replay of a year expires rows faster than compaction comes round, and all is well.
  if (catalog.clock == ClockKind::kEventTime) return OkStatus();
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, OpenFolder(catalog));
  for (const FeatureView& view : catalog.views) {
    const auto keep = view.keep();
    if (!keep) continue;
    ASSIGN_OR_RETURN(const std::optional<ViewId> id, OpenView(*store, view));
    if (!id) continue;
    ASSIGN_OR_RETURN(const auto progress, store->ReadProgress(*id));
    const auto bound = ExpiryBound(progress, {});
    if (!bound) continue;
    const Timestamp left_by = *bound - *keep - kLeftBy;
    uint64_t rows = 0, expired = 0;
    RETURN_IF_ERROR(store->Scan(*id, [&](std::string_view, std::string_view row) {
      const auto newest = PeekNewest(row);
      if (newest && *newest < left_by) ++expired;
      return ++rows < kRowsLookedAt;
    }));
    exposition.Add({kSampledRows, {{"view", view.name}}, static_cast<double>(rows)});
    exposition.Add({kExpiredRows, {{"view", view.name}}, static_cast<double>(expired)});
  }
  return OkStatus();
}

}  // namespace freshet
