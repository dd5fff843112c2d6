// What ingestion counts: freshet_ingest_* and freshet_kafka_* (docs/operations.md).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/observe/metrics.h"

namespace freshet {

// Families, made once.
struct IngestFamilies {
  explicit IngestFamilies(Metrics& metrics);
  MetricFamily<Counter>& records;
  MetricFamily<Counter>& received_bytes;
  MetricFamily<Counter>& applied;
  MetricFamily<Counter>& skipped;
  MetricFamily<Counter>& late;
  MetricFamily<Counter>& deletes;
  MetricFamily<Counter>& forgotten_ids;
  MetricFamily<Counter>& dead_letters;
  MetricFamily<Counter>& bad_as_null;
  MetricFamily<Counter>& expression_errors;
  MetricFamily<Histogram>& freshness;
  MetricFamily<Gauge>& lag_records;
  MetricFamily<Gauge>& lag_seconds;
  MetricFamily<Gauge>& watermark;
  MetricFamily<Gauge>& paused;
  MetricFamily<Histogram>& batch_records;
  MetricFamily<Histogram>& commit_duration;
  MetricFamily<Gauge>& queue_records;
  MetricFamily<Gauge>& queue_capacity;
  MetricFamily<Gauge>& memory_budget;
  MetricFamily<Gauge>& memory_used;
  MetricFamily<Gauge>& outbox_bytes;
  MetricFamily<Gauge>& outbox_capacity;
  MetricFamily<Gauge>& broker_up;
  MetricFamily<Counter>& kafka_errors;
  MetricFamily<Gauge>& complete_since;

  // Gauges that come and go while others set them, and the reasons that a source's loops, this one and those before, have given.
  std::mutex mutex;
  std::map<std::string, std::set<std::string>> pause_reasons;
};

// One source. Thread-safe.
class SourceMetrics {
 public:
  // `views` of the source, and the names of reasons for dead letters, both as later indices.
  SourceMetrics(IngestFamilies& families, const std::string& source,
                const std::vector<std::string>& views,
                std::span<const std::string_view> refusal_reasons);

  void CountBatch(uint64_t records, uint64_t bytes, uint64_t applied);
  void CountSkipped(size_t view, uint64_t events) { Add(*skipped_[view], events); }
  void CountFiltered(size_t view, uint64_t events) { Add(*filtered_[view], events); }
  void CountExpressionErrors(uint64_t errors) { Add(*expression_errors_, errors); }
  void CountLate(size_t view, uint64_t events) { Add(*late_[view], events); }
  void CountDuplicates(size_t view, uint64_t events) { Add(*duplicates_[view], events); }
  void CountRepeatedPushes(size_t view, uint64_t events) { Add(*repeated_pushes_[view], events); }
  void CountForgottenIds(size_t view, uint64_t ids) { Add(*forgotten_ids_[view], ids); }
  void CountDeletes(size_t view, uint64_t tombstones) { Add(*deletes_[view], tombstones); }
  void CountRefused(size_t reason, uint64_t records) { Add(*dead_letters_[reason], records); }
  void CountBadAsNull(uint64_t values) { Add(*bad_as_null_, values); }
  void CountKafkaError(const std::string& code);
  // Seconds from produced to servable, of a batch.
  void ObserveFreshness(std::span<const double> seconds);
  void SetLag(int32_t partition, double records, double seconds);
  // Records that were decoded and not yet committed.
  void SetQueue(uint64_t records, uint64_t capacity);
  // Dead letters that wait, and of how many bytes the source pauses.
  void SetOutbox(uint64_t bytes, uint64_t capacity);
  void SetWatermark(double unix_seconds) { watermark_->Set(unix_seconds); }
  void SetCompleteSince(size_t view, double unix_seconds);
  // "" : runs. What a loop of the source said before this one is taken back.
  void SetPaused(const std::string& reason);
  // Nobody reads the source any more. Nothing may be set afterwards; whoever reads it again has a SourceMetrics of its own.
  void RemoveGauges();

 private:
  static void Add(Counter& counter, uint64_t n) {
    if (n != 0) counter.Increment(static_cast<double>(n));
  }

  IngestFamilies& families_;
  const std::string source_;
  const std::vector<std::string> views_;
  Counter* records_;
  Counter* received_bytes_;
  Counter* applied_;
  std::vector<Counter*> skipped_;
  std::vector<Counter*> filtered_;
  std::vector<Counter*> late_;
  std::vector<Counter*> duplicates_;
  std::vector<Counter*> repeated_pushes_;
  std::vector<Counter*> forgotten_ids_;
  std::vector<Counter*> deletes_;
  std::vector<Counter*> dead_letters_;
  Counter* bad_as_null_;
  Counter* expression_errors_;
  Histogram* freshness_;
  Histogram* batch_records_;
  Gauge* queue_records_;
  Gauge* queue_capacity_;
  Gauge* outbox_bytes_;
  Gauge* outbox_capacity_;
  Gauge* watermark_;
  struct Lag {
    Gauge* records;
    Gauge* seconds;
  };
  std::mutex mutex_;
  std::map<int32_t, Lag> lag_;
};

// One a server. Thread-safe.
class IngestMetrics {
 public:
  explicit IngestMetrics(Metrics& metrics);
  SourceMetrics& Source(const std::string& source, const std::vector<std::string>& views,
                        std::span<const std::string_view> refusal_reasons);
  void ObserveCommit(double seconds) { commit_duration_->Observe(seconds); }
  void SetBrokerUp(const std::string& broker, bool up);
  // Decoded rows of the live loops, together: a loop says by how much its own became more or less.
  void AddRowMemory(double used, double budget);

 private:
  IngestFamilies families_;
  Histogram* commit_duration_;
  Gauge* rows_used_;
  Gauge* rows_budget_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<SourceMetrics>> sources_;
};

}  // namespace freshet
