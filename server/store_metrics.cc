#include "server/store_metrics.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace freshet {
namespace {

constexpr const char* kView = "view";
constexpr const char* kBloom = "freshet_rocksdb_bloom_filter_checks_total";
constexpr const char* kBloomHelp =
    "Bloom filter answers: absent spared a read, present was right, false_positive read in vain.";

// A number that RocksDB keeps by column family.
struct ViewNumber {
  uint64_t StoreStatistics::View::*number;
  const char* name;
  const char* help;
};

constexpr ViewNumber kViewGauges[] = {
    {&StoreStatistics::View::estimate_num_keys, "freshet_view_keys",
     "Entities of the view, RocksDB's estimate: a row that was written again before compaction "
     "came "
     "to it counts each time."},
    {&StoreStatistics::View::estimate_num_keys, "freshet_rocksdb_estimate_num_keys",
     "rocksdb.estimate-num-keys"},
    {&StoreStatistics::View::live_sst_files_bytes, "freshet_rocksdb_live_sst_files_bytes",
     "Size of the table files that are in use."},
    {&StoreStatistics::View::memtable_bytes, "freshet_rocksdb_memtable_bytes",
     "Rows in memory, not yet in a table file."},
    {&StoreStatistics::View::mem_table_flush_pending, "freshet_rocksdb_mem_table_flush_pending",
     "1 where a memtable waits to be written to disk."},
    {&StoreStatistics::View::compaction_pending, "freshet_rocksdb_compaction_pending",
     "1 where a compaction waits."},
    {&StoreStatistics::View::pending_compaction_bytes, "freshet_rocksdb_pending_compaction_bytes",
     "Bytes that compaction has yet to rewrite."},
};

// Totals of the whole data folder.
struct Total {
  uint64_t StoreStatistics::*number;
  const char* name;
  const char* help;
  prometheus::Labels labels;
};

const std::vector<Total>& Totals() {
  static const std::vector<Total> kTotals = {
      {&StoreStatistics::bloom_useful, kBloom, kBloomHelp, {{"result", "absent"}}},
      {&StoreStatistics::bloom_true_positive, kBloom, kBloomHelp, {{"result", "present"}}},
      {&StoreStatistics::rows_read,
       "freshet_rocksdb_rows_read_total",
       "Rows asked for by requests and ingestion, there or not.",
       {}},
      {&StoreStatistics::wal_bytes_written,
       "freshet_rocksdb_wal_written_bytes_total",
       "Bytes written to the write-ahead log.",
       {}},
      {&StoreStatistics::flush_bytes_written,
       "freshet_rocksdb_flush_written_bytes_total",
       "Bytes written by flushes of memtables.",
       {}},
      {&StoreStatistics::compaction_bytes_read,
       "freshet_rocksdb_compaction_read_bytes_total",
       "Bytes read by compactions.",
       {}},
      {&StoreStatistics::compaction_bytes_written,
       "freshet_rocksdb_compaction_written_bytes_total",
       "Bytes written by compactions.",
       {}},
  };
  return kTotals;
}

// Of views that are built from their logs, as long as they are.
class BuildMetrics {
 public:
  explicit BuildMetrics(Metrics& metrics)
      : passed_(metrics.GaugeFamily("freshet_view_build_passed_records",
                                    "Of a view that is built: offsets of its log behind it.")),
        total_(metrics.GaugeFamily("freshet_view_build_records",
                                   "Of a view that is built: offsets from its log's start to where "
                                   "it has to come.")),
        left_(metrics.GaugeFamily("freshet_view_build_remaining_seconds",
                                  "Of a view that is built: time it takes still, at the speed so "
                                  "far; no sample while that is not known.")) {}

