// How RocksDB is set up, and how the memory budget is split.
#pragma once

#include <rocksdb/cache.h>
#include <rocksdb/options.h>
#include <rocksdb/rate_limiter.h>
#include <rocksdb/statistics.h>
#include <rocksdb/table.h>
#include <rocksdb/write_buffer_manager.h>

#include <cstdint>
#include <memory>
#include <optional>

#include "featurestore/model/storage_tuning.h"
#include "featurestore/store/expiry.h"

namespace freshet {

// memory_bytes in shares. The cache's capacity is all of it; memtables are charged to the cache as
// they grow, so blocks get what memtables do not hold, and never less than memory_bytes -
// write_buffers.
struct MemorySplit {
  uint64_t block_cache = 0;
  uint64_t write_buffers =
      0;  // a quarter or as asked, at most 512 MiB: more memtable than that buys nothing but slow restarts
  uint64_t memtable = 0;  // one memtable: 16 MiB where the budget allows it
};
MemorySplit SplitMemory(uint64_t memory_bytes,
                        std::optional<uint64_t> write_buffer_bytes = std::nullopt);

// What all column families of one Store share.
struct SharedRocks {
  explicit SharedRocks(uint64_t memory_bytes,
                       std::optional<uint64_t> write_buffer_bytes = std::nullopt,
                       const BackgroundWork& background = BackgroundWork());

  MemorySplit memory;
  BackgroundWork background;
  std::shared_ptr<rocksdb::Cache> cache;
  std::shared_ptr<rocksdb::WriteBufferManager> write_buffers;
  std::shared_ptr<rocksdb::Statistics> statistics;
  std::shared_ptr<rocksdb::RateLimiter> rate_limiter;  // null: none

  rocksdb::DBOptions DatabaseOptions() const;
  rocksdb::BlockBasedTableOptions TableOptions(const StorageTuning& tuning) const;
  // meta, progress, dead letters, refusals: small, short values.
  rocksdb::ColumnFamilyOptions FixedFamilyOptions() const;
  rocksdb::ColumnFamilyOptions ViewFamilyOptions(std::shared_ptr<Expiry> expiry,
                                                 const StorageTuning& tuning = {}) const;
};

}  // namespace freshet
