#include "featurestore/store/rocks_options.h"

#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <utility>

namespace freshet {
namespace {

constexpr uint64_t kMiB = 1ull << 20;

bool IsSupported(rocksdb::CompressionType type) {
  const auto supported = rocksdb::GetSupportedCompressions();
  return std::find(supported.begin(), supported.end(), type) != supported.end();
}

rocksdb::CompressionType FastCompression() {
  for (const auto type : {rocksdb::kLZ4Compression, rocksdb::kZSTD, rocksdb::kSnappyCompression}) {
    if (IsSupported(type)) return type;
  }
  return rocksdb::kNoCompression;
}

// The one that is asked for, where RocksDB was built with it.
rocksdb::CompressionType CompressionOf(Compression asked) {
  const auto type = [asked] {
    switch (asked) {
      case Compression::kNone:
        return rocksdb::kNoCompression;
      case Compression::kSnappy:
        return rocksdb::kSnappyCompression;
      case Compression::kLz4:
        return rocksdb::kLZ4Compression;
      case Compression::kZstd:
        return rocksdb::kZSTD;
    }
    return rocksdb::kNoCompression;
  }();
  return type == rocksdb::kNoCompression || IsSupported(type) ? type : FastCompression();
}

std::shared_ptr<const rocksdb::FilterPolicy> FilterOf(const StorageTuning& tuning) {
  switch (tuning.filter) {
    case FilterKind::kNone:
      return nullptr;
    case FilterKind::kBloom:
      return std::shared_ptr<const rocksdb::FilterPolicy>(
          rocksdb::NewBloomFilterPolicy(tuning.filter_bits));
    case FilterKind::kRibbon:
      return std::shared_ptr<const rocksdb::FilterPolicy>(
          rocksdb::NewRibbonFilterPolicy(tuning.filter_bits));
  }
  return nullptr;
}

// All keys are of one prefix: where the last key went in is where the search for the next one's place begins. Commits put their rows
// in the order of their keys (ingest/processor.cc), so that it is short.
class OnePrefix final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "freshet.OnePrefix"; }
  rocksdb::Slice Transform(const rocksdb::Slice&) const override { return {}; }
  bool InDomain(const rocksdb::Slice&) const override { return true; }
};

}  // namespace

MemorySplit SplitMemory(uint64_t memory_bytes, std::optional<uint64_t> write_buffer_bytes) {
  MemorySplit split;
  split.write_buffers = std::clamp(write_buffer_bytes.value_or(memory_bytes / 4), kMiB, 512 * kMiB);
  split.block_cache = memory_bytes > split.write_buffers ? memory_bytes - split.write_buffers : 0;
  // Half of the share at most, so that one can fill while another is flushed.
  split.memtable = std::clamp(split.write_buffers / 2, kMiB / 2, 16 * kMiB);
  return split;
}

SharedRocks::SharedRocks(uint64_t memory_bytes, std::optional<uint64_t> write_buffer_bytes,
                         const BackgroundWork& work)
    : memory(SplitMemory(memory_bytes, write_buffer_bytes)), background(work) {
  rocksdb::LRUCacheOptions cache_options;
  cache_options.capacity = memory.block_cache + memory.write_buffers;
  cache_options.strict_capacity_limit = false;  // a read never fails for want of cache
  cache_options.high_pri_pool_ratio = 0.3;  // indexes and filters, which a scan must not push out
  cache = rocksdb::NewLRUCache(cache_options);
  write_buffers = std::make_shared<rocksdb::WriteBufferManager>(memory.write_buffers, cache);
  statistics = rocksdb::CreateDBStatistics();
  statistics->set_stats_level(rocksdb::StatsLevel::kExceptHistogramOrTimers);
  if (background.bytes_per_second) {
    rate_limiter.reset(
        rocksdb::NewGenericRateLimiter(static_cast<int64_t>(*background.bytes_per_second)));
  }
}