  // `build`: none where the view is complete. A view is seen once a version.
  void Set(const std::string& view, const BuildStatus* build) {
    if (build == nullptr) return;
    Gauges& gauges = gauges_[view];
    gauges.seen = true;
    const prometheus::Labels labels = {{kView, view}};
    const auto set = [&labels](MetricFamily<Gauge>& family, Gauge*& gauge, double value) {
      if (gauge == nullptr) gauge = &family.Add(labels);
      gauge->Set(value);
    };
    set(passed_, gauges.passed, static_cast<double>(build->passed.load()));
    set(total_, gauges.total, static_cast<double>(build->total.load()));
    if (const auto left = build->SecondsLeft()) set(left_, gauges.left, *left);
  }
  // Those that were not set since the last call have no samples any more.
  void Forget() {
    for (auto at = gauges_.begin(); at != gauges_.end();) {
      Gauges& gauges = at->second;
      if (std::exchange(gauges.seen, false)) {
        ++at;
        continue;
      }
      passed_.Remove(gauges.passed);
      total_.Remove(gauges.total);
      if (gauges.left != nullptr) left_.Remove(gauges.left);
      at = gauges_.erase(at);
    }
  }

 private:
  struct Gauges {
    Gauge* passed = nullptr;
    Gauge* total = nullptr;
    Gauge* left = nullptr;
    bool seen = false;
  };
  MetricFamily<Gauge>& passed_;
  MetricFamily<Gauge>& total_;
  MetricFamily<Gauge>& left_;
  std::map<std::string, Gauges> gauges_;
};

class StoreMetrics {
 public:
  StoreMetrics(Store& store, Metrics& metrics)
      : store_(store),
        complete_since_(metrics.GaugeFamily(
            "freshet_view_complete_since_timestamp_seconds",
            "A window that reaches below it is only partly filled; no sample: always "
            "complete.")),
        false_positives_(
            metrics.CounterFamily(kBloom, kBloomHelp).Add({{"result", "false_positive"}})),
        stall_(metrics
                   .CounterFamily("freshet_rocksdb_stall_seconds_total",
                                  "Time that commits waited for compaction.")
                   .Add({})),
        pinned_(metrics
                    .GaugeFamily("freshet_rocksdb_block_cache_pinned_bytes",
                                 "Blocks in the cache that are held by readers or pinned.")
                    .Add({})),
        background_errors_(metrics
                               .GaugeFamily("freshet_rocksdb_background_errors",
                                            "Errors of flushes and compactions since start: above "
                                            "0, writes may have stopped.")
                               .Add({})),
        wal_(metrics
                 .GaugeFamily("freshet_rocksdb_wal_bytes",
                              "Write-ahead log files that are held now.")
                 .Add({})),
        delayed_write_rate_(
            metrics
                .GaugeFamily("freshet_rocksdb_actual_delayed_write_rate_bytes_per_second",
                             "What commits are slowed down to; 0: not delayed.")
                .Add({})),
        free_(
            metrics
                .GaugeFamily("freshet_storage_free_bytes", "Free space where the data folder lies.")
                .Add({})),
        size_(metrics
                  .GaugeFamily("freshet_storage_size_bytes",
                               "Table files and write-ahead logs of the data folder.")
                  .Add({})),
        budget_(
            metrics.GaugeFamily("freshet_memory_budget_bytes", "Share of storage.memory by part.")),
        used_(metrics.GaugeFamily("freshet_memory_used_bytes", "Memory in use by part.")),
        level_files_(metrics.GaugeFamily("freshet_rocksdb_level_files", "Table files by level.")),
        level_bytes_(
            metrics.GaugeFamily("freshet_rocksdb_level_bytes", "Bytes of table files by level.")),
        block_lookups_(metrics.CounterFamily("freshet_rocksdb_block_cache_lookups_total",
                                             "Lookups in the block cache by kind of block.")),
        build_(metrics) {
    for (const ViewNumber& gauge : kViewGauges) {
      view_gauges_[&gauge] = &metrics.GaugeFamily(gauge.name, gauge.help);
    }
    expired_ = &metrics.CounterFamily("freshet_rocksdb_expired_rows_dropped_total",
                                      "Rows past their ttl that compaction removed.");
    for (const Total& total : Totals()) {
      totals_.push_back(&metrics.CounterFamily(total.name, total.help).Add(total.labels));
    }
  }

