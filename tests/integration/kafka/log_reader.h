// Reads a topic as any Kafka client would: the tests' own eyes, apart from what ingestion does.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/ingest/kafka_client.h"

namespace freshet {

struct LogRecord {
  int32_t partition = 0;
  int64_t offset = 0;
  std::optional<std::string> key;
  std::string value;
  std::map<std::string, std::string> headers;
};

// Follows partition 0 from its beginning and notes what it never saw.
class LogFollower {
 public:
  LogFollower(const std::string& bootstrap, const std::string& topic, int32_t partition = 0);
  ~LogFollower();
  // What is there now, waiting a little for it.
  std::vector<LogRecord> ReadSome(int timeout_ms = 20);
  int64_t next() const { return next_; }
  int64_t lost() const { return lost_; }

 private:
  KafkaHandle handle_;
  int64_t next_ = 0;
  int64_t lost_ = 0;
};

// Everything up to `ends` (next offset by partition); gives up after 20 s.
std::vector<LogRecord> ReadLogToEnds(const std::string& bootstrap, const std::string& topic,
                                     const std::map<int32_t, int64_t>& ends);

}  // namespace freshet
