#include "featurestore/ingest/kafka_options.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <vector>

#include "featurestore/base/nearest.h"
#include "featurestore/ingest/kafka_client.h"

namespace freshet {
namespace {

// librdkafka tells its options only as a table for people: `name | C/P | range | …`, a line each.
std::vector<std::string> OptionNames() {
  char* text = nullptr;
  size_t size = 0;
  FILE* out = open_memstream(&text, &size);
  if (out == nullptr) return {};
  rd_kafka_conf_properties_show(out);
  std::fclose(out);
  std::vector<std::string> names;
  const std::string_view table(text, size);
  for (size_t begin = 0; begin < table.size();) {
    const size_t end = std::min(table.find('\n', begin), table.size());
    const std::string_view line = table.substr(begin, end - begin);
    const size_t name = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._");
    if (name != std::string_view::npos && name > 0 && line.find(" | ") != std::string_view::npos) {
      names.emplace_back(line.substr(0, name));
    }
    begin = end + 1;
  }
  std::free(text);
  return names;
}

std::optional<std::string> Get(const rd_kafka_conf_t* conf, const char* name) {
  std::array<char, 512> value{};
  size_t size = value.size();
  if (rd_kafka_conf_get(conf, name, value.data(), &size) != RD_KAFKA_CONF_OK) return std::nullopt;
  return value.data();
}

}  // namespace

Status CheckKafkaOption(const std::string& name, const std::string& value) {
  if (name == "group.id") {
    return InvalidArgument("{} is what kafka.group and server.name say; remove it", name);
  }
  if (name == "queued.max.messages.kbytes") {
    return InvalidArgument("{} is what storage.memory comes to; remove it", name);
  }
  KafkaSettingsList fixed = FixedConsumerSettings();
  for (auto& setting : FixedReplaySettings()) fixed.push_back(std::move(setting));
  const KafkaConf conf(rd_kafka_conf_new());
  std::array<char, 512> error{};
  for (const auto& [setting, wanted] : fixed) {
    rd_kafka_conf_set(conf.get(), setting, wanted.c_str(), error.data(), error.size());
  }
  const KafkaConf asked(rd_kafka_conf_dup(conf.get()));
  switch (rd_kafka_conf_set(asked.get(), name.c_str(), value.c_str(), error.data(), error.size())) {
    case RD_KAFKA_CONF_UNKNOWN:
      return InvalidArgument("librdkafka has no option {}{}", name,
                             Suggestion(name, OptionNames()));
    case RD_KAFKA_CONF_INVALID:
      return InvalidArgument("option {}: {}", name, error.data());
    case RD_KAFKA_CONF_OK:
      break;
  }
  // Options have other names, too (request.required.acks), and values other spellings: what counts is whether it changes one.
  for (const auto& [setting, wanted] : fixed) {
    if (Get(conf.get(), setting) != Get(asked.get(), setting)) {
      return InvalidArgument("option {}: Freshet needs {} to be {}; remove it", name, setting,
                             wanted);
    }
  }
  return OkStatus();
}

}  // namespace freshet
