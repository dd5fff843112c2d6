// Whether what a project declares can run within `storage.memory` at all.
#pragma once

#include "featurestore/declare/catalog.h"
#include "featurestore/declare/diagnostics.h"
#include "featurestore/declare/yaml_document.h"

namespace freshet {

// What is needed whatever is asked for and however slowly: a block of write buffer a view, and of each source what is fetched ahead of
// it and the rows that a batch changes.
struct LeastMemory {
  uint64_t write_buffers = 0;
  uint64_t ingest = 0;
  // storage.memory that has both at the settings' read_share.
  uint64_t total = 0;
};
LeastMemory LeastMemoryOf(const Catalog& catalog);

// An error at `storage.memory` (or `storage`, the file) where it is less than that.
void CheckMemoryBudget(const YamlNode& root, const Catalog& catalog, Diagnostics& diagnostics);

}  // namespace freshet
