// Rows of a kilobyte in a store far larger than its memory, changed and looked up by a mixture of work: what several benches of
// RocksDB's settings have in common.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "featurestore/model/storage_tuning.h"
#include "featurestore/store/rocks_options.h"

namespace freshet::bench {

inline constexpr size_t kRowBytes = 1024;
inline constexpr size_t kWriteBatch = 1000;  // a micro-batch
inline constexpr size_t kReadBatch = 100;    // a request

struct WorkMix {
  const char* name;
  double writes;  // of all operations
};

struct Measured {
  double operations_per_second = 0;
  double write_amplification = 0;  // bytes written to files over those of rows that were put
  double read_amplification = 0;   // data blocks looked into for a row
  double compaction_read = 0;      // bytes that compaction read over those of rows that were put
  double stall_seconds = 0;
  double read_p99_us = 0;   // of a request of 100 rows
  double write_p99_us = 0;  // of a batch of 1000 rows
  double space = 0;         // bytes of files over those of the rows
  double hit_ratio = 0;     // of data blocks looked into
};

// The median of one of its fields, the first not counted.
double MedianOf(const std::vector<Measured>& all, double Measured::*field);

// An empty folder under /tmp; whoever asked removes it.
std::filesystem::path MakeFolder(const std::string& bench);

struct StoreLoadOptions {
  size_t rows = 400'000;
  uint64_t memory_bytes = 64ull << 20;
  std::optional<uint64_t> write_buffer_bytes;  // none: a quarter
  StorageTuning tuning;
  BackgroundWork background;
};

// Not thread-safe. Ends the program where RocksDB fails.
class StoreLoad {
 public:
  // Fills `folder`, which is removed first.
  StoreLoad(const std::filesystem::path& folder, const StoreLoadOptions& options);

  // `operations` rows put or looked up, of which `writes` (0 to 1) are puts; what was put is flushed and compacted at the end.
  Measured Do(double writes, size_t operations);

 private:
  static double Micros(std::chrono::steady_clock::time_point from);
  // Until nothing is to be flushed or merged any more.
  void Settle();
  // Half of a row compresses, as rows of panes do.
  void Put(rocksdb::WriteBatch& batch, size_t row);
  void Read();

  SharedRocks shared_;
  std::unique_ptr<rocksdb::DB> db_;
  size_t rows_;
  std::mt19937_64 random_{20130101};
};

}  // namespace freshet::bench
