#include "featurestore/ingest/kafka_client.h"

#include <array>
#include <charconv>
#include <functional>

namespace freshet {
namespace {

Status Set(rd_kafka_conf_t* conf, const std::string& name, const std::string& value) {
  std::array<char, 512> error{};
  if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size()) ==
      RD_KAFKA_CONF_OK) {
    return OkStatus();
  }
  return InvalidArgument("kafka option {}: {}", name, error.data());
}

}  // namespace

KafkaSettingsList FixedConsumerSettings() {
  return {{"enable.auto.commit", "false"},
          {"enable.auto.offset.store", "false"},
          {"enable.partition.eof", "true"},
          {"auto.offset.reset", "error"},
          {"isolation.level", "read_committed"},
          {"allow.auto.create.topics", "false"},
          {"check.crcs", "true"},
          {"queued.min.messages", fmt::format("{}", kFullQueueRecords)}};
}

KafkaSettingsList FixedReplaySettings() {
  return {{"enable.idempotence", "true"}, {"acks", "all"}, {"partitioner", "murmur2_random"}};
}

StatusOr<KafkaConf> MakeKafkaConf(const std::string& bootstrap, const KafkaSettingsList& defaults,
                                  const std::map<std::string, std::string>& options,
                                  const KafkaSettingsList& fixed) {
  KafkaConf conf(rd_kafka_conf_new());
  RETURN_IF_ERROR(Set(conf.get(), "client.id", "freshet"));
  for (const auto& [name, value] : defaults) RETURN_IF_ERROR(Set(conf.get(), name, value));
  for (const auto& [name, value] : options) RETURN_IF_ERROR(Set(conf.get(), name, value));
  for (const auto& [name, value] : fixed) {
    const auto wanted = options.find(name);
    if (wanted != options.end() && wanted->second != value) {
      return InvalidArgument("kafka option {}: Freshet needs {}; take it out of kafka.options",
                             name, value);
    }
    RETURN_IF_ERROR(Set(conf.get(), name, value));
  }
  RETURN_IF_ERROR(Set(conf.get(), "bootstrap.servers", bootstrap));
  // Its lines repeat with every retry; what matters is reported once, by who uses the handle.
  rd_kafka_conf_set_log_cb(conf.get(), nullptr);
  return conf;
}

StatusOr<KafkaHandle> MakeKafkaHandle(rd_kafka_type_t type, KafkaConf conf) {
  std::array<char, 512> error{};
  KafkaHandle handle(rd_kafka_new(type, conf.get(), error.data(), error.size()));
  if (handle == nullptr) return InvalidArgument("kafka: {}", error.data());
  (void)conf.release();  // rd_kafka_new has taken it
  return handle;
}

std::string KafkaErrorText(rd_kafka_resp_err_t error) { return rd_kafka_err2str(error); }

StatusOr<int32_t> TopicPartitions(rd_kafka_t* handle, const std::string& topic, int timeout_ms) {
  KafkaTopic asked(rd_kafka_topic_new(handle, topic.c_str(), nullptr));
  if (asked == nullptr) {
    return InvalidArgument("topic {}: {}", topic, KafkaErrorText(rd_kafka_last_error()));
  }
  const rd_kafka_metadata_t* answer = nullptr;
  const auto error = rd_kafka_metadata(handle, 0, asked.get(), &answer, timeout_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return Unavailable("no broker answers: {}", KafkaErrorText(error));
  }
  const KafkaMetadata metadata(answer);
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic_t& found = metadata->topics[i];
    if (topic != found.topic) continue;
    if (found.err == RD_KAFKA_RESP_ERR_NO_ERROR && found.partition_cnt > 0) {
      return found.partition_cnt;
    }
    if (found.err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
      return FailedPrecondition("topic {}: {}", topic, KafkaErrorText(found.err));
    }
    if (found.err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
      return FailedPrecondition("topic {}: {}; grant this client READ and DESCRIBE", topic,
                                KafkaErrorText(found.err));
    }
  }
  return NotFound("the topic {} does not exist on the broker; create it", topic);
}

