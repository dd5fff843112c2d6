// librdkafka's mock cluster as a small Kafka inside a process: `brokers: embedded` and `freshet broker`.
// It keeps 5 MiB or 100,000 messages a partition and nothing across restarts: for first steps and tests.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/base/status.h"

namespace freshet {

struct MockTopic {
  std::string name;
  int32_t partitions = 1;
};

// What stands in <data folder>/broker.json, so that `freshet replay` and others find a running embedded broker.
struct BrokerFile {
  std::string bootstrap;
  std::string log_id;  // new at every start
  int64_t pid = 0;
};
std::optional<BrokerFile> ReadBrokerFile(const std::filesystem::path& data_folder);

class MockBroker {
 public:
  // Starts one, unless a live one holds <data folder>/broker.lock (flock, so that a kill -9 frees it):
  // ALREADY_EXISTS then, and broker.json says where it is. Writes broker.json. Listens on loopback.
  static StatusOr<std::unique_ptr<MockBroker>> Start(const std::filesystem::path& data_folder,
                                                     const std::vector<MockTopic>& topics);
  ~MockBroker();
  // Those that are there already stay as they are.
  Status AddTopics(const std::vector<MockTopic>& topics);
  const std::string& bootstrap() const;
  const std::string& log_id() const;

 private:
  struct Impl;
  explicit MockBroker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet
