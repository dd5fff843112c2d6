// Leveled or universal compaction? Rows of a store far larger than its memory are changed and looked up by three mixtures of work; of
// each style: operations/s, how often a byte is written and read, what lookups touch, stalls, times and disk.
//
//   ./run bench compaction [ROWS]     400,000 rows of a kilobyte unless said; also writes build/bench/compaction.svg

#include <filesystem>
#include <string>
#include <vector>

#include "bench/bars_svg.h"
#include "bench/report.h"
#include "bench/store_load.h"

namespace freshet::bench {
namespace {

namespace fs = std::filesystem;

constexpr int kPairs = 3;
constexpr WorkMix kWorks[] = {{"heavy-write", 0.9}, {"balanced", 0.5}, {"heavy-read", 0.1}};

void Run(size_t rows) {
  const fs::path folder = MakeFolder("compaction");
  StoreLoadOptions options{.rows = rows};
  StoreLoad leveled(folder / "leveled", options);
  options.tuning.compaction = CompactionStyle::kUniversal;
  StoreLoad universal(folder / "universal", options);
  std::vector<BarPanel> panels = {{"operations a second", {}},
                                  {"bytes written a byte put", {}},
                                  {"bytes read by compaction a byte put", {}},
                                  {"data blocks looked into a row", {}},
                                  {"lookups of 100 rows, p99, us", {}},
                                  {"batches of 1000 rows, p99, us", {}},
                                  {"stalls, s", {}},
                                  {"bytes of files a byte of rows", {}}};
  std::vector<std::string> groups;
  for (const WorkMix& work : kWorks) {
    std::vector<Measured> all[2];
    Case result{.bench = "compaction",
                .name = work.name,
                .what = "operations/s with universal compaction, against leveled",
                .unit = "operations/s"};
    const auto one = [&](StoreLoad& subject, std::vector<Measured>& to) {
      to.push_back(subject.Do(work.writes, rows));
      return to.back().operations_per_second;
    };
    Interleave(
        result, kPairs, [&] { return one(universal, all[1]); },
        [&] { return one(leveled, all[0]); });
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
      const double of_leveled = MedianOf(all[0], fields[f].second);
      const double of_universal = MedianOf(all[1], fields[f].second);
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
