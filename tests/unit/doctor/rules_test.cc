#include <set>

#include "readings.h"

namespace freshet {
namespace {

constexpr char kFullCache[] = "freshet_memory_used_bytes{part=\"block_cache\"} 301000000\n";
constexpr char kHits[] =
    "freshet_rocksdb_block_cache_lookups_total{block=\"data\",result=\"hit\"} ";
constexpr char kMisses[] =
    "freshet_rocksdb_block_cache_lookups_total{block=\"data\",result=\"miss\"} ";

std::string Lookups(int hits, int misses) {
  return kHits + std::to_string(hits) + "\n" + kMisses + std::to_string(misses) + "\n";
}

TEST_CASE("a server that has just started has no finding, and neither has a folder") {
  std::set<std::string_view> names;
  for (const auto& rules : {StorageRules(), ServerRules()}) {
    for (const Rule& rule : rules) {
      CAPTURE(std::string(rule.name));
      CHECK(names.insert(rule.name).second);
      CHECK(rule.check(Steady(JustStarted())).findings.empty());
      CHECK(rule.check(Observed({{0, Read(JustStarted())}})).findings.empty());
      CHECK(rule.check(Observed({{0, Read("")}})).findings.empty());
    }
  }
  CHECK(names.size() == 13);
}

TEST_CASE("a full cache that misses every third block asks for more memory, by how much") {
  const std::string tables = "freshet_rocksdb_live_sst_files_bytes{view=\"v\"} 9e9\n";
  const auto seen = [&](int hits, int misses, const std::string& also = kFullCache) {
    const std::string before = With(JustStarted(), tables + also);
    return Seen(before, With(before, Lookups(hits, misses)));
  };
  const Finding third = Found("cache_hit_ratio", seen(6'700, 3'300));
  CHECK(third.severity == Severity::kWarning);
  CHECK(Has(third.what, "67 %"));
  // 512 MiB * 0.9 / 0.67, whole 64 MiB.
  CHECK(third.change == "storage.memory: 512MiB -> 704MiB");
  const Finding seventh = Found("cache_hit_ratio", seen(8'500, 1'500));
  CHECK(seventh.severity == Severity::kNote);
  CHECK(seventh.change == "storage.memory: 512MiB -> 576MiB");

  CHECK(Fine("cache_hit_ratio", seen(9'100, 900)));
  CHECK(Fine("cache_hit_ratio", seen(670, 300)));
  CHECK_FALSE(Check("cache_hit_ratio", seen(670, 300)).not_known.empty());
  // Not full: each miss is a first read.
  CHECK(Fine("cache_hit_ratio", seen(6'700, 3'300, "")));
}

TEST_CASE("memory is never asked for beyond what the tables hold") {
  const std::string before =
      With(JustStarted(),
           std::string(kFullCache) + "freshet_rocksdb_live_sst_files_bytes{view=\"v\"} 200e6\n");
  // 400 MB in memory, of 302 that there are: not nine times as much.
  CHECK(Found("cache_hit_ratio", Seen(before, With(before, Lookups(1'000, 9'000)))).change ==
        "storage.memory: 512MiB -> 704MiB");
}

TEST_CASE("where little is asked now, all since the start is judged, if that is enough") {
  const std::string full =
      With(JustStarted(),
           std::string(kFullCache) + "freshet_rocksdb_live_sst_files_bytes{view=\"v\"} 9e9\n");
  CHECK(Has(Found("cache_hit_ratio", Steady(With(full, Lookups(7'000, 4'000)))).what, "of 11000"));
  CHECK(Fine("cache_hit_ratio", Steady(With(full, Lookups(5'000, 4'000)))));
}

TEST_CASE("a flush that waits all the time asks for larger write buffers, or a faster disk") {
  const std::string pending =
      With(JustStarted(), "freshet_rocksdb_mem_table_flush_pending{view=\"v\"} 1\n");
  const Finding found = Found("flush_pending", Steady(pending));
  CHECK(Has(found.what, "rows of v"));
  CHECK(Has(found.change, "storage.memory: 512MiB -> 1GiB"));
  const std::string greatest =
      With(pending, "freshet_memory_budget_bytes{part=\"write_buffers\"} 536870912\n");
  CHECK(Has(Found("flush_pending", Steady(greatest)).change,
            "a faster disk: write buffers are at their greatest"));
  // For a moment, or seen for a moment.
  CHECK(Fine("flush_pending", Seen(JustStarted(), pending)));
  CHECK(Fine("flush_pending", Seen(pending, pending, 2)));
}

TEST_CASE("a background error is an error") {
  const Finding found = Found("background_errors",
                              Steady(With(JustStarted(), "freshet_rocksdb_background_errors 2\n")));
  CHECK(found.severity == Severity::kError);
  CHECK(Has(found.what, "2 flushes or compactions"));
}

TEST_CASE("commits that wait a tenth of the time are a finding, a fiftieth is none") {
  const auto stalled = [](const std::string& seconds, const std::string& also = "") {
    return Seen(JustStarted(), With(JustStarted(), "freshet_rocksdb_stall_seconds_total " +
                                                       seconds + "\n" + also));
  };
  const Finding found = Found("stalls", stalled("1"));
  CHECK(Has(found.what, "10 % of 10 s"));
  CHECK(Has(found.change, "storage.memory: 512MiB -> 1GiB"));
  CHECK(Fine("stalls", stalled("0.2")));
  const Finding disk =
      Found("stalls", stalled("1", "freshet_rocksdb_pending_compaction_bytes{view=\"v\"} 5e9\n"));
  CHECK(Has(disk.change, "a faster disk"));
  CHECK(Has(disk.why, "4.7 GiB"));
  // Slowed down without having waited yet.
  const std::string slowed =
      With(JustStarted(), "freshet_rocksdb_actual_delayed_write_rate_bytes_per_second 16777216\n");
  CHECK(Has(Found("stalls", Steady(slowed)).what, "slowed down to 16.0 MiB/s"));
  CHECK_FALSE(Check("stalls", Seen(slowed, slowed, 1)).not_known.empty());
  // What it waited before it was watched does not count, nor what a restart took back.
  const std::string long_ago = With(JustStarted(), "freshet_rocksdb_stall_seconds_total 100\n");
  CHECK(Fine("stalls", Steady(long_ago)));
  CHECK(Fine("stalls", Seen(long_ago, JustStarted())));
}

TEST_CASE("compaction whose debt is large and grows is behind") {
  const auto debt = [](const char* bytes) {
    return With(
        JustStarted(),
        std::string("freshet_rocksdb_pending_compaction_bytes{view=\"v\"} ") + bytes + "\n");
  };
  CHECK(Has(Found("compaction_behind", Seen(debt("2e9"), debt("3e9"))).what, "2.8 GiB to rewrite"));
  CHECK(Fine("compaction_behind", Seen(debt("3e9"), debt("2e9"))));
  CHECK(Fine("compaction_behind", Seen(debt("2e8"), debt("3e8"))));
}

TEST_CASE("filters that are wrong twice as often as in theory are a note") {
  const auto checks = [](const char* absent, const char* wrong) {
    return Steady(
        With(JustStarted(),
             std::string("freshet_rocksdb_bloom_filter_checks_total{result=\"absent\"} ") + absent +
                 "\nfreshet_rocksdb_bloom_filter_checks_total{result=\"false_positive\"} " + wrong +
                 "\n"));
  };
  CHECK(Has(Found("bloom_false_positives", checks("97000", "3000")).what, "3.0 % of 100000"));
  CHECK(Fine("bloom_false_positives", checks("98500", "1500")));
  CHECK(Fine("bloom_false_positives", checks("970", "30")));
}

TEST_CASE("a disk is full, is soon, or has no room for a view that is built anew") {
  const auto free = [](const char* bytes, const std::string& also = "") {
    return With(JustStarted(), std::string("freshet_storage_free_bytes ") + bytes + "\n" + also);
  };
  CHECK(Found("disk_full", Steady(free("100e6"))).severity == Severity::kError);
  CHECK(Found("disk_full",
              Steady(free("10e9", "freshet_ingest_paused{source=\"s\",reason=\"disk_full\"} 1\n")))
            .severity == Severity::kError);
  const std::string large = "freshet_rocksdb_live_sst_files_bytes{view=\"v\"} 5e9\n";
  CHECK(Has(Found("disk_full", Steady(free("4e9", large))).what, "the largest view has 4.7 GiB"));
  CHECK(Fine("disk_full", Steady(free("6e9", large))));
  // 100 MB a minute of 10 GB: an hour and 40 minutes; a flush within ten seconds tells nothing.
  CHECK(Has(Found("disk_full", Seen(free("10.1e9"), free("10e9"), 60)).what, "full in 1.7 hours"));
  CHECK(Fine("disk_full", Seen(free("10.1e9"), free("10e9"), 10)));
  CHECK(Fine("disk_full", Seen(free("10.01e9"), free("10e9"), 60)));
}

TEST_CASE("expired rows that stay are a finding where they are many") {
  const auto rows = [](const char* expired, const char* all) {
    return Steady(With(JustStarted(), std::string("doctor_sampled_rows{view=\"v\"} ") + all +
                                          "\ndoctor_expired_rows{view=\"v\"} " + expired + "\n"));
  };
  CHECK(Has(Found("expired_rows", rows("30000", "100000")).what, "30 % of 100000 rows of v"));
  CHECK(Fine("expired_rows", rows("10000", "100000")));
  CHECK(Fine("expired_rows", rows("3000", "9000")));
  CHECK_FALSE(Check("expired_rows", Steady(JustStarted())).not_known.empty());
}

TEST_CASE("a view that takes far more than its greatest level is a note") {
  const auto levels = [](const char* upper) {
    return Steady(With(JustStarted(),
                       std::string("freshet_rocksdb_level_bytes{view=\"v\",level=\"5\"} ") + upper +
                           "\nfreshet_rocksdb_level_bytes{view=\"v\",level=\"6\"} 1e9\n"));
  };
  CHECK(Has(Found("space_amplification", levels("0.9e9")).what, "1.9 times its greatest level"));
  CHECK(Fine("space_amplification", levels("0.1e9")));
}

TEST_CASE("a source that stands still is an error, with its reason") {
  const std::string paused = "freshet_ingest_paused{source=\"s\",reason=\"broker_down\"} ";
  const Finding found = Found("paused", Steady(With(JustStarted(), paused + "1\n")));
  CHECK(Has(found.what, "source s stands still: broker_down"));
  CHECK(Fine("paused", Steady(With(JustStarted(), paused + "0\n"))));
}

TEST_CASE("a sample that lacks a label is told of without it") {
  const Finding found = Found("paused", Steady(With(JustStarted(), "freshet_ingest_paused 1\n")));
  CHECK(Has(found.what, "source ? stands still: ?"));
}

TEST_CASE("a source that lags and comes no nearer is a finding, and says where it is slow") {
  const auto lag = [](const char* seconds, const std::string& also = "") {
    return With(JustStarted(),
                std::string("freshet_ingest_lag_seconds{source=\"s\",partition=\"0\"} ") + seconds +
                    "\n" + also);
  };
  CHECK(Has(Found("lagging", Seen(lag("100"), lag("110"))).change, "more cores"));
  CHECK(
      Has(Found("lagging", Steady(lag("100", "freshet_ingest_queue_records{queue=\"s\"} 32000\n")))
              .change,
          "a faster disk"));
  CHECK(Fine("lagging", Seen(lag("110"), lag("100"))));
  CHECK(Fine("lagging", Steady(lag("59"))));
}

TEST_CASE("more than one refused record in a hundred is a finding") {
  const auto records = [](const char* all, const char* refused) {
    return With(JustStarted(),
                std::string("freshet_ingest_records_total{source=\"s\"} ") + all +
                    "\nfreshet_ingest_dead_letters_total{source=\"s\",reason=\"malformed\"} " +
                    refused + "\n");
  };
  CHECK(Has(Found("dead_letters", Seen(records("5000", "0"), records("7000", "40"))).what,
            "2.0 % of 2000"));
  CHECK(Fine("dead_letters", Seen(records("5000", "5000"), records("7000", "5010"))));
  CHECK(Has(Found("dead_letters", Steady(records("5000", "100"))).what, "of 5000 records"));
  CHECK(Fine("dead_letters", Steady(records("900", "900"))));
}

TEST_CASE("requests that were refused while it was watched are a finding") {
  const std::string refused =
      With(JustStarted(), "freshet_serve_rejected_requests_total{reason=\"OVERLOADED\"} 12\n");
  CHECK(Has(Found("shedding", Seen(JustStarted(), refused)).what,
            "12 requests were refused in 10 s"));
  CHECK(Fine("shedding", Steady(refused)));
}

}  // namespace
}  // namespace freshet
