// Leveled or universal compaction? Rows of a store far larger than its memory are changed and looked up by three mixtures of work; of
// each style: operations/s, how often a byte is written and read, what lookups touch, stalls, times and disk.
//
//   ./run bench compaction [ROWS]     400,000 rows of a kilobyte unless said; also writes build/bench/compaction.svg

#include <rocksdb/db.h>
#include <rocksdb/statistics.h>
#include <rocksdb/write_batch.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "bench/bars_svg.h"
#include "bench/check.h"
#include "bench/ingest/events.h"
#include "bench/report.h"
#include "featurestore/store/rocks_options.h"

namespace freshet::bench {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr size_t kRowBytes = 1024;
constexpr size_t kWriteBatch = 1000;  // a micro-batch
constexpr size_t kReadBatch = 100;    // a request
constexpr uint64_t kMemoryBytes = 64ull << 20;
constexpr int kPairs = 3;

struct Work {
  const char* name;
  double writes;  // of all operations
};
constexpr Work kWorks[] = {{"heavy-write", 0.9}, {"balanced", 0.5}, {"heavy-read", 0.1}};

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

struct Measured {
  double operations_per_second = 0;
  double write_amplification = 0;  // bytes written to files over those of rows that were put
  double read_amplification = 0;   // data blocks looked into for a row
  double compaction_read = 0;      // bytes that compaction read over those of rows that were put
  double stall_seconds = 0;
  double read_p99_us = 0;   // of a request of 100 rows
  double write_p99_us = 0;  // of a batch of 1000 rows
  double space = 0;         // bytes of files over those of the rows
};

class Subject {
 public:
  Subject(const fs::path& folder, CompactionStyle style, size_t rows)
      : shared_(kMemoryBytes), rows_(rows) {
    fs::remove_all(folder);
    StorageTuning tuning;
    tuning.compaction = style;
    rocksdb::Options options(shared_.DatabaseOptions(),
                             shared_.ViewFamilyOptions(std::make_shared<Expiry>(), tuning));
    options.compaction_filter_factory.reset();
    options.create_if_missing = true;
    rocksdb::DB* opened = nullptr;
    CheckRocks(rocksdb::DB::Open(options, folder.string(), &opened));
    db_.reset(opened);
    std::vector<size_t> order(rows);
    std::iota(order.begin(), order.end(), size_t{0});
    std::shuffle(order.begin(), order.end(), random_);
    for (size_t begin = 0; begin < rows; begin += kWriteBatch) {
      rocksdb::WriteBatch batch;
      for (size_t i = begin; i < std::min(rows, begin + kWriteBatch); ++i) Put(batch, order[i]);
      CheckRocks(db_->Write({}, &batch));
    }
    Settle();
  }

  Measured Do(double writes, size_t operations) {
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
    // What was put is to be paid for whole.
    Settle();
    Measured measured;
    measured.operations_per_second = static_cast<double>(operations) / seconds;
    measured.write_amplification = put > 0 ? (written() - written_before) / put : 0;
    measured.compaction_read =
        put > 0 ? (ticker(rocksdb::COMPACT_READ_BYTES) - read_before) / put : 0;
    measured.read_amplification = got > 0 ? touched / got : 0;
    measured.stall_seconds = (ticker(rocksdb::STALL_MICROS) - stalls_before) / 1e6;
    measured.read_p99_us = Percentile(reads_us, 0.99);
    measured.write_p99_us = Percentile(writes_us, 0.99);
    uint64_t live = 0;
    db_->GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &live);
    measured.space = static_cast<double>(live) / static_cast<double>(rows_ * kRowBytes);
    return measured;
  }

