// How many threads should flush and compact, and how many of them flush? Rows of a store far larger than its memory are changed and
// looked up half and half by 2, 4 and 8 background threads, split in several ways, each beside the default. (RocksDB has no single
// thread: one that flushes and one that compacts are the least.)
//
//   ./run bench threads [ROWS]        300,000 rows of a kilobyte unless said

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "bench/report.h"
#include "bench/store_load.h"

namespace freshet::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kPairs = 3;
constexpr double kWrites = 0.5;

struct Split {
  uint32_t threads;
  uint32_t flush;
};
constexpr Split kSplits[] = {{2, 1}, {4, 1}, {4, 2}, {4, 3}, {8, 2}, {8, 4}};

void Run(size_t rows) {
  const fs::path folder = MakeFolder("threads");
  for (const Split& split : kSplits) {
    // Both new: a store gets slower while its files grow apart.
    StoreLoadOptions options{.rows = rows};
    StoreLoad standard(folder / "default", options);
    options.background.threads = split.threads;
    options.background.flush_threads = split.flush;
    StoreLoad subject(folder / "subject", options);
    std::vector<Measured> all[2];
    Case result{.bench = "threads",
                .name = fmt::format("{}_threads_{}_flush", split.threads, split.flush),
                .what = fmt::format("operations/s, half of them writes, against the default ({} "
                                    "threads, {} for flushes)",
                                    BackgroundWork().threads, BackgroundWork().flush_threads),
                .unit = "operations/s"};
    const auto one = [&](StoreLoad& load, std::vector<Measured>& to) {
      to.push_back(load.Do(kWrites, rows));
      return to.back().operations_per_second;
    };
    Interleave(
        result, kPairs, [&] { return one(subject, all[0]); },
        [&] { return one(standard, all[1]); });
    const std::pair<const char*, double Measured::*> fields[] = {
        {"read_p99_us", &Measured::read_p99_us},
        {"write_p99_us", &Measured::write_p99_us},
        {"stall_seconds", &Measured::stall_seconds},
        {"write_amplification", &Measured::write_amplification}};
    for (const auto& [name, field] : fields) {
      result.more.emplace_back(name, MedianOf(all[0], field));
      result.more.emplace_back(fmt::format("{}_default", name), MedianOf(all[1], field));
    }
    Print(result);
  }
  fs::remove_all(folder);
}

}  // namespace
}  // namespace freshet::bench

int main(int argc, char** argv) {
  freshet::bench::Run(argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 300'000);
  return 0;
}
