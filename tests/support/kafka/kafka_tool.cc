// What tests do to a real broker's topics and kcat cannot: see --help. Prints nothing but what was asked for; exit status 1 and a
// sentence where the broker refuses.
#include <librdkafka/rdkafka.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

constexpr int kTimeoutMs = 30'000;

using Settings = std::vector<std::string>;  // NAME=VALUE

struct Deleter {
  void operator()(rd_kafka_t* p) const { rd_kafka_destroy(p); }
  void operator()(rd_kafka_queue_t* p) const { rd_kafka_queue_destroy(p); }
  void operator()(rd_kafka_event_t* p) const { rd_kafka_event_destroy(p); }
  void operator()(rd_kafka_topic_t* p) const { rd_kafka_topic_destroy(p); }
  void operator()(rd_kafka_error_t* p) const { rd_kafka_error_destroy(p); }
  void operator()(rd_kafka_AdminOptions_t* p) const { rd_kafka_AdminOptions_destroy(p); }
  void operator()(rd_kafka_NewTopic_t* p) const { rd_kafka_NewTopic_destroy(p); }
  void operator()(rd_kafka_NewPartitions_t* p) const { rd_kafka_NewPartitions_destroy(p); }
  void operator()(rd_kafka_DeleteTopic_t* p) const { rd_kafka_DeleteTopic_destroy(p); }
  void operator()(rd_kafka_DeleteRecords_t* p) const { rd_kafka_DeleteRecords_destroy(p); }
  void operator()(rd_kafka_ConfigResource_t* p) const { rd_kafka_ConfigResource_destroy(p); }
  void operator()(rd_kafka_topic_partition_list_t* p) const {
    rd_kafka_topic_partition_list_destroy(p);
  }
  void operator()(const rd_kafka_metadata_t* p) const { rd_kafka_metadata_destroy(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Deleter>;

[[noreturn]] void Die(const std::string& what) { throw std::runtime_error(what); }
void Check(rd_kafka_resp_err_t error, const char* text = nullptr) {
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) Die(text != nullptr ? text : rd_kafka_err2str(error));
}
void Check(rd_kafka_error_t* error) {
  const Owned<rd_kafka_error_t> owned(error);
  if (owned != nullptr) Die(rd_kafka_error_string(owned.get()));
}
std::pair<std::string, std::string> Split(const std::string& setting) {
  const size_t equals = setting.find('=');
  if (equals == std::string::npos) Die(setting + ": write NAME=VALUE");
  return {setting.substr(0, equals), setting.substr(equals + 1)};
}

Owned<rd_kafka_t> Connect(const std::string& bootstrap, const Settings& settings) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  std::array<char, 512> error{};
  Settings all = {"bootstrap.servers=" + bootstrap};
  all.insert(all.end(), settings.begin(), settings.end());
  for (const std::string& setting : all) {
    const auto [name, value] = Split(setting);
    if (rd_kafka_conf_set(conf, name.c_str(), value.c_str(), error.data(), error.size()) !=
        RD_KAFKA_CONF_OK) {
      Die(error.data());
    }
  }
  // Runs in rd_kafka_poll: a record that could not be delivered is an error of the whole run.
  rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR &&
        message->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE &&
        message->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT) {  // an abort takes back what waits
      std::fprintf(stderr, "kafka_tool: not delivered: %s\n", rd_kafka_err2str(message->err));
      std::_Exit(1);
    }
  });
  rd_kafka_conf_set_log_cb(conf, nullptr);
  rd_kafka_t* handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error.data(), error.size());
  if (handle == nullptr) Die(error.data());
  return Owned<rd_kafka_t>(handle);
}

// --- Topics ---------------------------------------------------------------------------------------------------------

class Admin {
 public:
  explicit Admin(const std::string& bootstrap)
      : handle_(Connect(bootstrap, {})), queue_(rd_kafka_queue_new(handle_.get())) {}

