// Rules about RocksDB, memory and the disk. Limits are those of config/prometheus/freshet.alerts.yml where that has one.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "featurestore/declare/scalar_forms.h"
#include "server/doctor/rules.h"

namespace freshet {
namespace {

constexpr double kMiB = 1 << 20;
constexpr double kGiB = 1 << 30;
constexpr double kWriteBuffersMost = 512 * kMiB;  // store/rocks_options.cc

constexpr char kLookups[] = "freshet_rocksdb_block_cache_lookups_total";
constexpr char kBloom[] = "freshet_rocksdb_bloom_filter_checks_total";
constexpr char kBudget[] = "freshet_memory_budget_bytes";
constexpr char kTables[] = "freshet_rocksdb_live_sst_files_bytes";
constexpr char kDebt[] = "freshet_rocksdb_pending_compaction_bytes";
constexpr char kFree[] = "freshet_storage_free_bytes";

std::string Bytes(double bytes) {
  if (bytes >= kGiB) return fmt::format("{:.1f} GiB", bytes / kGiB);
  if (bytes >= kMiB) return fmt::format("{:.1f} MiB", bytes / kMiB);
  return fmt::format("{:.0f} KiB", bytes / 1024);
}

// storage.memory as it is, and as it should be: whole 64 MiB.
double Memory(const Observed& observed) {
  return observed.Now(kBudget, {{"part", "block_cache"}}) +
         observed.Now(kBudget, {{"part", "write_buffers"}}) +
         observed.Now(kBudget, {{"part", "ingest"}});
}
std::string ChangeMemory(double from, double to) {
  const auto setting = [](double bytes) {
    return FormatSize(static_cast<uint64_t>(std::llround(bytes)));
  };
  return fmt::format("storage.memory: {} -> {}", setting(from),
                     setting(std::ceil(to / (64 * kMiB)) * 64 * kMiB));
}
std::string LargerWriteBuffers(const Observed& observed) {
  const double memory = Memory(observed);
  if (observed.Now(kBudget, {{"part", "write_buffers"}}) >= kWriteBuffersMost || memory == 0) {
    return "a faster disk: write buffers are at their greatest (512 MiB)";
  }
  return ChangeMemory(memory, 2 * memory) + ", for twice the write buffers; or a faster disk";
}

// How often a data block was in memory, once memory is full. Before, a miss is a first read, which no memory spares.
Verdict CacheHitRatio(const Observed& observed) {
  constexpr double kLeastRecent = 1'000;
  constexpr double kLeastEver = 10'000;
  constexpr double kWanted = 0.9;
  constexpr double kTolerable = 0.8;
  constexpr double kFull = 0.9;
  double hits = observed.Rise(kLookups, {{"block", "data"}, {"result", "hit"}});
  double misses = observed.Rise(kLookups, {{"block", "data"}, {"result", "miss"}});
  double least = kLeastRecent;
  if (hits + misses < kLeastRecent) {
    hits = observed.Now(kLookups, {{"block", "data"}, {"result", "hit"}});
    misses = observed.Now(kLookups, {{"block", "data"}, {"result", "miss"}});
    least = kLeastEver;
  }
  if (hits + misses < least) {
    return {.not_known =
                fmt::format("{:.0f} data blocks were looked for since the start, of {:.0f} "
                            "that it takes to judge",
                            hits + misses, kLeastEver)};
  }
  const double ratio = hits / (hits + misses);
  const double cache = observed.Now(kBudget, {{"part", "block_cache"}});
  const double used = observed.Now("freshet_memory_used_bytes", {{"part", "block_cache"}});
  if (ratio >= kWanted || used < kFull * cache) return {};
  // As if every block were asked for alike; what is asked for more often needs less.
  const double needed = cache * kWanted / std::max(ratio, 0.1);
  const double all_of_it = observed.Now(kTables) * 2;  // blocks in memory are not compressed
  const double more = std::min(needed, std::max(all_of_it, cache * 1.1)) / cache;
  Finding finding;
  finding.severity = ratio < kTolerable ? Severity::kWarning : Severity::kNote;
  finding.what =
      fmt::format("{:.0f} % of {:.0f} data blocks were in memory, and the block cache is full ({})",
                  ratio * 100, hits + misses, Bytes(cache));
  finding.change = ChangeMemory(Memory(observed), Memory(observed) * more);
  finding.why = fmt::format(
      "each miss is a read of a file; {:.0f} % and more are served from memory where it holds what "
      "is "
      "asked for often (table files: {})",
      kWanted * 100, Bytes(observed.Now(kTables)));
  return {.findings = {finding}};
}

Verdict FlushPending(const Observed& observed) {
  Verdict verdict;
  for (const MetricSample* sample : observed.last().Of("freshet_rocksdb_mem_table_flush_pending")) {
    const std::string& view = sample->Label("view");
    if (!observed.Stayed(sample->name, {{"view", view}}, 0)) continue;
    verdict.findings.push_back(
        {.severity = Severity::kWarning,
         .what = fmt::format("rows of {} waited to be written to disk all of {:.0f} s", view,
                             observed.seconds()),
         .change = LargerWriteBuffers(observed),
         .why = "memory fills faster than it is flushed; when it is full, commits wait"});
  }
  return verdict;
}

Verdict BackgroundErrors(const Observed& observed) {
  const double errors = observed.Now("freshet_rocksdb_background_errors");
  if (errors == 0) return {};
  return {
      .findings = {
          {.severity = Severity::kError,
           .what = fmt::format("{:.0f} flushes or compactions have failed since the start", errors),
           .change =
               "make room on the disk, or exchange it; then start anew, and run `freshet verify`",
           .why = "after some errors RocksDB takes no more writes; rocksdb/LOG in the data folder "
                  "has its words"}}};
}

Verdict Stalls(const Observed& observed) {
  constexpr double kTolerable = 0.05;
  constexpr double kLeastSeconds = 4;
  if (observed.seconds() < kLeastSeconds)
    return {.not_known = "it takes some seconds of a running server"};
  const double share = observed.Rise("freshet_rocksdb_stall_seconds_total") / observed.seconds();
  const bool slowed =
      observed.Stayed("freshet_rocksdb_actual_delayed_write_rate_bytes_per_second", {}, 0);
  if (share <= kTolerable && !slowed) return {};
  const double debt = observed.Now(kDebt);
  Finding finding;
  finding.severity = Severity::kWarning;
  finding.what = fmt::format("commits waited {:.0f} % of {:.0f} s for flushes and compactions",
                             share * 100, observed.seconds());
  if (slowed) {
    finding.what += fmt::format(
        "; they are slowed down to {}/s",
        Bytes(observed.Now("freshet_rocksdb_actual_delayed_write_rate_bytes_per_second")));
  }
  finding.change =
      debt > kGiB ? "a faster disk, more cores, or smaller rows (fewer windows, a coarser `hop`)"
                  : LargerWriteBuffers(observed);
  finding.why = debt > kGiB ? fmt::format("compaction has {} to rewrite", Bytes(debt))
                            : "memory fills faster than it is flushed";
  return {.findings = {finding}};
}

Verdict CompactionBehind(const Observed& observed) {
  const double debt = observed.Now(kDebt);
  const double before = observed.readings().front().metrics.Sum(kDebt).value_or(0);
  if (!observed.Stayed(kDebt, {}, kGiB) || debt <= before) return {};
  return {
      .findings = {
          {.severity = Severity::kWarning,
           .what = fmt::format("compaction has {} to rewrite, {} more than {:.0f} s ago",
                               Bytes(debt), Bytes(debt - before), observed.seconds()),
           .change = "a faster disk, more cores, or smaller rows (fewer windows, a coarser `hop`)",
           .why = "reads look into more files, and at 64 GiB commits are slowed down"}}};
}

Verdict BloomFalsePositives(const Observed& observed) {
  constexpr double kTheory = 0.01;  // 10 bits a key
  constexpr double kLeast = 10'000;
  const double wrong = observed.Now(kBloom, {{"result", "false_positive"}});
  const double absent = observed.Now(kBloom, {{"result", "absent"}}) + wrong;
  if (absent < kLeast) {
    return {
        .not_known = fmt::format(
            "filters were asked {:.0f} times for a key that is not there, of {:.0f} that it takes "
            "to judge",
            absent, kLeast)};
  }
  if (wrong <= 2 * kTheory * absent) return {};
  return {.findings = {{.severity = Severity::kNote,
                        .what = fmt::format("{:.1f} % of {:.0f} filters' answers for keys that are "
                                            "not there were wrong; {:.0f} % in theory",
                                            wrong / absent * 100, absent, kTheory * 100),
                        .change = "`freshet reset-view` of the views that are asked most, which "
                                  "builds their files anew",
                        .why = "each wrong answer is a read in vain; files that another build "
                               "wrote may have weaker filters"}}};
}

Verdict DiskFull(const Observed& observed) {
  constexpr double kLeastSeconds = 60;  // a flush or a compaction is no trend
  constexpr double kSoonHours = 6;
  if (!observed.last().Sum(kFree)) return {.not_known = "the free space is not known"};
  const double free = observed.Now(kFree);
  const double first = observed.readings().front().metrics.Sum(kFree).value_or(free);
  const double folder = observed.Now("freshet_storage_size_bytes");
  double largest = 0;
  for (const MetricSample* sample : observed.last().Of(kTables))
    largest = std::max(largest, sample->value);
  const std::string change = fmt::format(
      "a larger disk (the data folder has {}), a shorter `ttl`, or fewer windows", Bytes(folder));
  const double reserve = 2 * observed.Now(kBudget, {{"part", "write_buffers"}});
  if (observed.Now("freshet_ingest_paused", {{"reason", "disk_full"}}) > 0 || free < reserve) {
    return {.findings = {
                {.severity = Severity::kError,
                 .what = fmt::format("the disk is full: {} are free", Bytes(free)),
                 .change = change,
                 .why = fmt::format(
                     "{} are kept for what memory has still to write; ingestion stands still below",
                     Bytes(reserve))}}};
  }
  if (observed.seconds() >= kLeastSeconds && first > free) {
    const double hours = free / ((first - free) / observed.seconds()) / 3600;
    if (hours < kSoonHours) {
      return {.findings = {{.severity = Severity::kWarning,
                            .what = fmt::format(
                                "{} are free, and {} less than {:.0f} s ago: full in {:.1f} hours",
                                Bytes(free), Bytes(first - free), observed.seconds(), hours),
                            .change = change,
                            .why = "ingestion stands still when it is full"}}};
    }
  }
  if (free < largest && largest >= 64 * kMiB) {
    return {.findings = {{.severity = Severity::kWarning,
                          .what = fmt::format("{} are free, and the largest view has {}",
                                              Bytes(free), Bytes(largest)),
                          .change = change,
                          .why = "a view whose declaration changes is there twice until it is "
                                 "built, and compaction needs room too"}}};
  }
  return {};
}

Verdict ExpiredRows(const Observed& observed) {
  constexpr double kLeastRows = 10'000;
  constexpr double kTolerable = 0.2;
  const auto sampled = observed.last().Of(kSampledRows);
  if (sampled.empty())
    return {.not_known =
                "it takes the project's folder, a view that has a ttl, and the wall clock"};
  Verdict verdict;
  for (const MetricSample* sample : sampled) {
    const double expired = observed.Now(kExpiredRows, sample->labels);
    if (sample->value < kLeastRows || expired <= kTolerable * sample->value) continue;
    verdict.findings.push_back(
        {.severity = Severity::kWarning,
         .what =
             fmt::format("{:.0f} % of {:.0f} rows of {} have expired two days ago and more, and "
                         "are still there",
                         expired / sample->value * 100, sample->value, sample->Label("view")),
         .change = "leave the server running: it compacts every file once a day. Where it does "
                   "run, see compaction_behind, "
                   "stalls and background_errors",
         .why = "expired rows take disk, and memory beside rows that are asked for"});
  }
  return verdict;
}

Verdict SpaceAmplification(const Observed& observed) {
  constexpr double kLeastBytes = 256 * kMiB;
  constexpr double kTolerable = 1.5;
  Verdict verdict;
  for (const MetricSample* sample : observed.last().Of(kTables)) {
    const std::string& view = sample->Label("view");
    double all = 0, largest = 0;
    for (const MetricSample* level :
         observed.last().Of("freshet_rocksdb_level_bytes", {{"view", view}})) {
      all += level->value;
      largest = std::max(largest, level->value);
    }
    if (largest < kLeastBytes || all <= kTolerable * largest) continue;
    verdict.findings.push_back(
        {.severity = Severity::kNote,
         .what = fmt::format("{} has {} in table files, {:.1f} times its greatest level", view,
                             Bytes(all), all / largest),
         .change = "nothing while it is built or catches up; else a faster disk or more cores",
         .why = "rows that were replaced are there still: compaction has not come to them"});
  }
  return verdict;
}

constexpr std::array<Rule, 9> kRules = {{{"background_errors", true, BackgroundErrors},
                                         {"disk_full", false, DiskFull},
                                         {"stalls", true, Stalls},
                                         {"flush_pending", true, FlushPending},
                                         {"compaction_behind", true, CompactionBehind},
                                         {"cache_hit_ratio", true, CacheHitRatio},
                                         {"bloom_false_positives", true, BloomFalsePositives},
                                         {"expired_rows", false, ExpiredRows},
                                         {"space_amplification", false, SpaceAmplification}}};

}  // namespace

std::span<const Rule> StorageRules() { return kRules; }

}  // namespace freshet
