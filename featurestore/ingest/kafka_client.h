// librdkafka's C handles as owners, and its configuration from a declaration's options. What is common to the consumer, the
// dead-letter relay and replay.
#pragma once

#include <librdkafka/rdkafka.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/ingest/log_source.h"

namespace freshet {

struct KafkaDeleter {
  void operator()(rd_kafka_t* p) const { rd_kafka_destroy(p); }
  void operator()(rd_kafka_conf_t* p) const { rd_kafka_conf_destroy(p); }
  void operator()(rd_kafka_queue_t* p) const { rd_kafka_queue_destroy(p); }
  void operator()(rd_kafka_topic_t* p) const { rd_kafka_topic_destroy(p); }
  void operator()(rd_kafka_topic_partition_list_t* p) const {
    rd_kafka_topic_partition_list_destroy(p);
  }
  void operator()(const rd_kafka_metadata_t* p) const { rd_kafka_metadata_destroy(p); }
  void operator()(rd_kafka_event_t* p) const { rd_kafka_event_destroy(p); }
  void operator()(rd_kafka_AdminOptions_t* p) const { rd_kafka_AdminOptions_destroy(p); }
  void operator()(rd_kafka_ConfigResource_t* p) const { rd_kafka_ConfigResource_destroy(p); }
};
using KafkaHandle = std::unique_ptr<rd_kafka_t, KafkaDeleter>;
using KafkaConf = std::unique_ptr<rd_kafka_conf_t, KafkaDeleter>;
using KafkaQueue = std::unique_ptr<rd_kafka_queue_t, KafkaDeleter>;
using KafkaTopic = std::unique_ptr<rd_kafka_topic_t, KafkaDeleter>;
using KafkaPartitions = std::unique_ptr<rd_kafka_topic_partition_list_t, KafkaDeleter>;
using KafkaMetadata = std::unique_ptr<const rd_kafka_metadata_t, KafkaDeleter>;
using KafkaEvent = std::unique_ptr<rd_kafka_event_t, KafkaDeleter>;
using KafkaAdminOptions = std::unique_ptr<rd_kafka_AdminOptions_t, KafkaDeleter>;
using KafkaResource = std::unique_ptr<rd_kafka_ConfigResource_t, KafkaDeleter>;

using KafkaSettingsList = std::vector<std::pair<const char*, std::string>>;

// What Freshet's promises stand on; CheckKafkaOption (kafka_options.h) refuses options that say otherwise. Besides, a consumer's
// group.id and queue are Freshet's.
KafkaSettingsList FixedConsumerSettings();
// librdkafka fetches no more where a consumer's queue holds so many records.
inline constexpr size_t kFullQueueRecords = 100'000;
KafkaSettingsList FixedReplaySettings();  // of which the dead-letter relay keeps to acks

// `defaults`, over them the user's `options` (`kafka: { options: … }`), over them `fixed`, which Freshet's own promises stand on:
// an option that says otherwise is an INVALID_ARGUMENT that names it.
StatusOr<KafkaConf> MakeKafkaConf(const std::string& bootstrap, const KafkaSettingsList& defaults,
                                  const std::map<std::string, std::string>& options,
                                  const KafkaSettingsList& fixed);

StatusOr<KafkaHandle> MakeKafkaHandle(rd_kafka_type_t type, KafkaConf conf);

// "Local: Broker transport failure"
std::string KafkaErrorText(rd_kafka_resp_err_t error);

// Number of a topic's partitions. NOT_FOUND where the broker does not have it, FAILED_PRECONDITION where it has it and this client may
// not read it, or nobody leads it yet; UNAVAILABLE where no broker answers.
StatusOr<int32_t> TopicPartitions(rd_kafka_t* handle, const std::string& topic, int timeout_ms);

// By DescribeConfigs. UNAVAILABLE where no broker answers; PERMISSION_DENIED and others where it will not say.
StatusOr<TopicSettings> AskTopicSettings(rd_kafka_t* handle, const std::string& topic,
                                         int timeout_ms);
// Of a batch that the topic takes: its max.message.bytes. As above.
StatusOr<size_t> AskMaxMessageBytes(rd_kafka_t* handle, const std::string& topic, int timeout_ms);

}  // namespace freshet
