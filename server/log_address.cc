#include "server/log_address.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

namespace freshet {

std::optional<LogAddress> FindLog(const Catalog& catalog) {
  const std::optional<BrokerFile> file = ReadBrokerFile(catalog.storage.path);
  if (catalog.kafka.kind == KafkaSettings::Kind::kEmbedded) {
    if (!file.has_value()) return std::nullopt;
    return LogAddress{file->bootstrap, file->log_id, true};
  }
  if (file.has_value() && file->bootstrap == catalog.kafka.brokers)
    return LogAddress{file->bootstrap, file->log_id, true};
  return LogAddress{catalog.kafka.brokers, "", false};
}

std::string ReplacedBroker(const std::filesystem::path& data_folder, const LogAddress& address) {
  const std::optional<BrokerFile> file = ReadBrokerFile(data_folder);
  if (!file.has_value() || file->log_id == address.log_id) return {};
  return fmt::format(
      "the broker at {} is gone, and another one was started in its place at {} (pid {}), with an "
      "empty log; restart this server to read it: what was computed so far is kept",
      address.bootstrap, file->bootstrap, file->pid);
}

bool SomebodyListens(const std::string& bootstrap) {
  const std::string first = bootstrap.substr(0, bootstrap.find(','));
  const size_t colon = first.rfind(':');
  if (colon == std::string::npos) return false;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(first.substr(0, colon).c_str(), first.substr(colon + 1).c_str(), &hints,
                  &found) != 0)
    return false;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  bool taken = false;
  for (const addrinfo* at = addresses.get(); at != nullptr && !taken; at = at->ai_next) {
    const int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
    if (fd < 0) continue;
    taken = connect(fd, at->ai_addr, at->ai_addrlen) == 0;
    close(fd);
  }
  return taken;
}

std::vector<MockTopic> EmbeddedTopics(const Catalog& catalog) {
  std::vector<MockTopic> topics;
  const auto add = [&topics](const std::string& name, int32_t partitions) {
    const bool known = std::any_of(topics.begin(), topics.end(),
                                   [&](const MockTopic& topic) { return topic.name == name; });
    if (!known) topics.push_back({name, partitions});
  };
  for (const Source& source : catalog.sources) add(source.topic, catalog.kafka.embedded_partitions);
  add(catalog.kafka.dead_letters, 1);
  return topics;
}

}  // namespace freshet
