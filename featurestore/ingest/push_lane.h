// What is pushed to one topic, in the order in which it came: an idempotent producer, acks=all, and a thread that alone uses it.
//
// One flight at a time: as much of what waits as is one batch a partition, sent as a whole and waited for. A broker takes a batch whole
// or not at all, and nothing that comes later is sent before it has answered. So a record that is not taken has none behind it in its
// partition that is, and a producer can send it once more: by its sequence it is no repetition (docs/semantics.md, Producers that send
// twice).
//
// A batch that may have been refused for its size, or for one of its records, is sent again, each record alone. What is refused alone
// is told why. Behind it nothing more of its producer is sent of that call, nor of calls that wait: who pushed it decides, and what
// has no producer goes on.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "featurestore/ingest/kafka_client.h"
#include "featurestore/ingest/push_log.h"

namespace freshet {

// Settings of a lane's producer.
struct PushLaneOptions {
  std::string bootstrap;
  std::map<std::string, std::string> kafka_options;
};

// What a lane tells whoever owns it, on its thread and under none of its locks.
struct PushLaneTells {
  std::function<void(const Status&)> missing;  // the topic is not there
  std::function<void()> batch_too_large;       // ask how large it may be
  std::function<void(const char*)> away;       // no broker answers
  std::function<void()> answered;
};

// Thread-safe.
class PushLane {
 public:
  using Delivered = PushLog::Delivered;

  static StatusOr<KafkaConf> ProducerConf(const PushLaneOptions& options);

  PushLane(std::string topic, PushLaneOptions options, PushLaneTells tells);
  ~PushLane();  // Stop, at once

  void SetPartitions(int32_t partitions) { partitions_ = partitions; }
  // max.message.bytes, as the broker tells.
  void SetLimit(size_t bytes) { limit_ = bytes; }
  void Append(std::vector<PushRecord> records, Delivered delivered);
  // From now on nothing is taken; what waits has until then.
  void BeginStop(std::chrono::steady_clock::time_point until);
  // Once all are told of. Idempotent.
  void Stop();
  // For tests: the producer, once there is one.
  void BreakForTest(rd_kafka_resp_err_t error);

 private:
  struct Call {
    std::vector<PushRecord> records;
    Delivered delivered;
    size_t next = 0;  // that is sent; of the lane's thread
    Status failed;    // none of the rest is sent
    // Producers of which a record was not taken, and what became of it.
    std::map<std::string, std::string> ended;
  };
  using CallPtr = std::shared_ptr<Call>;
  struct Flying {
    CallPtr call;
    size_t record = 0;
    bool is_sent = false;  // the producer took it; else to.status says why not
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    PushedTo to;
    const PushRecord& its_record() const { return call->records[record]; }
  };

  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque);
  static void OnError(rd_kafka_t*, int error, const char* reason, void* opaque);

  // All on the lane's thread.
  void Run();
  std::vector<CallPtr> Waiting();
  void Fly(const std::vector<CallPtr>& waiting);
  // A producer that knows the topic. Waits for a broker.
  Status Producer();
  Status MakeProducer();
  bool IsFatal() const;
  std::vector<Flying> Gather(const std::vector<CallPtr>& waiting, std::vector<Flying>& unsent);
  void SendAll(std::vector<Flying>& flight);
  void Send(Flying& one);
  void Await();
  // What was refused with others is sent once more.
  void Settle(std::vector<Flying>& flight);
  Status StatusOf(const Flying& one) const;
  // Why it is not to be sent, if it is not.
  Status Behind(const Call& call, const PushRecord& record) const;
  void End(const Flying& one);
  // Where one stands that was taken. `ends`: of the partitions of this flight of which only that is known.
  void Place(Flying& one, std::map<int32_t, StatusOr<int64_t>>& ends);
  StatusOr<int64_t> AskEnd(int32_t partition);
  bool OutOfTime() const;
  size_t FlightBytes() const;

  const std::string topic_;
  const PushLaneOptions options_;
  const PushLaneTells tells_;
  std::atomic<int32_t> partitions_{0};
  std::atomic<size_t> limit_{0};                // 0: not known
  std::atomic<int64_t> stop_at_us_{0};          // of the steady clock; 0: not yet
  size_t learnt_bytes_ = 0;                     // that a batch may have, as refusals said; 0: none
  size_t learnt_of_ = 0;                        // limit_ then
  size_t batch_bytes_ = 0, batch_records_ = 0;  // as configured
  size_t in_flight_ = 0;
  std::map<int32_t, int64_t> told_;  // by partition, the last offset that is known to be taken
  bool ask_topic_ = false;           // before anything is sent
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<CallPtr> calls_;
  bool stopping_ = false;
  std::mutex handle_mutex_;  // of its being replaced; the lane's thread reads it without
  KafkaHandle handle_;
  std::thread thread_;
};

}  // namespace freshet
