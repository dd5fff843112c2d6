// RocksDB alone, as an expert would use it: batches of keys by MultiGet, each row changed in place, one WriteBatch.
#pragma once

#include <filesystem>
#include <memory>
#include <span>

#include "featurestore/store/store.h"

namespace freshet::bench {

class ReadModifyWrite {
 public:
  // A database of its own with the options of Freshet's, filled with the rows of `view`.
  ReadModifyWrite(const std::filesystem::path& folder, uint64_t memory_bytes, const Store& rows,
                  ViewId view);
  ~ReadModifyWrite();
  // Seconds that it takes to change the row of each card, so many at once.
  double Run(std::span<const size_t> cards, size_t batch);
  double row_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet::bench