  void Create(const std::string& topic, int partitions, const Settings& config) {
    std::array<char, 512> error{};
    Owned<rd_kafka_NewTopic_t> wanted(
        rd_kafka_NewTopic_new(topic.c_str(), partitions, 1, error.data(), error.size()));
    if (wanted == nullptr) Die(error.data());
    for (const std::string& setting : config) {
      const auto [name, value] = Split(setting);
      Check(rd_kafka_NewTopic_set_config(wanted.get(), name.c_str(), value.c_str()));
    }
    rd_kafka_NewTopic_t* list = wanted.get();
    rd_kafka_CreateTopics(handle_.get(), &list, 1, Options().get(), queue_.get());
    const auto answer = Answer();
    size_t count = 0;
    CheckTopics(rd_kafka_CreateTopics_result_topics(
                    rd_kafka_event_CreateTopics_result(answer.get()), &count),
                count);
  }
  void Grow(const std::string& topic, size_t partitions) {
    std::array<char, 512> error{};
    Owned<rd_kafka_NewPartitions_t> wanted(
        rd_kafka_NewPartitions_new(topic.c_str(), partitions, error.data(), error.size()));
    if (wanted == nullptr) Die(error.data());
    rd_kafka_NewPartitions_t* list = wanted.get();
    rd_kafka_CreatePartitions(handle_.get(), &list, 1, Options().get(), queue_.get());
    const auto answer = Answer();
    size_t count = 0;
    CheckTopics(rd_kafka_CreatePartitions_result_topics(
                    rd_kafka_event_CreatePartitions_result(answer.get()), &count),
                count);
  }
  void Delete(const std::string& topic) {
    const Owned<rd_kafka_DeleteTopic_t> wanted(rd_kafka_DeleteTopic_new(topic.c_str()));
    rd_kafka_DeleteTopic_t* list = wanted.get();
    rd_kafka_DeleteTopics(handle_.get(), &list, 1, Options().get(), queue_.get());
    const auto answer = Answer();
    size_t count = 0;
    CheckTopics(rd_kafka_DeleteTopics_result_topics(
                    rd_kafka_event_DeleteTopics_result(answer.get()), &count),
                count);
  }
  void DeleteRecords(const std::string& topic, int32_t partition, int64_t before) {
    const Owned<rd_kafka_topic_partition_list_t> offsets(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(offsets.get(), topic.c_str(), partition)->offset = before;
    const Owned<rd_kafka_DeleteRecords_t> wanted(rd_kafka_DeleteRecords_new(offsets.get()));
    rd_kafka_DeleteRecords_t* list = wanted.get();
    rd_kafka_DeleteRecords(handle_.get(), &list, 1, Options().get(), queue_.get());
    const auto answer = Answer();
    const auto* done =
        rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(answer.get()));
    for (int i = 0; i < done->cnt; ++i) Check(done->elems[i].err);
  }
  // All that is not named goes back to the broker's default.
  void Configure(const std::string& topic, const Settings& config) {
    const Owned<rd_kafka_ConfigResource_t> wanted(
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str()));
    for (const std::string& setting : config) {
      const auto [name, value] = Split(setting);
      Check(rd_kafka_ConfigResource_set_config(wanted.get(), name.c_str(), value.c_str()));
    }
    rd_kafka_ConfigResource_t* list = wanted.get();
    rd_kafka_AlterConfigs(handle_.get(), &list, 1, Options().get(), queue_.get());
    const auto answer = Answer();
    size_t count = 0;
    const auto** done = rd_kafka_AlterConfigs_result_resources(
        rd_kafka_event_AlterConfigs_result(answer.get()), &count);
    for (size_t i = 0; i < count; ++i) {
      Check(rd_kafka_ConfigResource_error(done[i]), rd_kafka_ConfigResource_error_string(done[i]));
    }
  }
  void Bounds(const std::string& topic) {
    const Owned<rd_kafka_topic_t> asked(rd_kafka_topic_new(handle_.get(), topic.c_str(), nullptr));
    const rd_kafka_metadata_t* told = nullptr;
    Check(rd_kafka_metadata(handle_.get(), 0, asked.get(), &told, kTimeoutMs));
    const Owned<const rd_kafka_metadata_t> metadata(told);
    Check(metadata->topics[0].err);
    for (int32_t p = 0; p < metadata->topics[0].partition_cnt; ++p) {
      int64_t start = 0, end = 0;
      Check(rd_kafka_query_watermark_offsets(handle_.get(), topic.c_str(), p, &start, &end,
                                             kTimeoutMs));
      std::printf("%d %lld %lld\n", p, static_cast<long long>(start), static_cast<long long>(end));
    }
  }

 private:
  Owned<rd_kafka_AdminOptions_t> Options() const {
    return Owned<rd_kafka_AdminOptions_t>(
        rd_kafka_AdminOptions_new(handle_.get(), RD_KAFKA_ADMIN_OP_ANY));
  }
  Owned<rd_kafka_event_t> Answer() {
    Owned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue_.get(), kTimeoutMs));
    if (event == nullptr) Die("the broker does not answer");
    Check(rd_kafka_event_error(event.get()), rd_kafka_event_error_string(event.get()));
    return event;
  }
  static void CheckTopics(const rd_kafka_topic_result_t** topics, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      Check(rd_kafka_topic_result_error(topics[i]), rd_kafka_topic_result_error_string(topics[i]));
    }
  }

  Owned<rd_kafka_t> handle_;
  Owned<rd_kafka_queue_t> queue_;
};

// --- Producing ------------------------------------------------------------------------------------------------------

class Producer {
 public:
  Producer(const std::string& bootstrap, std::string topic, const std::string& transactional_id,
           Settings settings)
      : topic_(std::move(topic)), transactional_(!transactional_id.empty()) {
    // Once each and in order, also where brokers come and go.
    settings.insert(settings.begin(),
                    {"enable.idempotence=true", "linger.ms=5", "reconnect.backoff.max.ms=500",
                     "topic.metadata.refresh.interval.ms=1000"});
    settings.push_back(transactional_ ? "transactional.id=" + transactional_id
                                      : "message.timeout.ms=300000");
    handle_ = Connect(bootstrap, settings);
    if (transactional_) Check(rd_kafka_init_transactions(handle_.get(), kTimeoutMs));
  }