namespace {

Status DescribeFailed(const std::string& topic, rd_kafka_resp_err_t error, const char* text) {
  switch (error) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
      return MakeStatus(absl::StatusCode::kPermissionDenied, "topic {}: {}", topic, text);
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
      return MakeStatus(absl::StatusCode::kUnimplemented, "topic {}: {}", topic, text);
    default:
      return Unavailable("topic {}: its settings cannot be asked: {}", topic, text);
  }
}

void ReadSetting(std::string_view name, std::string_view value, TopicSettings& settings,
                 bool& is_deleted) {
  if (name == "cleanup.policy") {
    settings.compacted = value.find("compact") != std::string_view::npos;
    is_deleted = value.find("delete") != std::string_view::npos;
  } else if (name == "retention.ms") {
    int64_t ms = -1;
    std::from_chars(value.data(), value.data() + value.size(), ms);
    if (ms >= 0) settings.retention = Duration{ms > INT64_MAX / 1000 ? INT64_MAX : ms * 1000};
  }
}

// Each setting of the topic that the broker tells.
Status DescribeTopic(rd_kafka_t* handle, const std::string& topic, int timeout_ms,
                     const std::function<void(std::string_view, std::string_view)>& visit) {
  const KafkaQueue queue(rd_kafka_queue_new(handle));
  const KafkaAdminOptions options(
      rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS));
  std::array<char, 512> error{};
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, error.data(), error.size());
  const KafkaResource asked(rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
  rd_kafka_ConfigResource_t* list = asked.get();
  rd_kafka_DescribeConfigs(handle, &list, 1, options.get(), queue.get());
  const KafkaEvent event(rd_kafka_queue_poll(queue.get(), timeout_ms));
  if (event == nullptr) return Unavailable("topic {}: no broker tells its settings", topic);
  if (const auto failed = rd_kafka_event_error(event.get()); failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return DescribeFailed(topic, failed, rd_kafka_event_error_string(event.get()));
  }
  size_t resources = 0;
  const rd_kafka_ConfigResource_t** const told = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(event.get()), &resources);
  if (resources != 1) return Unavailable("topic {}: no broker tells its settings", topic);
  if (const auto failed = rd_kafka_ConfigResource_error(told[0]);
      failed != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return DescribeFailed(topic, failed, rd_kafka_ConfigResource_error_string(told[0]));
  }
  size_t count = 0;
  const rd_kafka_ConfigEntry_t** const entries = rd_kafka_ConfigResource_configs(told[0], &count);
  for (size_t i = 0; i < count; ++i) {
    const char* const value = rd_kafka_ConfigEntry_value(entries[i]);
    if (value == nullptr) continue;  // sensitive
    visit(rd_kafka_ConfigEntry_name(entries[i]), value);
  }
  return OkStatus();
}

}  // namespace

StatusOr<TopicSettings> AskTopicSettings(rd_kafka_t* handle, const std::string& topic,
                                         int timeout_ms) {
  TopicSettings settings;
  bool is_deleted = true;
  RETURN_IF_ERROR(
      DescribeTopic(handle, topic, timeout_ms, [&](std::string_view name, std::string_view value) {
        ReadSetting(name, value, settings, is_deleted);
      }));
  if (!is_deleted) settings.retention.reset();
  return settings;
}

StatusOr<size_t> AskMaxMessageBytes(rd_kafka_t* handle, const std::string& topic, int timeout_ms) {
  size_t bytes = 0;
  RETURN_IF_ERROR(
      DescribeTopic(handle, topic, timeout_ms, [&](std::string_view name, std::string_view value) {
        if (name != "max.message.bytes") return;
        std::from_chars(value.data(), value.data() + value.size(), bytes);
      }));
  if (bytes == 0) return Unavailable("topic {}: no broker tells its max.message.bytes", topic);
  return bytes;
}

}  // namespace freshet
