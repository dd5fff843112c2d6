// How RocksDB keeps the rows of one view (a view's `advanced`). None of it changes an answer, and all of it may be changed at any time:
// it counts from the next start on, and for files that are written from then on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "featurestore/base/cgroup.h"

namespace freshet {

// Write buffers are taken in blocks of this size: the least that a view with a row in memory has.
inline constexpr uint64_t kArenaBlockBytes = 64 << 10;

// What flushes write buffers and compacts files, of all views together.
struct BackgroundWork {
  uint32_t threads;        // 2 and more; RocksDB's "background jobs"
  uint32_t flush_threads;  // of them, at the higher priority: no flush waits for a compaction
  std::optional<uint64_t> bytes_per_second;  // that they may write, flushes first; none: no limit

  // As many threads as the process has processors, 2 to 4.
  BackgroundWork() : BackgroundWork(AvailableCpus()) {}
  explicit BackgroundWork(uint32_t cpus)
      : threads(std::clamp(cpus, 2u, 4u)), flush_threads(FlushThreadsOf(threads)) {}
  static uint32_t FlushThreadsOf(uint32_t threads) { return threads / 2; }
};

enum class CompactionStyle : uint8_t { kLeveled, kUniversal };
enum class FilterKind : uint8_t { kNone, kBloom, kRibbon };
enum class Compression : uint8_t { kNone, kSnappy, kLz4, kZstd };

struct StorageTuning {
  CompactionStyle compaction = CompactionStyle::kLeveled;
  FilterKind filter = FilterKind::kBloom;
  uint32_t filter_bits = 10;    // a key
  uint64_t block_bytes = 4096;  // of a data block, before compression
  bool hash_index = false;  // in each data block: a lookup finds its key without a binary search
  bool memtable_filter = false;            // a Bloom filter of whole keys in each memtable
  std::optional<Compression> compression;  // none: the fastest that RocksDB was built with
  std::optional<Compression> last_level_compression;  // none: as `compression`
  friend bool operator==(const StorageTuning&, const StorageTuning&) = default;
};

}  // namespace freshet
