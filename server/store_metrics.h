// What the store knows of itself, as metrics: RocksDB's properties and tickers, a view's keys, disk and memory. Read when
// scraped.
#pragma once

#include "featurestore/declare/catalog.h"
#include "featurestore/observe/metrics.h"
#include "featurestore/store/store.h"

namespace freshet {

// `catalog` and `store` must live as long as scrapes can come.
void ExportStoreMetrics(const Catalog& catalog, Store& store, Metrics& metrics);

}  // namespace freshet
