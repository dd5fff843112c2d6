// Pushes to the sources' topics: a lane each.
#pragma once

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
#include "featurestore/ingest/push_lane.h"
#include "featurestore/ingest/push_log.h"

namespace freshet {

struct KafkaPushLogOptions {
  LogAddress address;
  std::map<std::string, std::string> kafka_options;
  Duration stop_within = Duration::Seconds(2);
};

// Nothing that was handed to it expires: what cannot be sent waits in order, so that what a producer sends later never overtakes what
// it sent before. The Pusher bounds how much waits. Each topic has a lane (push_lane.h) of its own, whose producer is replaced where it
// has broken down; what a topic is set to is asked by a thread, so that no caller waits for a broker.
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

  // For tests: breaks the producer of a topic as librdkafka's own fatal errors do.
  void BreakForTest(const std::string& topic, rd_kafka_resp_err_t error);

 private:
  explicit KafkaPushLog(KafkaPushLogOptions options);
  // Under the lock.
  PushLane& LaneOf(const std::string& topic);
  // A topic that a lane says is not there.
  void Missing(const std::string& topic, const Status& status);
  void Watch();
  void AskLimit(std::unique_lock<std::mutex>& lock, const std::string& topic);

  const KafkaPushLogOptions options_;
  size_t record_bytes_max_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable asked_;
  struct Topic {
    Status status;           // as Ready says
    int32_t partitions = 0;  // as last heard; 0: never yet
    size_t limit = 0;        // max.message.bytes, as far as the broker tells
  };
  std::set<std::string> wanted_;         // topics that are asked for
  std::map<std::string, Topic> topics_;  // those that were
  Status away_;                          // since when no broker answers, and why
  bool ask_now_ = false;                 // something about a topic has changed
  bool ask_settings_ = false;
  bool stopping_ = false;
  KafkaHandle
      asks_;  // a consumer: where a producer asks for a topic that is not there, the broker may make it
  std::thread watch_;
  std::map<std::string, std::unique_ptr<PushLane>> lanes_;  // by topic. Last: they call back
};

}  // namespace freshet
