// How RocksDB keeps the rows of one view (a view's `advanced`). None of it changes an answer, and all of it may be changed at any time:
// it counts from the next start on, and for files that are written from then on.
#pragma once

#include <cstdint>
#include <optional>

namespace freshet {

// Write buffers are taken in blocks of this size: the least that a view with a row in memory has.
inline constexpr uint64_t kArenaBlockBytes = 64 << 10;

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
