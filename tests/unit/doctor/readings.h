// Metrics that a server might have, written as it would export them.
#pragma once

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "server/doctor/rules.h"

namespace freshet {

inline Exposition Read(const std::string& text) {
  auto read = Exposition::Parse(text);
  if (!read.ok()) FAIL(read.status());
  return *std::move(read);
}

// A server of 512 MiB that has just started: all is there and nothing has happened.
inline std::string JustStarted() {
  return R"(freshet_memory_budget_bytes{part="block_cache"} 301989888
freshet_memory_budget_bytes{part="write_buffers"} 100663296
freshet_memory_budget_bytes{part="ingest"} 134217728
freshet_memory_used_bytes{part="block_cache"} 1168
freshet_rocksdb_block_cache_lookups_total{block="data",result="hit"} 0
freshet_rocksdb_block_cache_lookups_total{block="data",result="miss"} 7
freshet_rocksdb_bloom_filter_checks_total{result="absent"} 3
freshet_rocksdb_bloom_filter_checks_total{result="present"} 2
freshet_rocksdb_bloom_filter_checks_total{result="false_positive"} 1
freshet_rocksdb_background_errors 0
freshet_rocksdb_stall_seconds_total 0
freshet_rocksdb_actual_delayed_write_rate_bytes_per_second 0
freshet_rocksdb_mem_table_flush_pending{view="v"} 0
freshet_rocksdb_pending_compaction_bytes{view="v"} 0
freshet_rocksdb_live_sst_files_bytes{view="v"} 0
freshet_storage_free_bytes 100000000000
freshet_storage_size_bytes 1882
freshet_ingest_records_total{source="s"} 3
freshet_ingest_dead_letters_total{source="s",reason="malformed"} 2
freshet_ingest_lag_seconds{source="s",partition="0"} 0
freshet_ingest_queue_records{queue="s"} 0
freshet_ingest_queue_capacity_records{queue="s"} 32768
freshet_serve_rejected_requests_total{reason="OVERLOADED"} 0
)";
}

// `text` with other values: each line of `changes` takes the place of its sample, or is added.
inline std::string With(std::string text, const std::string& changes) {
  for (size_t at = 0; at < changes.size();) {
    const size_t end = changes.find('\n', at);
    const std::string line = changes.substr(at, end - at);
    at = end == std::string::npos ? changes.size() : end + 1;
    if (line.empty()) continue;
    const std::string sample = line.substr(0, line.rfind(' ') + 1);
    const size_t old = text.find(sample);
    if (old == std::string::npos) {
      text += line + "\n";
    } else {
      text.replace(old, text.find('\n', old) - old, line);
    }
  }
  return text;
}

// `first` at the start, `last` in every reading after it, a second apart.
inline Observed Seen(const std::string& first, const std::string& last, size_t seconds = 10) {
  std::vector<Observed::Reading> readings;
  readings.push_back({0, Read(first)});
  for (size_t at = 1; at <= seconds; ++at)
    readings.push_back({static_cast<double>(at), Read(last)});
  return Observed(std::move(readings));
}
// The same all the time.
inline Observed Steady(const std::string& text) { return Seen(text, text); }

inline Verdict Check(std::string_view name, const Observed& observed) {
  for (const auto& rules : {StorageRules(), ServerRules()}) {
    for (const Rule& rule : rules) {
      if (rule.name == name) return rule.check(observed);
    }
  }
  FAIL("no rule " << name);
  return {};
}

// The one finding.
inline Finding Found(std::string_view name, const Observed& observed) {
  const Verdict verdict = Check(name, observed);
  REQUIRE(verdict.findings.size() == 1);
  CHECK(verdict.not_known.empty());
  return verdict.findings[0];
}
inline bool Fine(std::string_view name, const Observed& observed) {
  return Check(name, observed).findings.empty();
}
inline bool Has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace freshet
