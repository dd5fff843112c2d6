// librdkafka's mock cluster as a process that takes faults by its standard input: mock_broker_with_faults TOPIC PARTITIONS
// Three brokers. Prints its address; then a command a line, each answered with "ok" or a sentence:
//   errors API CODE…       the next requests of this kind (Kafka's number) are answered with these errors; -195: the connection ends
//   rtt BROKER MS          its answers come so much later
//   down BROKER, up BROKER
//   leader PARTITION BROKER
//   heal                   everything is well again
// Ends with its standard input.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr int kBrokers = 3;

class Cluster {
 public:
  Cluster(const std::string& topic, int partitions) : topic_(topic) {
    char error[512];
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, nullptr);
    handle_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
    if (handle_ == nullptr) Die(error);
    cluster_ = rd_kafka_mock_cluster_new(handle_, kBrokers);
    if (cluster_ == nullptr) Die("the cluster cannot listen");
    if (rd_kafka_mock_topic_create(cluster_, topic.c_str(), partitions, 1) !=
        RD_KAFKA_RESP_ERR_NO_ERROR) {
      Die("the topic cannot be made");
    }
  }
  ~Cluster() {
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(handle_);
  }
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  const char* bootstraps() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }

  // What is wrong with a command; nothing: it was carried out.
  std::string Do(const std::string& line) {
    std::istringstream in(line);
    std::string command;
    in >> command;
    std::vector<int> numbers;
    for (int number = 0; in >> number;) numbers.push_back(number);
    if (command == "heal") return Heal();
    if (command == "errors" && numbers.size() > 1) return PushErrors(numbers);
    if (command == "rtt" && numbers.size() == 2) {
      return Said(rd_kafka_mock_broker_set_rtt(cluster_, numbers[0], numbers[1]));
    }
    if (command == "down" && numbers.size() == 1) {
      return Said(rd_kafka_mock_broker_set_down(cluster_, numbers[0]));
    }
    if (command == "up" && numbers.size() == 1) {
      return Said(rd_kafka_mock_broker_set_up(cluster_, numbers[0]));
    }
    if (command == "leader" && numbers.size() == 2) {
      return Said(
          rd_kafka_mock_partition_set_leader(cluster_, topic_.c_str(), numbers[0], numbers[1]));
    }
    return "no such command: " + line;
  }

 private:
  [[noreturn]] static void Die(const std::string& what) {
    std::cerr << "mock_broker_with_faults: " << what << "\n";
    std::exit(1);
  }
  static std::string Said(rd_kafka_resp_err_t error) {
    return error == RD_KAFKA_RESP_ERR_NO_ERROR ? "" : rd_kafka_err2str(error);
  }
  std::string PushErrors(const std::vector<int>& numbers) {
    std::vector<rd_kafka_resp_err_t> errors;
    for (size_t i = 1; i < numbers.size(); ++i) {
      errors.push_back(static_cast<rd_kafka_resp_err_t>(numbers[i]));
    }
    rd_kafka_mock_push_request_errors_array(cluster_, static_cast<int16_t>(numbers[0]),
                                            errors.size(), errors.data());
    pushed_.push_back(static_cast<int16_t>(numbers[0]));
    return "";
  }
  std::string Heal() {
    for (const int16_t api : pushed_) rd_kafka_mock_clear_request_errors(cluster_, api);
    pushed_.clear();
    for (int broker = 1; broker <= kBrokers; ++broker) {
      rd_kafka_mock_broker_set_rtt(cluster_, broker, 0);
      rd_kafka_mock_broker_set_up(cluster_, broker);
    }
    return "";
  }

  const std::string topic_;
  rd_kafka_t* handle_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  std::vector<int16_t> pushed_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "mock_broker_with_faults TOPIC PARTITIONS\n";
    return 2;
  }
  Cluster cluster(argv[1], std::atoi(argv[2]));
  std::cout << cluster.bootstraps() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    const std::string wrong = cluster.Do(line);
    std::cout << (wrong.empty() ? "ok" : wrong) << std::endl;
  }
  return 0;
}
