// What the store knows of itself, as metrics: RocksDB's properties and tickers, a view's keys, disk and memory. Read when
// scraped.
#pragma once

#include "featurestore/observe/metrics.h"
#include "featurestore/store/store.h"

namespace freshet {

// Of the views that are open in it. `store` must live as long as scrapes can come.
void ExportStoreMetrics(Store& store, Metrics& metrics);

}  // namespace freshet
