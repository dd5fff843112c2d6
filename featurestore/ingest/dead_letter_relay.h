// Delivers the store's dead letters to their topic and removes each once the broker has it: at least once there, and copies fall
// together by key, which is the record's coordinates.
//
// Key: source/incarnation/partition/offset. Value: the record's, cut to what the topic takes. Headers: reason, detail, source,
// topic, incarnation, partition, offset; timestamp_us where the record had one; key where the record had one; value_bytes and key_bytes,
// their whole sizes, where they were cut.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/ingest/kafka_client.h"
#include "featurestore/observe/log.h"
#include "featurestore/store/store.h"

namespace freshet {

struct DeadLetterRelayOptions {
  std::string bootstrap;
  std::string topic;
  std::map<std::string, std::string> kafka_options;
  std::map<std::string, std::string> topics;  // of the declared sources, for the header
};

// One a server; a thread of its own. Thread-safe.
class DeadLetterRelay {
 public:
  static StatusOr<std::unique_ptr<DeadLetterRelay>> Start(DeadLetterRelayOptions options,
                                                          Store& store, Log& log);
  ~DeadLetterRelay();  // Stop

  // A source that was declared since.
  void SetTopic(const std::string& source, const std::string& topic);
  void Wake();
  // What is on its way is given a moment; the rest stays in the store.
  void Stop();

 private:
  DeadLetterRelay(DeadLetterRelayOptions options, Store& store, Log& log);
  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque);
  void Run(const std::stop_token& stop);
  // Sends some of every source's. True where there may be more.
  StatusOr<bool> RelayAll(const std::stop_token& stop);
  // Sends some of a source's and waits for them. True where there may be more.
  StatusOr<bool> RelaySome(const std::string& source, const std::string& topic,
                           const std::stop_token& stop);
  // Of `bytes` at most. `index`: of the letter, for refused_.
  Status Produce(const std::string& source, const std::string& topic,
                 const Store::StoredDeadLetter& stored, size_t bytes, size_t index);
  // Alone, and as long as the topic does not take it half as much of it.
  Status ProduceCut(const std::string& source, const std::string& topic,
                    const Store::StoredDeadLetter& stored, const std::stop_token& stop);
  // Until the broker has answered of all that is on its way.
  void Await(const std::stop_token& stop);
  // From the store what was delivered of a source.
  Status Remove(const std::string& source);

  std::string TopicOf(const std::string& source);

  const DeadLetterRelayOptions options_;
  std::map<std::string, std::string> topics_;  // under mutex_
  Store& store_;
  Log& log_;
  size_t message_max_bytes_ = 1'000'000;
  // What the topic has and the store, too: on a full disk nothing can be removed, and must not be sent again.
  std::map<std::string, std::vector<Coordinates>> unremoved_;
  // Of the batch at hand; filled by OnDelivery on the relay's thread.
  std::vector<Coordinates> delivered_;
  std::vector<size_t> refused_;  // indices; for their batch's size or one of its records
  rd_kafka_resp_err_t refusal_ = RD_KAFKA_RESP_ERR_NO_ERROR;  // the last one
  size_t flying_ = 0;
  std::string last_error_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool woken_ = false;
  KafkaHandle handle_;
  std::jthread thread_;
};

}  // namespace freshet
