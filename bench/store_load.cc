#include "bench/store_load.h"

#include <rocksdb/statistics.h>
#include <stdlib.h>

#include <algorithm>
#include <numeric>
#include <thread>

#include "bench/check.h"
#include "bench/ingest/events.h"
#include "bench/report.h"

namespace freshet::bench {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

void CheckRocks(const rocksdb::Status& status) {
  if (!status.ok()) Die(Internal("{}", status.ToString()));
}

double Percentile(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  const auto at =
      values.begin() + static_cast<ptrdiff_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

}  // namespace

double MedianOf(const std::vector<Measured>& all, double Measured::*field) {
  std::vector<double> values;
  for (size_t i = 1; i < all.size(); ++i) values.push_back(all[i].*field);
  return Median(std::move(values));
}

fs::path MakeFolder(const std::string& bench) {
  std::string name = "/tmp/freshet-" + bench + "-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) Die(Internal("no folder under /tmp"));
  return name;
}

StoreLoad::StoreLoad(const fs::path& folder, const StoreLoadOptions& wanted)
    : shared_(wanted.memory_bytes, wanted.write_buffer_bytes, wanted.background),
      rows_(wanted.rows) {
  fs::remove_all(folder);
  rocksdb::Options options(shared_.DatabaseOptions(),
                           shared_.ViewFamilyOptions(std::make_shared<Expiry>(), wanted.tuning));
  options.compaction_filter_factory.reset();
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  CheckRocks(rocksdb::DB::Open(options, folder.string(), &opened));
  db_.reset(opened);
  std::vector<size_t> order(rows_);
  std::iota(order.begin(), order.end(), size_t{0});
  std::shuffle(order.begin(), order.end(), random_);
  for (size_t begin = 0; begin < rows_; begin += kWriteBatch) {
    rocksdb::WriteBatch batch;
    for (size_t i = begin; i < std::min(rows_, begin + kWriteBatch); ++i) Put(batch, order[i]);
    CheckRocks(db_->Write({}, &batch));
  }
  Settle();
}

Measured StoreLoad::Do(double writes, size_t operations) {
  Settle();
  const auto ticker = [this](rocksdb::Tickers t) {
    return static_cast<double>(shared_.statistics->getTickerCount(t));
  };
  const auto blocks = [&] {
    return ticker(rocksdb::BLOCK_CACHE_DATA_HIT) + ticker(rocksdb::BLOCK_CACHE_DATA_MISS);
  };
  const auto written = [&] {
    return ticker(rocksdb::FLUSH_WRITE_BYTES) + ticker(rocksdb::COMPACT_WRITE_BYTES);
  };
  const double written_before = written();
  const double hits_before = ticker(rocksdb::BLOCK_CACHE_DATA_HIT);
  const double blocks_before = blocks();
  const double read_before = ticker(rocksdb::COMPACT_READ_BYTES);
  const double stalls_before = ticker(rocksdb::STALL_MICROS);
  double touched = 0;
  double put = 0, got = 0;
  std::vector<double> reads_us, writes_us;
  double done_writes = 0;
  const auto begin = steady_clock::now();
  for (size_t done = 0; done < operations;) {
    const auto from = steady_clock::now();
    // Keeps the share of writes as the operations go on.
    if (done_writes <= writes * static_cast<double>(done)) {
      rocksdb::WriteBatch batch;
      for (size_t i = 0; i < kWriteBatch; ++i) Put(batch, random_() % rows_);
      CheckRocks(db_->Write({}, &batch));
      done += kWriteBatch;
      done_writes += kWriteBatch;
      put += static_cast<double>(kWriteBatch * kRowBytes);
      writes_us.push_back(Micros(from));
    } else {
      const double before = blocks();
      Read();
      touched += blocks() - before;
      done += kReadBatch;
      got += kReadBatch;
      reads_us.push_back(Micros(from));
    }
  }
  const double seconds = Micros(begin) / 1e6;
  const double hits = ticker(rocksdb::BLOCK_CACHE_DATA_HIT) - hits_before;
  const double looked_into = blocks() - blocks_before;
  // What was put is to be paid for whole.
  Settle();
  Measured measured;
  measured.operations_per_second = static_cast<double>(operations) / seconds;
  measured.write_amplification = put > 0 ? (written() - written_before) / put : 0;
  measured.compaction_read =
      put > 0 ? (ticker(rocksdb::COMPACT_READ_BYTES) - read_before) / put : 0;
  measured.read_amplification = got > 0 ? touched / got : 0;
  measured.stall_seconds = (ticker(rocksdb::STALL_MICROS) - stalls_before) / 1e6;
  measured.hit_ratio = looked_into > 0 ? hits / looked_into : 0;
  measured.read_p99_us = Percentile(reads_us, 0.99);
  measured.write_p99_us = Percentile(writes_us, 0.99);
  uint64_t live = 0;
  db_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &live);
  measured.space = static_cast<double>(live) / static_cast<double>(rows_ * kRowBytes);
  return measured;
}

double StoreLoad::Micros(steady_clock::time_point from) {
  return std::chrono::duration<double, std::micro>(steady_clock::now() - from).count();
}

void StoreLoad::Settle() {
  CheckRocks(db_->Flush({}));
  const auto busy = [this] {
    uint64_t sum = 0;
    for (const std::string& property :
         {rocksdb::DB::Properties::kMemTableFlushPending,
          rocksdb::DB::Properties::kCompactionPending, rocksdb::DB::Properties::kNumRunningFlushes,
          rocksdb::DB::Properties::kNumRunningCompactions}) {
      uint64_t value = 0;
      db_->GetIntProperty(property, &value);
      sum += value;
    }
    return sum > 0;
  };
  while (busy()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

void StoreLoad::Put(rocksdb::WriteBatch& batch, size_t row) {
  std::string value(kRowBytes, 'r');
  for (size_t i = 0; i < kRowBytes / 2; i += 8) {
    const uint64_t bits = random_();
    std::copy_n(reinterpret_cast<const char*>(&bits), 8, value.data() + i);
  }
  CheckRocks(batch.Put(CardKey(row), value));
}

void StoreLoad::Read() {
  std::vector<std::string> keys;
  for (size_t i = 0; i < kReadBatch; ++i) keys.push_back(CardKey(random_() % rows_));
  const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(kReadBatch);
  std::vector<rocksdb::Status> statuses(kReadBatch);
  db_->MultiGet({}, db_->DefaultColumnFamily(), kReadBatch, slices.data(), values.data(),
                statuses.data());
  for (const rocksdb::Status& status : statuses) CheckRocks(status);
}

}  // namespace freshet::bench
