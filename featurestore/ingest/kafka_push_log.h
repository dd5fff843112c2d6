// Pushes to the sources' topics: an idempotent producer, acks=all, and one more for topics that take smaller batches than it sends.
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
//
// A broker refuses a whole batch that is larger than its topic takes (max.message.bytes). So a topic is asked for that, and gets a
// producer whose batches are no larger; where it did not tell, what was refused is sent once more, each record alone, and from then on
// all of that topic. Only what is too large alone is told to be. No two producers send to a topic at once: while one ends, calls are
// told to come again.
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
  // One Append; each record on its way holds it.
  struct Sending {
    Delivered delivered;
    std::string topic;
    std::vector<PushRecord> records;
    size_t left = 0;                                  // that the producer has not told of
    bool alone = false;                               // what it sends now was refused in a batch
    std::vector<std::pair<size_t, int32_t>> refused;  // in a batch: record, partition
    std::map<int32_t, size_t> taken;                  // by partition the last one
  };
  struct OnItsWay {
    std::shared_ptr<Sending> batch;
    size_t record;
  };
  struct Producer {
    KafkaHandle handle;
    std::jthread poll;
  };
  // What is sent to a topic.
  struct Sent {
    std::optional<size_t> limit;  // max.message.bytes, as far as the broker tells
    size_t batch_bytes = 0;       // as of producers_
    std::optional<size_t>
        next_batch_bytes;  // once nothing is on its way; until then nothing is sent
    size_t on_their_way = 0;
  };

  explicit KafkaPushLog(KafkaPushLogOptions options);
  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque);
  static void OnError(rd_kafka_t*, int error, const char* reason, void* opaque);
  // Under the lock.
  StatusOr<rd_kafka_t*> ProducerOf(size_t batch_bytes);
  static void Switch(Sent& sent);

  // `records` of it; those that cannot be sent are told.
  void Produce(const StatusOr<rd_kafka_t*>& producer, const std::shared_ptr<Sending>& sending,
               const std::vector<size_t>& records, int32_t partitions);
  Status ProduceOne(rd_kafka_t* producer, const std::string& topic, const PushRecord& record,
                    int32_t partitions, std::unique_ptr<OnItsWay>& on_its_way);
  Status NotTaken(const std::string& topic, rd_kafka_resp_err_t error);
  // What became of one. `too_large`: of it or of the batch that it was in.
  void Told(const std::shared_ptr<Sending>& sending, size_t record, const PushedTo& to,
            bool too_large);
  void Tell(const Sending& sending, size_t record, const PushedTo& to);
  // What was refused in batches. Not what later ones of its call have overtaken in the log: its sequence would be one that was passed.
  void SendAlone(const std::shared_ptr<Sending>& sending);
  void Watch();
  void AskLimit(std::unique_lock<std::mutex>& lock, const std::string& topic);

  const KafkaPushLogOptions options_;
  size_t record_bytes_max_ = 0;
  size_t batch_bytes_ = 0;  // as configured
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
  std::map<std::string, Sent> sent_;     // by topic
  bool ask_now_ = false;                 // something about a topic has changed
  bool ask_settings_ = false;
  bool stopping_ = false;
  std::atomic<size_t> on_their_way_{0};
  KafkaHandle
      asks_;  // a consumer: where a producer asks for a topic that is not there, the broker may make it
  std::thread watch_;
  std::map<size_t, Producer> producers_;  // by batch.size; 0: as configured. Last: they call back
};

}  // namespace freshet
