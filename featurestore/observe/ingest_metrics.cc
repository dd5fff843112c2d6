#include "featurestore/observe/ingest_metrics.h"

#include <algorithm>

namespace freshet {
namespace {

// Records a batch; the greatest is the loop's bound.
const prometheus::Histogram::BucketBoundaries& BatchBuckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets = {1,    4,    16,   64,   256,
                                                                   1024, 4096, 8192, 16384};
  return kBuckets;
}

}  // namespace

IngestFamilies::IngestFamilies(Metrics& m)
    : records(m.CounterFamily("freshet_ingest_records_total", "Records passed.")),
      received_bytes(m.CounterFamily("freshet_ingest_received_bytes_total",
                                     "Bytes of keys and values of records passed.")),
      applied(m.CounterFamily("freshet_ingest_events_applied_total",
                              "Events that changed at least one row.")),
      skipped(m.CounterFamily("freshet_ingest_events_skipped_total",
                              "Events that were not for a view, by reason.")),
      late(m.CounterFamily("freshet_ingest_late_events_total",
                           "Events that changed no feature of a view: older than all it keeps.")),
      deletes(m.CounterFamily("freshet_ingest_deletes_total",
                              "Tombstones applied: each dropped what a view held of an entity.")),
      forgotten_ids(m.CounterFamily(
          "freshet_ingest_dedup_forgotten_ids_total",
          "Ids that rows forgot for max_ids before their time: their duplicates count.")),
      dead_letters(m.CounterFamily("freshet_ingest_dead_letters_total",
                                   "Records put into the dead-letter topic's outbox, by reason.")),
      bad_as_null(m.CounterFamily("freshet_ingest_bad_values_total",
                                  "Values of a wrong type that on_bad took as null.")),
      expression_errors(m.CounterFamily("freshet_ingest_expression_errors_total",
                                        "Nulls of derive and where whose expression failed.")),
      freshness(m.HistogramFamily("freshet_ingest_freshness_seconds",
                                  "From produced to servable; observed only while caught up.")),
      lag_records(m.GaugeFamily("freshet_ingest_lag_records",
                                "Records between what is servable and the log's end.")),
      lag_seconds(m.GaugeFamily("freshet_ingest_lag_seconds",
                                "Age of the last record passed, while there are more; else 0.")),
      watermark(m.GaugeFamily("freshet_ingest_watermark_timestamp_seconds",
                              "Least over non-idle partitions of greatest event time - lateness.")),
      paused(m.GaugeFamily("freshet_ingest_paused", "1 where a source stands still, by reason.")),
      batch_records(m.HistogramFamily("freshet_ingest_batch_records", "Records of a batch.")),
      commit_duration(
          m.HistogramFamily("freshet_ingest_commit_duration_seconds", "Time to apply a commit.")),
      queue_records(m.GaugeFamily("freshet_ingest_queue_records",
                                  "Records decoded and not yet committed, by source.")),
      queue_capacity(m.GaugeFamily("freshet_ingest_queue_capacity_records",
                                   "So many, and no more is polled.")),
      memory_budget(
          m.GaugeFamily("freshet_memory_budget_bytes", "Share of storage.memory by part.")),
      memory_used(m.GaugeFamily("freshet_memory_used_bytes", "Memory in use by part.")),
      outbox_bytes(m.GaugeFamily("freshet_ingest_dead_letter_outbox_bytes",
                                 "Dead letters that wait for their topic.")),
      outbox_capacity(m.GaugeFamily("freshet_ingest_dead_letter_outbox_capacity_bytes",
                                    "Where their source pauses until some are delivered.")),
      broker_up(m.GaugeFamily("freshet_kafka_broker_up", "1 while the brokers answer.")),
      kafka_errors(
          m.CounterFamily("freshet_kafka_errors_total", "Errors of the Kafka client, by code.")),
      complete_since(m.GaugeFamily(
          "freshet_view_complete_since_timestamp_seconds",
          "Since when a view holds all events, where records before were gone; absent: always.")) {}

SourceMetrics::SourceMetrics(IngestFamilies& families, const std::string& source,
                             const std::vector<std::string>& views,
                             std::span<const std::string_view> refusal_reasons)
    : families_(families),
      source_(source),
      views_(views),
      records_(&families.records.Add({{"source", source}})),
      received_bytes_(&families.received_bytes.Add({{"source", source}})),
      applied_(&families.applied.Add({{"source", source}})),
      bad_as_null_(&families.bad_as_null.Add({{"source", source}})),
      expression_errors_(&families.expression_errors.Add({{"source", source}})),
      freshness_(&families.freshness.Add({{"source", source}}, FreshnessBuckets())),
      batch_records_(&families.batch_records.Add({{"source", source}}, BatchBuckets())),
      queue_records_(&families.queue_records.Add({{"queue", source}})),
      queue_capacity_(&families.queue_capacity.Add({{"queue", source}})),
      outbox_bytes_(&families.outbox_bytes.Add({{"source", source}})),
      outbox_capacity_(&families.outbox_capacity.Add({{"source", source}})),
      watermark_(&families.watermark.Add({{"source", source}})) {
  for (const std::string& view : views) {
    skipped_.push_back(
        &families.skipped.Add({{"source", source}, {"view", view}, {"reason", "null_key"}}));
    filtered_.push_back(
        &families.skipped.Add({{"source", source}, {"view", view}, {"reason", "where"}}));
    duplicates_.push_back(
        &families.skipped.Add({{"source", source}, {"view", view}, {"reason", "duplicate"}}));
    repeated_pushes_.push_back(
        &families.skipped.Add({{"source", source}, {"view", view}, {"reason", "repeated_push"}}));
    late_.push_back(&families.late.Add({{"source", source}, {"view", view}}));
    deletes_.push_back(&families.deletes.Add({{"source", source}, {"view", view}}));
    forgotten_ids_.push_back(&families.forgotten_ids.Add({{"source", source}, {"view", view}}));
  }
  for (const std::string_view reason : refusal_reasons) {
    dead_letters_.push_back(
        &families.dead_letters.Add({{"source", source}, {"reason", std::string(reason)}}));
  }
}

void SourceMetrics::CountBatch(uint64_t records, uint64_t bytes, uint64_t applied) {
  Add(*records_, records);
  Add(*received_bytes_, bytes);
  Add(*applied_, applied);
  batch_records_->Observe(static_cast<double>(records));
}

void SourceMetrics::CountKafkaError(const std::string& code) {
  families_.kafka_errors.Add({{"source", source_}, {"code", code}}).Increment();
}

// Counted here and added at once: one lock a batch.
void SourceMetrics::ObserveFreshness(std::span<const double> seconds) {
  const auto& bounds = FreshnessBuckets();
  std::vector<double> counts(bounds.size() + 1);
  double sum = 0;
  for (const double value : seconds) {
    const auto bucket = std::lower_bound(bounds.begin(), bounds.end(), value);
    counts[static_cast<size_t>(bucket - bounds.begin())] += 1;
    sum += value;
  }
  freshness_->ObserveMultiple(counts, sum);
}

void SourceMetrics::SetOutbox(uint64_t bytes, uint64_t capacity) {
  outbox_bytes_->Set(static_cast<double>(bytes));
  outbox_capacity_->Set(static_cast<double>(capacity));
}

void SourceMetrics::SetLag(int32_t partition, double records, double seconds) {
  const std::lock_guard lock(mutex_);
  auto lag = lag_.find(partition);
  if (lag == lag_.end()) {
    const std::map<std::string, std::string> labels = {{"source", source_},
                                                       {"partition", std::to_string(partition)}};
    lag = lag_.emplace(partition,
                       Lag{&families_.lag_records.Add(labels), &families_.lag_seconds.Add(labels)})
              .first;
  }
  lag->second.records->Set(records);
  lag->second.seconds->Set(seconds);
}

void SourceMetrics::SetQueue(uint64_t records, uint64_t capacity) {
  queue_records_->Set(static_cast<double>(records));
  queue_capacity_->Set(static_cast<double>(capacity));
}

void SourceMetrics::SetCompleteSince(size_t view, double unix_seconds) {
  const std::lock_guard lock(families_.mutex);
  families_.complete_since.Add({{"view", views_[view]}}).Set(unix_seconds);
}

void SourceMetrics::SetPaused(const std::string& reason) {
  const std::lock_guard lock(families_.mutex);
  std::set<std::string>& reasons = families_.pause_reasons[source_];
  if (!reason.empty()) reasons.insert(reason);
  for (const std::string& one : reasons) {
    families_.paused.Add({{"source", source_}, {"reason", one}}).Set(one == reason ? 1 : 0);
  }
}

void SourceMetrics::RemoveGauges() {
  const auto remove = [](MetricFamily<Gauge>& family,
                         const std::map<std::string, std::string>& labels) {
    family.Remove(&family.Add(labels));
  };
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [partition, lag] : lag_) {
      const std::map<std::string, std::string> labels = {{"source", source_},
                                                         {"partition", std::to_string(partition)}};
      remove(families_.lag_records, labels);
      remove(families_.lag_seconds, labels);
    }
    lag_.clear();
  }
  remove(families_.queue_records, {{"queue", source_}});
  remove(families_.queue_capacity, {{"queue", source_}});
  remove(families_.watermark, {{"source", source_}});
  const std::lock_guard lock(families_.mutex);
  for (const std::string& reason : families_.pause_reasons[source_]) {
    remove(families_.paused, {{"source", source_}, {"reason", reason}});
  }
  families_.pause_reasons.erase(source_);
  // Of one that another source has now, it is set again with the next batch.
  for (const std::string& view : views_) remove(families_.complete_since, {{"view", view}});
}

IngestMetrics::IngestMetrics(Metrics& metrics)
    : families_(metrics),
      commit_duration_(&families_.commit_duration.Add({}, LatencyBuckets())),
      rows_used_(&families_.memory_used.Add({{"part", "ingest_rows"}})),
      rows_budget_(&families_.memory_budget.Add({{"part", "ingest_rows"}})) {}

SourceMetrics& IngestMetrics::Source(const std::string& source,
                                     const std::vector<std::string>& views,
                                     std::span<const std::string_view> refusal_reasons) {
  const std::lock_guard lock(mutex_);
  sources_.push_back(std::make_unique<SourceMetrics>(families_, source, views, refusal_reasons));
  return *sources_.back();
}

void IngestMetrics::SetBrokerUp(const std::string& broker, bool up) {
  families_.broker_up.Add({{"broker", broker}}).Set(up ? 1 : 0);
}

void IngestMetrics::AddRowMemory(double used, double budget) {
  rows_used_->Increment(used);
  rows_budget_->Increment(budget);
}

}  // namespace freshet
