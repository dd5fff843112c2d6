// What a project will take: bytes a row, disk, memory, cores, and how long its log must be kept; from the declaration, how many
// entities there are and how many events come. Formulas and what they assume: docs/operations.md, How large it will be.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/base/time.h"
#include "featurestore/declare/catalog.h"

namespace freshet {

struct EstimateInput {
  std::map<std::string, double> keys;   // by entity: how many have an event within their views' ttl
  std::map<std::string, double> rates;  // by source: events a second
  Duration outage = Duration::Hours(1);
  double hit_ratio = 0.9;  // of data blocks, all rows asked for alike
  double event_ns =
      1'804;  // of CPU, for kMeasuredFeatures: bench/README.md, kafka_vs_count, 2026-11-30
  double two_stages = 1.4;  // events a second of one source, by events a CPU-second: the same
};

struct ViewEstimate {
  std::string view;
  std::string entity;
  double keys = 0;
  double events_per_key = 0;  // within what the view's windows reach
  double panes = 0;           // filled, of a row
  uint64_t panes_max = 0;
  double row_bytes = 0;
  uint64_t row_bytes_max = 0;
  double disk_bytes = 0;  // of all rows, compacted
  double disk_bytes_max =
      0;  // and with level 0 full: rows that change all the time are there several times
  double memory_bytes = 0;  // of all rows, in blocks with their filters and indexes
};

struct SourceEstimate {
  std::string source;
  double rate = 0;
  double event_ns = 0;   // with the rows that are read for it
  double row_reads = 0;  // share of events whose row is not in ingestion's cache
  double cores = 0;
  double rate_max = 0;                     // what one source can take
  std::optional<double> catch_up_seconds;  // after the outage; none: never
  std::optional<Duration> retention;       // of its topic; none: for ever
  std::optional<double>
      rebuild_seconds;  // of its views from that log; none: it never ends, or is not known
};

struct Estimate {
  std::vector<ViewEstimate> views;
  std::vector<SourceEstimate> sources;
  double disk_bytes = 0;  // rows with level 0 full, and write-ahead log
  double block_cache_bytes = 0;
  double memory_bytes = 0;   // storage.memory, whole 64 MiB
  double process_bytes = 0;  // a quarter above
  double cores = 0;
};

// What is assumed; named in what is printed.
namespace assumed {
inline constexpr double kKeyBytes = 16;  // of an entity, as stored
inline constexpr double kEntryBytes =
    14;  // RocksDB's, a row: sequence, lengths, its share of index and filter
inline constexpr double kCompression = 0.85;        // LZ4, of rows
inline constexpr double kSpaceAmplification = 1.2;  // levels between the first and the last
inline constexpr double kLevel0Files = 4;  // before they are compacted, each of a memtable at most
inline constexpr double kMeasuredFeatures = 10;  // of what event_ns is
inline constexpr double kRowReadNs =
    8'600;  // of CPU, a row that is read, changed and written: uniform_vs_rmw less memory_vs_count
inline constexpr double kDecodedRow = 3;  // bytes of a row in ingestion's cache, by a byte stored
inline constexpr double kIngestRows = 3.0 / 8;   // of ingestion's part, for these
inline constexpr double kLeastEventShare = 0.4;  // fetching and decoding, however few features
inline constexpr double kBusy = 0.6;  // of a core, so that there is something left to catch up with
}  // namespace assumed

// INVALID_ARGUMENT where an entity or a source of a view has no number, or a name is nobody's.
StatusOr<Estimate> EstimateProject(const Catalog& catalog, const EstimateInput& input);

// What a data folder holds of a view, for a look at how near an estimate is. Reads every row.
struct MeasuredView {
  std::string view;
  uint64_t rows = 0;
  double row_bytes = 0;
  double disk_bytes = 0;  // table files
};
StatusOr<std::vector<MeasuredView>> MeasureFolder(const Catalog& catalog);

}  // namespace freshet