  void Run() {
    for (std::string line; std::getline(std::cin, line);) {
      if (line == "!begin") {
        Check(rd_kafka_begin_transaction(handle_.get()));
      } else if (line == "!commit") {
        Check(rd_kafka_commit_transaction(handle_.get(), kTimeoutMs));
      } else if (line == "!abort") {
        // What waits here would be purged: the log should hold what was aborted.
        Check(rd_kafka_flush(handle_.get(), kTimeoutMs));
        Check(rd_kafka_abort_transaction(handle_.get(), kTimeoutMs));
      } else if (line == "!flush") {
        Check(rd_kafka_flush(handle_.get(), 10 * kTimeoutMs));
      } else {
        Produce(line);
        continue;
      }
      std::printf("%s\n", line.c_str() + 1);
      std::fflush(stdout);
    }
    Check(rd_kafka_flush(handle_.get(), 10 * kTimeoutMs));
  }

 private:
  void Produce(const std::string& line) {
    const size_t first = line.find('\t');
    const size_t second = line.find('\t', first + 1);
    if (first == std::string::npos || second == std::string::npos) Die("no record: " + line);
    const std::string partition = line.substr(0, first);
    const std::string key = line.substr(first + 1, second - first - 1);
    const std::string value = line.substr(second + 1);
    const int32_t to = partition == "-" ? RD_KAFKA_PARTITION_UA : std::stoi(partition);
    const bool is_tombstone = value == "\\N";
    for (;;) {
      const auto error = rd_kafka_producev(
          handle_.get(), RD_KAFKA_V_TOPIC(topic_.c_str()), RD_KAFKA_V_PARTITION(to),
          RD_KAFKA_V_KEY(key.empty() ? nullptr : key.data(), key.size()),
          RD_KAFKA_V_VALUE(
              is_tombstone ? nullptr : const_cast<char*>(value.data()),  // NOLINT: it is copied
              is_tombstone ? 0 : value.size()),
          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
      rd_kafka_poll(handle_.get(), error == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 50 : 0);
      if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) continue;
      return Check(error);
    }
  }

  const std::string topic_;
  const bool transactional_;
  Owned<rd_kafka_t> handle_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Topics and records of a test's broker.", "kafka_tool");
  app.require_subcommand(1);
  std::string bootstrap, topic, transactional_id;
  int partitions = 1, partition = 0;
  int64_t before = 0;
  Settings settings;
  app.add_option("BOOTSTRAP", bootstrap)->required();
  std::function<void()> run;
  const auto command = [&](const char* name, const char* what, std::function<void()> action) {
    CLI::App* const added = app.add_subcommand(name, what);
    added->add_option("TOPIC", topic)->required();
    added->callback([&run, action = std::move(action)] { run = action; });
    return added;
  };
  auto* create = command("create", "Make a topic",
                         [&] { Admin(bootstrap).Create(topic, partitions, settings); });
  create->add_option("--partitions", partitions);
  create->add_option("--config", settings, "NAME=VALUE")->allow_extra_args(false);
  command("grow", "Give it more partitions",
          [&] { Admin(bootstrap).Grow(topic, static_cast<size_t>(partitions)); })
      ->add_option("PARTITIONS", partitions, "As many as it shall have")
      ->required();
  command("delete", "Remove a topic", [&] { Admin(bootstrap).Delete(topic); });
  auto* cut = command("delete-records", "Remove the beginning of a partition",
                      [&] { Admin(bootstrap).DeleteRecords(topic, partition, before); });
  cut->add_option("PARTITION", partition)->required();
  cut->add_option("BEFORE", before, "The offset that it shall begin at; -1: its end")->required();
  command("configure", "Set a topic's settings",
          [&] { Admin(bootstrap).Configure(topic, settings); })
      ->add_option("NAME=VALUE", settings)
      ->required();
  command("bounds", "Print partition, first offset and end of each partition, a line each",
          [&] { Admin(bootstrap).Bounds(topic); });
  auto* produce = command("produce",
                          "Records from standard input: PARTITION<tab>KEY<tab>VALUE a line; "
                          "PARTITION -: by key; an empty KEY: none; VALUE \\N: none. "
                          "A line !flush, !begin, !commit or !abort does that, and says so on "
                          "standard output once it is done",
                          [&] { Producer(bootstrap, topic, transactional_id, settings).Run(); });
  produce->add_option("--transactional-id", transactional_id);
  produce->add_option("--set", settings, "librdkafka's NAME=VALUE")->allow_extra_args(false);
  try {
    CLI11_PARSE(app, argc, argv);
    run();
  } catch (const std::exception& failed) {
    std::fprintf(stderr, "kafka_tool: %s\n", failed.what());
    return 1;
  }
  return 0;
}
