// Pushes to the sources' topics: one idempotent producer a server, acks=all.
#pragma once

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "featurestore/ingest/ingest.h"
#include "featurestore/ingest/kafka_client.h"
#include "featurestore/ingest/push_log.h"

namespace freshet {

struct KafkaPushLogOptions {
  LogAddress address;
  std::map<std::string, std::string> kafka_options;
  Duration stop_within = Duration::Seconds(2);
};

// Nothing that was handed to it expires: what cannot be sent waits in order, so that what a producer sends later never overtakes what
// it sent before. The Pusher bounds how much waits.
class KafkaPushLog final : public PushLog {
 public:
  static StatusOr<std::unique_ptr<KafkaPushLog>> Start(KafkaPushLogOptions options);
  ~KafkaPushLog() override;  // Stop

  void Serve(const Catalog& catalog) override;
  Status Ready(const Source& source) override;
  void Append(const Source& source, std::vector<PushRecord> records, Delivered delivered) override;
  size_t record_bytes_max() const override { return record_bytes_max_; }
  std::optional<uint64_t> unapplied_bytes_max() const override;
  void Stop() override;

 private:
  // Of one Append; each record on its way holds it.
  struct Batch {
    Delivered delivered;
  };
  struct OnItsWay {
    std::shared_ptr<Batch> batch;
    size_t record;
  };

  explicit KafkaPushLog(KafkaPushLogOptions options);
  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque);
  static void OnError(rd_kafka_t*, int error, const char* reason, void* opaque);
  Status Produce(const Source& source, const PushRecord& record, int32_t partitions,
                 std::unique_ptr<OnItsWay>& on_its_way);
  void Watch();

  const KafkaPushLogOptions options_;
  size_t record_bytes_max_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable asked_;
  struct Topic {
    Status status;           // as Ready says
    int32_t partitions = 0;  // as last heard; 0: never yet
  };
  std::set<std::string> wanted_;         // topics that are asked for
  std::map<std::string, Topic> topics_;  // those that were
  Status away_;                          // since when no broker answers, and why
  bool stopping_ = false;
  std::atomic<size_t> on_their_way_{0};
  KafkaHandle handle_;
  KafkaHandle
      asks_;  // a consumer: where a producer asks for a topic that is not there, the broker may make it
  std::thread watch_;
  std::jthread poll_;
};

}  // namespace freshet
