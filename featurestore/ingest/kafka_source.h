// LogSource on librdkafka: one consumer, read in batches from its queue, `assign` only. Partitions are never paused: batch
// consume with pause skips offsets in librdkafka before 2.1.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "featurestore/ingest/kafka_client.h"
#include "featurestore/ingest/log_source.h"

namespace freshet {

struct KafkaSourceOptions {
  std::string bootstrap;
  std::string topic;
  std::string group;                           // of advisory commits
  std::map<std::string, std::string> options;  // librdkafka's own
  uint64_t queue_bytes = 8ull << 20;           // prefetched and not yet polled
  bool headers = false;                        // fill RawRecord::headers
  // Called from the polling thread, with librdkafka's name of an error: for metrics.
  std::function<void(const char* code)> on_error;
};

class KafkaSource final : public LogSource {
 public:
  // Fails for options that cannot be, never for a broker that is away.
  static StatusOr<std::unique_ptr<KafkaSource>> Make(KafkaSourceOptions options);
  ~KafkaSource() override;

  StatusOr<int32_t> Partitions() override;
  StatusOr<LogBounds> Bounds(int32_t partition) override;
  StatusOr<TopicSettings> Settings() override;
  StatusOr<std::optional<RecordFingerprint>> FirstAt(int32_t partition, int64_t offset) override;
  StatusOr<std::map<int32_t, RecordFingerprint>> FirstOfEach(const Positions& at) override;
  StatusOr<std::map<int32_t, std::optional<int64_t>>> FirstAfter(
      const std::map<int32_t, Timestamp>& times) override;
  Status Assign(const Positions& next) override;
  Status Poll(const PollLimits& limits, LogBatch& batch) override;
  std::optional<int64_t> KnownEnd(int32_t partition) override;
  void CommitAdvisory(const Positions& durable) override;

 private:
  explicit KafkaSource(KafkaSourceOptions options);
  static void OnError(rd_kafka_t* handle, int error, const char* reason, void* opaque);

  Status AssignList(const rd_kafka_topic_partition_list_t* list);
  // Has librdkafka look at once whether to fetch, where its queue was full, as far as is known, and runs low.
  void KeepFetching();
  // Takes what the queue gives: appends to `batch` and messages_.
  Status Take(int timeout_ms, size_t at_most, LogBatch& batch);
  Status Append(rd_kafka_message_t* message, LogBatch& batch);
  void AppendHeaders(const rd_kafka_message_t& message, SourceRecord& record);
  void Release();
  Status ErrorOf(const rd_kafka_message_t& message) const;

  using HeaderList = std::vector<std::pair<std::string_view, std::string_view>>;

  const KafkaSourceOptions options_;
  // The connection went away since the last Assign: what comes next may be another log.
  std::string lost_connection_;
  std::vector<rd_kafka_message_t*> messages_;  // of the last Poll
  std::vector<std::unique_ptr<HeaderList>> headers_;
  std::vector<rd_kafka_message_t*> taken_;  // buffer of Take
  std::vector<int32_t> assigned_;           // partitions
  size_t records_since_wake_ = 0;           // polled
  uint64_t bytes_since_wake_ = 0;
  KafkaHandle handle_;
  KafkaQueue queue_;
};

}  // namespace freshet