 private:
  static double Micros(steady_clock::time_point from) {
    return std::chrono::duration<double, std::micro>(steady_clock::now() - from).count();
  }
  // Until nothing is to be flushed or merged any more.
  void Settle() {
    CheckRocks(db_->Flush({}));
    const auto busy = [this] {
      uint64_t sum = 0;
      for (const std::string& property : {rocksdb::DB::Properties::kMemTableFlushPending,
                                          rocksdb::DB::Properties::kCompactionPending,
                                          rocksdb::DB::Properties::kNumRunningFlushes,
                                          rocksdb::DB::Properties::kNumRunningCompactions}) {
        uint64_t value = 0;
        db_->GetIntProperty(property, &value);
        sum += value;
      }
      return sum > 0;
    };
    while (busy()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  // Half of a row compresses, as rows of panes do.
  void Put(rocksdb::WriteBatch& batch, size_t row) {
    std::string value(kRowBytes, 'r');
    for (size_t i = 0; i < kRowBytes / 2; i += 8) {
      const uint64_t bits = random_();
      std::copy_n(reinterpret_cast<const char*>(&bits), 8, value.data() + i);
    }
    CheckRocks(batch.Put(CardKey(row), value));
  }
  void Read() {
    std::vector<std::string> keys;
    for (size_t i = 0; i < kReadBatch; ++i) keys.push_back(CardKey(random_() % rows_));
    const std::vector<rocksdb::Slice> slices(keys.begin(), keys.end());
    std::vector<rocksdb::PinnableSlice> values(kReadBatch);
    std::vector<rocksdb::Status> statuses(kReadBatch);
    db_->MultiGet({}, db_->DefaultColumnFamily(), kReadBatch, slices.data(), values.data(),
                  statuses.data());
    for (const rocksdb::Status& status : statuses) CheckRocks(status);
  }

  SharedRocks shared_;
  std::unique_ptr<rocksdb::DB> db_;
  size_t rows_;
  std::mt19937_64 random_{20130101};
};

void Run(size_t rows) {
  std::string name = "/tmp/freshet-compaction-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) Die(Internal("no folder under /tmp"));
  const fs::path folder = name;
  Subject leveled(folder / "leveled", CompactionStyle::kLeveled, rows);
  Subject universal(folder / "universal", CompactionStyle::kUniversal, rows);
  std::vector<BarPanel> panels = {{"operations a second", {}},
                                  {"bytes written a byte put", {}},
                                  {"bytes read by compaction a byte put", {}},
                                  {"data blocks looked into a row", {}},
                                  {"lookups of 100 rows, p99, us", {}},
                                  {"batches of 1000 rows, p99, us", {}},
                                  {"stalls, s", {}},
                                  {"bytes of files a byte of rows", {}}};
  std::vector<std::string> groups;
  for (const Work& work : kWorks) {
    std::vector<Measured> all[2];
    Case result{.bench = "compaction",
                .name = work.name,
                .what = "operations/s with universal compaction, against leveled",
                .unit = "operations/s"};
    const auto one = [&](Subject& subject, std::vector<Measured>& to) {
      to.push_back(subject.Do(work.writes, rows));
      return to.back().operations_per_second;
    };
    Interleave(
        result, kPairs, [&] { return one(universal, all[1]); },
        [&] { return one(leveled, all[0]); });
    const auto median = [&](size_t style, double Measured::*field) {
      std::vector<double> values;  // the first does not count
      for (size_t i = 1; i < all[style].size(); ++i) values.push_back(all[style][i].*field);
      return Median(std::move(values));
    };
    const std::pair<const char*, double Measured::*> fields[] = {
        {"operations_per_second", &Measured::operations_per_second},
        {"write_amplification", &Measured::write_amplification},
        {"compaction_read", &Measured::compaction_read},
        {"read_amplification", &Measured::read_amplification},
        {"read_p99_us", &Measured::read_p99_us},
        {"write_p99_us", &Measured::write_p99_us},
        {"stall_seconds", &Measured::stall_seconds},
        {"space_amplification", &Measured::space}};
    groups.emplace_back(work.name);
    for (size_t f = 0; f < std::size(fields); ++f) {
      const double of_leveled = median(0, fields[f].second);
      const double of_universal = median(1, fields[f].second);
      panels[f].groups.push_back({of_leveled, of_universal});
      if (f == 0) continue;
      result.more.emplace_back(fmt::format("{}_leveled", fields[f].first), of_leveled);
      result.more.emplace_back(fmt::format("{}_universal", fields[f].first), of_universal);
    }
    Print(result);
  }
  fs::create_directories(fs::path(FRESHET_SOURCE_DIR) / "build" / "bench");
  const fs::path svg = fs::path(FRESHET_SOURCE_DIR) / "build" / "bench" / "compaction.svg";
  WriteBars(svg, fmt::format("Compaction: {} rows of {} bytes, 64 MiB of memory", rows, kRowBytes),
            groups, {"leveled", "universal"}, panels);
  fmt::print(stderr, "drawn: {}\n", svg.string());
  fs::remove_all(folder);
}

}  // namespace
}  // namespace freshet::bench

int main(int argc, char** argv) {
  freshet::bench::Run(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 400'000);
  return 0;
}
