#include "tests/integration/kafka/log_reader.h"

#include <stdexcept>

namespace freshet {
namespace {

LogRecord Copy(const rd_kafka_message_t& message) {
  LogRecord record;
  record.partition = message.partition;
  record.offset = message.offset;
  if (message.key != nullptr) {
    record.key = std::string(static_cast<const char*>(message.key), message.key_len);
  }
  record.value = std::string(static_cast<const char*>(message.payload), message.len);
  rd_kafka_headers_t* headers = nullptr;
  if (rd_kafka_message_headers(&message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    const char* name = nullptr;
    const void* value = nullptr;
    size_t size = 0;
    for (size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
         ++i) {
      record.headers[name] = std::string(static_cast<const char*>(value), size);
    }
  }
  return record;
}

}  // namespace

LogFollower::LogFollower(const std::string& bootstrap, const std::string& topic,
                         int32_t partition) {
  auto conf = MakeKafkaConf(bootstrap,
                            {{"group.id", "test"},
                             {"enable.auto.commit", "false"},
                             {"auto.offset.reset", "earliest"},
                             {"fetch.wait.max.ms", "10"}},
                            {}, {});
  auto handle = MakeKafkaHandle(RD_KAFKA_CONSUMER, *std::move(conf));
  if (!handle.ok()) throw std::runtime_error(std::string(MessageOf(handle.status())));
  handle_ = *std::move(handle);
  rd_kafka_poll_set_consumer(handle_.get());
  KafkaPartitions partitions(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(partitions.get(), topic.c_str(), partition)->offset = 0;
  rd_kafka_assign(handle_.get(), partitions.get());
}

LogFollower::~LogFollower() { rd_kafka_consumer_close(handle_.get()); }

std::vector<LogRecord> LogFollower::ReadSome(int timeout_ms) {
  std::vector<LogRecord> records;
  while (rd_kafka_message_t* message = rd_kafka_consumer_poll(handle_.get(), timeout_ms)) {
    timeout_ms = 0;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      lost_ += message->offset - next_;
      next_ = message->offset + 1;
      records.push_back(Copy(*message));
    }
    rd_kafka_message_destroy(message);
  }
  return records;
}

std::vector<LogRecord> ReadLogToEnds(const std::string& bootstrap, const std::string& topic,
                                     const std::map<int32_t, int64_t>& ends) {
  std::vector<LogRecord> all;
  for (const auto& [partition, end] : ends) {
    LogFollower follower(bootstrap, topic, partition);
    for (int i = 0; i < 1000 && follower.next() < end; ++i) {
      for (LogRecord& record : follower.ReadSome()) all.push_back(std::move(record));
    }
  }
  return all;
}

}  // namespace freshet