rocksdb::DBOptions SharedRocks::DatabaseOptions() const {
  rocksdb::DBOptions options;
  options.statistics = statistics;
  options.write_buffer_manager = write_buffers;
  options.paranoid_checks = true;
  // Commits are unsynced: after a power cut the log's tail is missing, and everything before it is
  // one state.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  // A family that is seldom written would otherwise pin every log.
  options.max_total_wal_size = std::max(2 * memory.write_buffers, 32 * kMiB);
  // One thread commits; others write now and then. The plain memtable insert is the faster one for
  // that.
  options.allow_concurrent_memtable_write = false;
  options.enable_pipelined_write = false;
  // Flushes have threads of their own, of a higher priority: no commit waits for a compaction to end.
  options.max_background_jobs = static_cast<int>(background.threads);
  options.max_background_flushes = static_cast<int>(background.flush_threads);
  options.max_background_compactions =
      static_cast<int>(background.threads - background.flush_threads);
  options.rate_limiter = rate_limiter;
  options.max_file_opening_threads = 2;
  options.max_open_files = 512;
  options.bytes_per_sync = kMiB;  // no burst of writeback at the end of a file
  options.max_manifest_file_size = 64 * kMiB;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  options.max_log_file_size = 4 * kMiB;
  options.keep_log_file_num = 4;
  options.stats_dump_period_sec = 0;  // Statistics() is asked instead
  options.stats_persist_period_sec = 0;
  return options;
}

rocksdb::BlockBasedTableOptions SharedRocks::TableOptions(const StorageTuning& tuning) const {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  table.filter_policy = FilterOf(tuning);
  table.block_size = tuning.block_bytes;
  if (tuning.hash_index) {
    table.data_block_index_type = rocksdb::BlockBasedTableOptions::kDataBlockBinaryAndHash;
  }
  table.whole_key_filtering = true;
  // Filters and indexes are in pieces that come and go in the cache; only their top levels are
  // pinned, so that memory keeps to the budget however many rows there are.
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_top_level_index_and_filter = true;
  table.pin_l0_filter_and_index_blocks_in_cache = false;
  return table;
}

rocksdb::ColumnFamilyOptions SharedRocks::FixedFamilyOptions() const {
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(TableOptions({})));
  options.write_buffer_size = std::min(memory.memtable, 4 * kMiB);
  options.max_write_buffer_number = 3;
  options.compression = FastCompression();
  options.bottommost_compression = FastCompression();  // a read that misses the cache pays for it
  options.level_compaction_dynamic_level_bytes = true;
  return options;
}

rocksdb::ColumnFamilyOptions SharedRocks::ViewFamilyOptions(std::shared_ptr<Expiry> expiry,
                                                            const StorageTuning& tuning) const {
  rocksdb::ColumnFamilyOptions options = FixedFamilyOptions();
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(TableOptions(tuning)));
  if (tuning.compaction == CompactionStyle::kUniversal) {
    options.compaction_style = rocksdb::kCompactionStyleUniversal;
    options.level_compaction_dynamic_level_bytes = false;
  }
  if (tuning.compression) {
    options.compression = CompressionOf(*tuning.compression);
    options.bottommost_compression = options.compression;
  }
  if (tuning.last_level_compression) {
    options.bottommost_compression = CompressionOf(*tuning.last_level_compression);
  }
  if (tuning.memtable_filter) {
    options.memtable_whole_key_filtering = true;
    options.memtable_prefix_bloom_size_ratio = 0.1;
  }
  // Measured: 16 MiB against 64 takes commits from 400k to 487k events a CPU-second (the skip list
  // is shallower and stays in the CPU's cache).
  options.write_buffer_size = memory.memtable;
  options.arena_block_size = kArenaBlockBytes;
  options.memtable_insert_with_hint_prefix_extractor = std::make_shared<OnePrefix>();
  options.max_bytes_for_level_base = 8 * memory.memtable;
  // Keys that are asked for and not there are ordinary (a card never seen): filters of the last
  // level stay.
  options.optimize_filters_for_hits = false;
  options.compaction_filter_factory = NewExpiryFilterFactory(std::move(expiry));
  // Rows that nothing overwrites meet the filter too, within a day of their expiry.
  options.periodic_compaction_seconds = 24 * 60 * 60;
  return options;
}

}  // namespace freshet
