#include "featurestore/declare/memory_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "featurestore/declare/scalar_forms.h"
#include "featurestore/model/storage_tuning.h"

namespace freshet {
namespace {

constexpr uint64_t kMiB = 1 << 20;
// 1 MiB fetched ahead (ingest.cc keeps no less), and as much for rows and the batch in hand.
constexpr uint64_t kLeastOfSource = 2 * kMiB;

std::string MiB(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / kMiB);
}

std::string Counted(size_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

}  // namespace

LeastMemory LeastMemoryOf(const Catalog& catalog) {
  LeastMemory least;
  least.write_buffers = catalog.views.size() * kArenaBlockBytes;
  least.ingest = catalog.sources.size() * kLeastOfSource;
  const double writes = std::max(static_cast<double>(least.write_buffers) * 7 / 3,
                                 static_cast<double>(least.ingest) * 7 / 4);
  const double total = writes / (1 - catalog.storage.read_share);
  least.total = static_cast<uint64_t>(std::ceil(total / kMiB)) * kMiB;
  return least;
}

void CheckMemoryBudget(const YamlNode& root, const Catalog& catalog, Diagnostics& diagnostics) {
  const StorageSettings& storage = catalog.storage;
  const LeastMemory least = LeastMemoryOf(catalog);
  if (least.total <= storage.memory_bytes) return;
  const YamlEntry* section = root.FindEntry("storage");
  const YamlEntry* memory = section != nullptr ? section->value.FindEntry("memory") : nullptr;
  const YamlNode& at = memory != nullptr    ? memory->value
                       : section != nullptr ? section->value
                                            : root;
  diagnostics.Error(
      at.place,
      fmt::format("memory is {}; at read_share {} it leaves {} to ingestion, where {} need {}, and "
                  "{} to write buffers, where {} need {}; raise it to {}, or lower "
                  "advanced.read_share",
                  FormatSize(storage.memory_bytes), storage.read_share, MiB(storage.ingest_bytes()),
                  Counted(catalog.sources.size(), "source"), MiB(least.ingest),
                  MiB(storage.memtable_bytes()), Counted(catalog.views.size(), "view"),
                  MiB(least.write_buffers), FormatSize(least.total)));
}

}  // namespace freshet
