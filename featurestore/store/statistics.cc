#include <rocksdb/metadata.h>
#include <rocksdb/statistics.h>
#include <rocksdb/transaction_log.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "featurestore/store/store_impl.h"

namespace freshet {
namespace {

uint64_t Property(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, const std::string& name) {
  uint64_t value = 0;
  return db.GetIntProperty(family, name, &value) ? value : 0;
}

}  // namespace

std::vector<MemoryPart> Store::Memory() const {
  const SharedRocks& shared = *impl_->shared;
  const uint64_t memtables = shared.write_buffers->memory_usage();
  // Memtables are in the cache's usage as reservations.
  const uint64_t reserved = shared.write_buffers->dummy_entries_in_cache_usage();
  const uint64_t cached = shared.cache->GetUsage();
  return {{"block_cache", shared.memory.block_cache, cached - std::min(cached, reserved)},
          {"write_buffers", shared.memory.write_buffers, memtables}};
}

UnboundedMemory Store::MemoryWithoutBound() const {
  UnboundedMemory memory;
  memory.block_cache = impl_->shared->memory.block_cache;
  memory.write_buffer = impl_->shared->memory.memtable;
  memory.buffers = impl_->shared->FixedFamilyOptions().max_write_buffer_number;
  const std::lock_guard lock(impl_->views_mutex);
  memory.families =
      impl_->families.size() + 5;  // meta, progress, dead letters, refusals, local log
  return memory;
}

StoreStatistics Store::Statistics() const {
  using P = rocksdb::DB::Properties;
  rocksdb::DB& db = *impl_->db;
  StoreStatistics result;

  for (auto* family :
       {impl_->meta, impl_->progress, impl_->dead_letters, impl_->refusals, impl_->local_log}) {
    if (family == nullptr) continue;
    result.size_bytes += Property(db, family, P::kTotalSstFilesSize);
  }
  const std::lock_guard lock(
      impl_->views_mutex);  // for families; the opened ones stay where they are
  for (const auto& [name, family] : impl_->families) {
    result.size_bytes += Property(db, family.handle, P::kTotalSstFilesSize);
  }
  for (uint32_t i = 0; i < impl_->view_count; ++i) {
    const OpenedView& opened = impl_->view({i});
    if (opened.dropped) continue;
    StoreStatistics::View& view = result.views.emplace_back();
    view.view = opened.name;
    view.id = ViewId{i};
    view.complete = opened.complete;
    view.estimate_num_keys = Property(db, opened.handle, P::kEstimateNumKeys);
    view.live_sst_files_bytes = Property(db, opened.handle, P::kLiveSstFilesSize);
    view.memtable_bytes = Property(db, opened.handle, P::kCurSizeAllMemTables);
    view.mem_table_flush_pending = Property(db, opened.handle, P::kMemTableFlushPending);
    view.compaction_pending = Property(db, opened.handle, P::kCompactionPending);
    view.pending_compaction_bytes = Property(db, opened.handle, P::kEstimatePendingCompactionBytes);
    view.expired_rows_dropped = opened.expiry->dropped();
    rocksdb::ColumnFamilyMetaData levels;
    db.GetColumnFamilyMetaData(opened.handle, &levels);
    for (const rocksdb::LevelMetaData& level : levels.levels) {
      if (!level.files.empty())
        view.levels.push_back({level.level, level.files.size(), level.size});
    }
  }

  const rocksdb::Cache& cache = *impl_->shared->cache;
  result.block_cache_capacity = cache.GetCapacity();
  result.block_cache_usage = cache.GetUsage();
  result.block_cache_pinned = cache.GetPinnedUsage();
  rocksdb::Statistics& tickers = *impl_->shared->statistics;
  result.block_cache_hits = tickers.getTickerCount(rocksdb::BLOCK_CACHE_HIT);
  result.block_cache_misses = tickers.getTickerCount(rocksdb::BLOCK_CACHE_MISS);
  result.block_cache_lookups = {{"data", tickers.getTickerCount(rocksdb::BLOCK_CACHE_DATA_HIT),
                                 tickers.getTickerCount(rocksdb::BLOCK_CACHE_DATA_MISS)},
                                {"index", tickers.getTickerCount(rocksdb::BLOCK_CACHE_INDEX_HIT),
                                 tickers.getTickerCount(rocksdb::BLOCK_CACHE_INDEX_MISS)},
                                {"filter", tickers.getTickerCount(rocksdb::BLOCK_CACHE_FILTER_HIT),
                                 tickers.getTickerCount(rocksdb::BLOCK_CACHE_FILTER_MISS)}};
  result.rows_read = tickers.getTickerCount(rocksdb::NUMBER_KEYS_READ) +
                     tickers.getTickerCount(rocksdb::NUMBER_MULTIGET_KEYS_READ);
  result.bloom_useful = tickers.getTickerCount(rocksdb::BLOOM_FILTER_USEFUL);
  result.bloom_positive = tickers.getTickerCount(rocksdb::BLOOM_FILTER_FULL_POSITIVE);
  result.bloom_true_positive = tickers.getTickerCount(rocksdb::BLOOM_FILTER_FULL_TRUE_POSITIVE);
  result.wal_bytes_written = tickers.getTickerCount(rocksdb::WAL_FILE_BYTES);
  result.flush_bytes_written = tickers.getTickerCount(rocksdb::FLUSH_WRITE_BYTES);
  result.compaction_bytes_read = tickers.getTickerCount(rocksdb::COMPACT_READ_BYTES);
  result.compaction_bytes_written = tickers.getTickerCount(rocksdb::COMPACT_WRITE_BYTES);
  result.stall_seconds = static_cast<double>(tickers.getTickerCount(rocksdb::STALL_MICROS)) / 1e6;
  // Counted in the default family, for whatever family it was.
  result.background_errors = Property(db, impl_->meta, P::kBackgroundErrors);
  result.actual_delayed_write_rate = Property(db, impl_->meta, P::kActualDelayedWriteRate);

  rocksdb::VectorLogPtr logs;
  if (db.GetSortedWalFiles(logs).ok()) {
    for (const auto& log : logs) result.wal_bytes += log->SizeFileBytes();
  }
  result.size_bytes += result.wal_bytes;
  struct statvfs disk {};
  if (statvfs(impl_->folder().c_str(), &disk) == 0) {
    result.free_bytes = static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
  }
  return result;
}

}  // namespace freshet