  void Refresh() {
    const StoreStatistics now = store_.Statistics();
    std::set<std::string> complete;
    for (const StoreStatistics::View& view : now.views) {
      if (view.complete) complete.insert(view.view);
    }
    for (const StoreStatistics::View& view : now.views) {
      build_.Set(view.view, view.complete ? nullptr : &store_.view_status(view.id).build);
      // A version that is built beside one that answers has no numbers of its own.
      if (!view.complete && complete.contains(view.view)) continue;
      for (const ViewNumber& gauge : kViewGauges) {
        view_gauges_[&gauge]
            ->Add({{kView, view.view}})
            .Set(static_cast<double>(view.*gauge.number));
      }
      RaiseTo(expired_->Add({{kView, view.view}}), static_cast<double>(view.expired_rows_dropped));
      SetLevels(view);
      const int64_t since = store_.view_status(view.id).complete_since_us.load();
      if (since != kNoTime)
        complete_since_.Add({{kView, view.view}}).Set(static_cast<double>(since) / 1e6);
    }
    build_.Forget();
    for (size_t i = 0; i < totals_.size(); ++i)
      RaiseTo(*totals_[i], static_cast<double>(now.*Totals()[i].number));
    // RocksDB counts all positives and the true ones.
    RaiseTo(false_positives_,
            static_cast<double>(now.bloom_positive) - static_cast<double>(now.bloom_true_positive));
    RaiseTo(stall_, now.stall_seconds);
    pinned_.Set(static_cast<double>(now.block_cache_pinned));
    free_.Set(static_cast<double>(now.free_bytes));
    size_.Set(static_cast<double>(now.size_bytes));
    background_errors_.Set(static_cast<double>(now.background_errors));
    wal_.Set(static_cast<double>(now.wal_bytes));
    delayed_write_rate_.Set(static_cast<double>(now.actual_delayed_write_rate));
    for (const auto& lookups : now.block_cache_lookups) {
      RaiseTo(block_lookups_.Add({{"block", lookups.block}, {"result", "hit"}}),
              static_cast<double>(lookups.hits));
      RaiseTo(block_lookups_.Add({{"block", lookups.block}, {"result", "miss"}}),
              static_cast<double>(lookups.misses));
    }
    for (const MemoryPart& part : store_.Memory()) {
      budget_.Add({{"part", part.part}}).Set(static_cast<double>(part.budget_bytes));
      used_.Add({{"part", part.part}}).Set(static_cast<double>(part.used_bytes));
    }
  }

 private:
  // A level that compaction emptied says 0, rather than what it last held.
  void SetLevels(const StoreStatistics::View& view) {
    size_t& seen = levels_seen_[view.view];
    for (const auto& level : view.levels)
      seen = std::max(seen, static_cast<size_t>(level.level) + 1);
    std::vector<StoreStatistics::Level> levels(seen);
    for (const auto& level : view.levels) levels[static_cast<size_t>(level.level)] = level;
    for (size_t level = 0; level < seen; ++level) {
      const prometheus::Labels labels = {{kView, view.view}, {"level", std::to_string(level)}};
      level_files_.Add(labels).Set(static_cast<double>(levels[level].files));
      level_bytes_.Add(labels).Set(static_cast<double>(levels[level].bytes));
    }
  }

  Store& store_;
  MetricFamily<Gauge>& complete_since_;
  Counter& false_positives_;
  Counter& stall_;
  Gauge& pinned_;
  Gauge& background_errors_;
  Gauge& wal_;
  Gauge& delayed_write_rate_;
  Gauge& free_;
  Gauge& size_;
  MetricFamily<Gauge>& budget_;
  MetricFamily<Gauge>& used_;
  MetricFamily<Gauge>& level_files_;
  MetricFamily<Gauge>& level_bytes_;
  MetricFamily<Counter>& block_lookups_;
  std::map<std::string, size_t> levels_seen_;  // by view: how many levels have samples
  BuildMetrics build_;
  std::map<const ViewNumber*, MetricFamily<Gauge>*> view_gauges_;
  MetricFamily<Counter>* expired_;
  std::vector<Counter*> totals_;
};

}  // namespace

void ExportStoreMetrics(Store& store, Metrics& metrics) {
  auto refresh = std::make_shared<StoreMetrics>(store, metrics);
  metrics.OnScrape([refresh] { refresh->Refresh(); });
}

}  // namespace freshet
