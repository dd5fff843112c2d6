// How good are the filters of stored rows? For each of Bloom and Ribbon at 6, 8, 10, 12 and 16 bits a key: how many absent keys pass one
// (and are looked for in vain), beside theory's (1 − e^(−kn/m))^k with the best k, and lookups/s of absent keys against no filter.
//
//   ./run bench bloom [ROWS]     one million unless said

#include <rocksdb/db.h>
#include <rocksdb/statistics.h>
#include <rocksdb/write_batch.h>
#include <stdlib.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/check.h"
#include "bench/ingest/events.h"
#include "bench/report.h"
#include "featurestore/store/rocks_options.h"

namespace freshet::bench {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRowBytes = 200;
constexpr size_t kAbsent = 400'000;  // a turn
constexpr int kPairs = 5;
constexpr uint64_t kMemoryBytes = 1ull << 30;  // all filters and blocks are in memory

void CheckRocks(const rocksdb::Status& status) {
  if (!status.ok()) Die(Internal("{}", status.ToString()));
}

// With the best whole number of probes for m bits and n keys.
double TheoryOf(double bits_a_key) {
  double best = 1;
  for (int k = 1; k <= 30; ++k) {
    best = std::min(best, std::pow(1 - std::exp(-k / bits_a_key), k));
  }
  return best;
}

class Rows {
 public:
  Rows(const fs::path& folder, const StorageTuning& tuning, size_t rows)
      : shared_(kMemoryBytes), rows_(rows) {
    fs::remove_all(folder);
    rocksdb::Options options(shared_.DatabaseOptions(),
                             shared_.ViewFamilyOptions(std::make_shared<Expiry>(), tuning));
    options.compaction_filter_factory.reset();
    options.create_if_missing = true;
    rocksdb::DB* opened = nullptr;
    CheckRocks(rocksdb::DB::Open(options, folder.string(), &opened));
    db_.reset(opened);
    rocksdb::WriteBatch batch;
    for (size_t i = 0; i < rows; ++i) {
      CheckRocks(batch.Put(CardKey(2 * i), std::string(kRowBytes, 'r')));
      if (batch.Count() == 1000 || i + 1 == rows) {
        CheckRocks(db_->Write({}, &batch));
        batch.Clear();
      }
    }
    CheckRocks(db_->Flush({}));
    // What is only flushed, and moved down as it is, has Bloom filters whatever was asked for.
    rocksdb::CompactRangeOptions anew;
    anew.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    CheckRocks(db_->CompactRange(anew, nullptr, nullptr));
    for (size_t i = 0; i < kAbsent; ++i) absent_.push_back(CardKey(2 * (i * 7919 % rows) + 1));
    AbsentPerSecond();  // everything is in the cache afterwards
  }

  double AbsentPerSecond() {
    std::string row;
    const auto begin = std::chrono::steady_clock::now();
    for (const std::string& key : absent_) {
      if (!db_->Get({}, key, &row).IsNotFound()) Die(Internal("an absent key was found"));
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    return static_cast<double>(absent_.size()) / took.count();
  }

  // Of absent keys that met a filter.
  double PassedShare() {
    const auto before = Passed();
    const auto useful = shared_.statistics->getTickerCount(rocksdb::BLOOM_FILTER_USEFUL);
    AbsentPerSecond();
    const auto passed = static_cast<double>(Passed() - before);
    const auto held = static_cast<double>(
        shared_.statistics->getTickerCount(rocksdb::BLOOM_FILTER_USEFUL) - useful);
    return passed / (passed + held);
  }

  double FilterBitsPerKey() {
    uint64_t bytes = 0;
    rocksdb::TablePropertiesCollection all;
    CheckRocks(db_->GetPropertiesOfAllTables(&all));
    for (const auto& [name, table] : all) bytes += table->filter_size;
    return static_cast<double>(bytes) * 8 / static_cast<double>(rows_);
  }

 private:
  uint64_t Passed() const {
    return shared_.statistics->getTickerCount(rocksdb::BLOOM_FILTER_FULL_POSITIVE) -
           shared_.statistics->getTickerCount(rocksdb::BLOOM_FILTER_FULL_TRUE_POSITIVE);
  }

  SharedRocks shared_;
  std::unique_ptr<rocksdb::DB> db_;
  size_t rows_;
  std::vector<std::string> absent_;
};

StorageTuning With(FilterKind filter, uint32_t bits) {
  StorageTuning tuning;
  tuning.filter = filter;
  tuning.filter_bits = bits;
  return tuning;
}

void Run(size_t rows) {
  std::string name = "/tmp/freshet-bloom-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) Die(Internal("no folder under /tmp"));
  const fs::path folder = name;
  Rows unfiltered(folder / "none", With(FilterKind::kNone, 10), rows);
  for (const FilterKind kind : {FilterKind::kBloom, FilterKind::kRibbon}) {
    const char* const kind_name = kind == FilterKind::kBloom ? "bloom" : "ribbon";
    for (const uint32_t bits : {6U, 8U, 10U, 12U, 16U}) {
      Rows filtered(folder / "filtered", With(kind, bits), rows);
      Case result{.bench = "bloom",
                  .name = fmt::format("{}_{}", kind_name, bits),
                  .what = "lookups/s of absent keys, all in memory, against no filter",
                  .unit = "lookups/s"};
      Interleave(
          result, kPairs, [&] { return filtered.AbsentPerSecond(); },
          [&] { return unfiltered.AbsentPerSecond(); });
      const double passed = filtered.PassedShare();
      result.more = {{"false_positives", passed},
                     {"theory", TheoryOf(bits)},
                     {"of_theory", passed / TheoryOf(bits)},
                     {"filter_bits_per_key", filtered.FilterBitsPerKey()}};
      Print(result);
    }
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace freshet::bench

int main(int argc, char** argv) {
  freshet::bench::Run(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000);
  return 0;
}
