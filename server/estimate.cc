#include "server/estimate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include "featurestore/ingest/topic_check.h"
#include "featurestore/store/store.h"

namespace freshet {
namespace {

constexpr double kMiB = 1 << 20;
constexpr double kWriteBuffersMost = 512 * kMiB;  // docs/operations.md, Memory
constexpr double kHeaderBytes = 11;               // docs/storage_format.md, Rows
constexpr double kPlaceBytes = 1;                 // of a pane in its ring

// Bytes of an accumulator in a pane that saw a few events whose numbers are short decimals (prices, counts): an estimate needs what
// is usual, where `freshet validate` needs what is possible. Of kinds that keep many values, those of a few.
double UsualBytes(std::string_view accumulator) {
  constexpr std::array<std::pair<std::string_view, double>, 12> kBytes = {{{"rows", 1},
                                                                           {"count", 1},
                                                                           {"sum", 3},
                                                                           {"min", 3},
                                                                           {"max", 3},
                                                                           {"moments", 14},
                                                                           {"four_moments", 24},
                                                                           {"first", 10},
                                                                           {"last", 10},
                                                                           {"first_time", 3},
                                                                           {"last_time", 3},
                                                                           {"decayed", 10}}};
  constexpr double kOthers = 16;
  const std::string_view kind = accumulator.substr(0, accumulator.find_first_of(" ("));
  for (const auto& [name, bytes] : kBytes) {
    if (kind == name) return bytes;
  }
  return kind.starts_with("decayed") ? 10 : kOthers;
}

double Usual(const std::vector<std::string>& accumulators) {
  double bytes = 0;
  for (const std::string& accumulator : accumulators) bytes += UsualBytes(accumulator);
  return bytes;
}

double Seconds(Duration duration) { return static_cast<double>(duration.us) / 1e6; }

// Rows that saw `rate` events a second each, at times that know nothing of each other.
void EstimateRow(const RowLayout& layout, double rate, ViewEstimate& estimate) {
  const RowSize size = layout.size();
  estimate.panes_max = size.panes_max;
  estimate.row_bytes_max = size.bytes_max;
  const FeatureView& view = layout.view();
  const double reach = Seconds(LooksBack(view).value_or(view.keep().value_or(Duration::Days(365))));
  estimate.events_per_key = rate * reach;
  if (view.latest_values) {
    estimate.row_bytes = static_cast<double>(size.bytes_one_event);
    return;
  }
  double bytes = kHeaderBytes;
  const double time_bytes = view.history.us > 0 ? 3 : 0;
  std::set<uint32_t> chains;
  for (const RingInfo& ring : layout.rings()) {
    const double n = static_cast<double>(ring.panes_max);
    const double filled = 1 - std::exp(-rate * Seconds(ring.hop));
    // The newest event is in the first ring of its chain.
    const bool first = chains.insert(ring.chain).second && n >= 1;
    const double panes = first ? 1 + (n - 1) * filled : n * filled;
    estimate.panes += panes;
    bytes += 1 + panes * (kPlaceBytes + time_bytes + Usual(ring.accumulators));
  }
  constexpr double kRunTimes = 4;
  for (const RunListInfo& list : layout.run_lists()) {
    const double runs = std::clamp(estimate.events_per_key, 1.0,
                                   static_cast<double>(std::max<uint64_t>(list.runs_max, 1)));
    bytes += 1 + std::min(runs, 4.0) * (kRunTimes + Usual(list.accumulators));
  }
  constexpr double kEventPlace = 6, kField = 6, kIdBytes = 11;
  const double events =
      std::min(static_cast<double>(size.events_max), std::max(estimate.events_per_key, 1.0));
  if (size.events_max > 0) {
    bytes += 5 + events * (kEventPlace + kField * static_cast<double>(layout.log_fields().size()));
  }
  if (size.ids_max > 0) {
    bytes +=
        1 + std::min(static_cast<double>(size.ids_max), std::max(estimate.events_per_key, 1.0)) *
                kIdBytes;
  }
  // What stands in no ring, list or log: accumulators of a lifetime without a ttl.
  if (layout.rings().empty() && layout.run_lists().empty() && size.events_max == 0) {
    bytes = std::max(bytes, static_cast<double>(size.bytes_one_event));
  }
  estimate.row_bytes = std::min(bytes, static_cast<double>(size.bytes_max));
}

// How a budget of so much is split, by the project's read_share.
StorageSettings Budget(const Catalog& catalog, double memory) {
  StorageSettings budget = catalog.storage;
  budget.memory_bytes = static_cast<uint64_t>(memory);
  return budget;
}

double WriteBuffers(const StorageSettings& budget) {
  return std::min(static_cast<double>(budget.memtable_bytes()), kWriteBuffersMost);
}

// The least budget, in whole 64 MiB, of which the block cache is that large: write buffers leave it what they do not take.
double RoundedMemory(const Catalog& catalog, double block_cache) {
  double memory = block_cache / catalog.storage.read_share;
  const StorageSettings budget = Budget(catalog, memory);
  if (static_cast<double>(budget.memtable_bytes()) > kWriteBuffersMost) {
    const double ingest = static_cast<double>(budget.ingest_bytes()) / memory;
    memory = (block_cache + kWriteBuffersMost) / (1 - ingest);
  }
  return std::max(std::ceil(memory / (64 * kMiB)), 1.0) * 64 * kMiB;
}

StatusOr<double> NumberOf(const std::map<std::string, double>& numbers, const std::string& name,
                          std::string_view what, std::string_view option) {
  const auto found = numbers.find(name);
  if (found == numbers.end()) {
    return InvalidArgument("how many {} {} has is not said; give --{} {}=1e6", what, name, option,
                           name);
  }
  return found->second;
}

SourceEstimate EstimateSource(const Catalog& catalog, uint32_t index, double rate, double row_reads,
                              const EstimateInput& input) {
  SourceEstimate estimate;
  estimate.source = catalog.sources[index].name;
  estimate.rate = rate;
  estimate.row_reads = row_reads;
  size_t features = 0, views = 0;
  std::optional<Duration> back = Duration{};
  for (const FeatureView& view : catalog.views) {
    if (view.source != index) continue;
    features += view.features.size();
    ++views;
    const auto looks_back = LooksBack(view);
    back = back && looks_back
               ? std::optional(std::max(*back, *looks_back + view.history + view.lateness))
               : std::nullopt;
  }
  const double share = static_cast<double>(features) / assumed::kMeasuredFeatures;
  estimate.event_ns =
      input.event_ns * (assumed::kLeastEventShare + (1 - assumed::kLeastEventShare) * share) +
      static_cast<double>(views) * row_reads * assumed::kRowReadNs;
  estimate.cores = rate * estimate.event_ns / 1e9;
  estimate.rate_max = input.two_stages * 1e9 / estimate.event_ns;
  if (estimate.rate_max > rate) {
    estimate.catch_up_seconds = Seconds(input.outage) * rate / (estimate.rate_max - rate);
  }
  if (!back) return estimate;
  estimate.retention = *back + input.outage;
  if (estimate.rate_max > rate) {
    estimate.rebuild_seconds = Seconds(*estimate.retention) * rate / (estimate.rate_max - rate);
  }
  return estimate;
}

Status CheckNames(const Catalog& catalog, const EstimateInput& input) {
  for (const auto& [name, number] : input.keys) {
    const bool known =
        std::any_of(catalog.entities.begin(), catalog.entities.end(),
                    [&name = name](const Entity& entity) { return entity.name == name; });
    if (!known)
      return InvalidArgument("--keys {}={}: the project has no entity {}", name, number, name);
  }
  for (const auto& [name, number] : input.rates) {
    const bool known =
        std::any_of(catalog.sources.begin(), catalog.sources.end(),
                    [&name = name](const Source& source) { return source.name == name; });
    if (!known)
      return InvalidArgument("--rate {}={}: the project has no source {}", name, number, name);
  }
  return OkStatus();
}

}  // namespace

StatusOr<Estimate> EstimateProject(const Catalog& catalog, const EstimateInput& input) {
  RETURN_IF_ERROR(CheckNames(catalog, input));
  Estimate estimate;
  std::set<uint32_t> sources;
  double in_memory = 0;
  for (size_t i = 0; i < catalog.views.size(); ++i) {
    const FeatureView& view = catalog.views[i];
    ViewEstimate& one = estimate.views.emplace_back();
    one.view = view.name;
    one.entity = catalog.entities[view.entity].name;
    ASSIGN_OR_RETURN(one.keys, NumberOf(input.keys, one.entity, "keys", "keys"));
    ASSIGN_OR_RETURN(const double rate, NumberOf(input.rates, catalog.sources[view.source].name,
                                                 "events a second", "rate"));
    sources.insert(view.source);
    EstimateRow(*catalog.layouts[i], rate / std::max(one.keys, 1.0), one);
    const double stored = one.row_bytes + assumed::kKeyBytes + assumed::kEntryBytes;
    one.memory_bytes = one.keys * stored;
    one.disk_bytes = one.memory_bytes * assumed::kCompression * assumed::kSpaceAmplification;
    in_memory += one.memory_bytes;
  }
  estimate.block_cache_bytes = in_memory * input.hit_ratio;
  estimate.memory_bytes = RoundedMemory(catalog, estimate.block_cache_bytes);
  const StorageSettings budget = Budget(catalog, estimate.memory_bytes);
  const double cached = static_cast<double>(budget.ingest_bytes()) * assumed::kIngestRows /
                        (std::max(in_memory, 1.0) * assumed::kDecodedRow);
  const double row_reads = std::max(0.0, 1 - cached);
  for (const uint32_t source : sources) {
    const SourceEstimate& one = estimate.sources.emplace_back(EstimateSource(
        catalog, source, input.rates.at(catalog.sources[source].name), row_reads, input));
    estimate.cores += one.cores / assumed::kBusy;
  }
  const double memtable = std::clamp(WriteBuffers(budget) / 2, kMiB / 2, 16 * kMiB);
  for (ViewEstimate& one : estimate.views) {
    one.disk_bytes_max = one.disk_bytes + assumed::kLevel0Files * assumed::kCompression *
                                              std::min(memtable, one.memory_bytes);
    estimate.disk_bytes += one.disk_bytes_max;
  }
  estimate.process_bytes = estimate.memory_bytes * 1.25;
  estimate.disk_bytes += 2 * WriteBuffers(budget);  // the write-ahead log
  return estimate;
}

StatusOr<std::vector<MeasuredView>> MeasureFolder(const Catalog& catalog) {
  StoreOptions options;
  options.path = catalog.storage.path;
  options.project = catalog.project;
  options.create_if_missing = false;
  options.read_only = true;
  ASSIGN_OR_RETURN(const std::unique_ptr<Store> store, Store::Open(options));
  std::vector<MeasuredView> measured;
  for (const FeatureView& view : catalog.views) {
    MeasuredView& one = measured.emplace_back();
    one.view = view.name;
    const auto id = store->OpenView(StoreView::Of(view));
    if (absl::IsNotFound(id.status())) continue;
    RETURN_IF_ERROR(id.status());
    uint64_t bytes = 0;
    RETURN_IF_ERROR(store->Scan(*id, [&](std::string_view, std::string_view row) {
      ++one.rows;
      bytes += row.size();
      return true;
    }));
    if (one.rows > 0) one.row_bytes = static_cast<double>(bytes) / static_cast<double>(one.rows);
    for (const StoreStatistics::View& statistics : store->Statistics().views) {
      if (statistics.id == *id)
        one.disk_bytes = static_cast<double>(statistics.live_sst_files_bytes);
    }
  }
  return measured;
}

}  // namespace freshet
