#include "featurestore/ingest/kafka_source.h"

#include <librdkafka/rdkafka_mock.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "featurestore/ingest/kafka_client.h"

namespace freshet {
namespace {

constexpr int32_t kBroker = 1;

// A mock cluster of one broker that a test takes away and gives back, with a producer to it.
struct Cluster {
  Cluster() {
    KafkaConf conf(rd_kafka_conf_new());
    rd_kafka_conf_set_log_cb(conf.get(), nullptr);
    producer = *MakeKafkaHandle(RD_KAFKA_PRODUCER, std::move(conf));
    cluster = rd_kafka_mock_cluster_new(producer.get(), 1);
    rd_kafka_mock_topic_create(cluster, "t", 1, 1);
    producer_to = *MakeKafkaHandle(RD_KAFKA_PRODUCER, *MakeKafkaConf(bootstrap(), {}, {}, {}));
  }
  ~Cluster() {
    producer_to.reset();
    rd_kafka_mock_cluster_destroy(cluster);
  }
  std::string bootstrap() const { return rd_kafka_mock_cluster_bootstraps(cluster); }
  void Produce(std::string value) {
    rd_kafka_producev(producer_to.get(), RD_KAFKA_V_TOPIC("t"),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                      RD_KAFKA_V_VALUE(value.data(), value.size()), RD_KAFKA_V_END);
    REQUIRE(rd_kafka_flush(producer_to.get(), 10'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  KafkaHandle producer;
  rd_kafka_mock_cluster_t* cluster = nullptr;
  KafkaHandle producer_to;
};

}  // namespace

TEST_CASE("records that came after the connection was lost are not given before that is told") {
  Cluster cluster;
  cluster.Produce("before");
  KafkaSourceOptions options;
  options.bootstrap = cluster.bootstrap();
  options.topic = "t";
  options.group = "g";
  const auto source = KafkaSource::Make(options);
  REQUIRE(source.ok());
  REQUIRE((*source)->Assign({{0, 0}}).ok());
  PollLimits limits;
  limits.wait = Duration::Millis(200);
  LogBatch batch;
  const auto poll_until = [&](auto condition) {
    for (int i = 0; i < 100; ++i) {
      const Status polled = (*source)->Poll(limits, batch);
      if (condition(polled)) return true;
    }
    return false;
  };
  REQUIRE(poll_until([&](const Status& polled) { return polled.ok() && !batch.records.empty(); }));
  CHECK(batch.records[0].raw.value == "before");

  // The broker goes and comes back while nobody polls, so that the loss and the next record wait in the same queue.
  rd_kafka_mock_broker_set_down(cluster.cluster, kBroker);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  rd_kafka_mock_broker_set_up(cluster.cluster, kBroker);
  cluster.Produce("after");
  std::this_thread::sleep_for(std::chrono::seconds(3));
  Status told;
  REQUIRE(poll_until([&](const Status& polled) {
    told = polled;
    return !polled.ok() || !batch.records.empty();
  }));
  CHECK(told.code() == absl::StatusCode::kUnavailable);
  CHECK(batch.records.empty());
  // Until it is assigned anew, after the log was verified.
  CHECK_FALSE((*source)->Poll(limits, batch).ok());
  REQUIRE((*source)->Assign({{0, 1}}).ok());
  REQUIRE(poll_until([&](const Status& polled) { return polled.ok() && !batch.records.empty(); }));
  CHECK(batch.records[0].offset == 1);
  CHECK(batch.records[0].raw.value == "after");
}

TEST_CASE("a queue that was full is filled again as soon as it runs low") {
  Cluster cluster;
  constexpr int32_t kPartitions = 6;
  constexpr int kRecords = kPartitions * 4000;
  rd_kafka_mock_topic_create(cluster.cluster, "many", kPartitions, 1);
  const std::string value(1000, 'v');
  Positions begin;
  for (int i = 0; i < kRecords; ++i) {
    begin[i % kPartitions] = 0;
    rd_kafka_producev(
        cluster.producer_to.get(), RD_KAFKA_V_TOPIC("many"), RD_KAFKA_V_PARTITION(i % kPartitions),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_END);
  }
  REQUIRE(rd_kafka_flush(cluster.producer_to.get(), 10'000) == RD_KAFKA_RESP_ERR_NO_ERROR);
  KafkaSourceOptions options;
  options.bootstrap = cluster.bootstrap();
  options.topic = "many";
  options.group = "g";
  options.queue_bytes = 1 << 20;
  options.options = {{"max.partition.fetch.bytes", "50000"}};  // little past what fills it
  const auto source = KafkaSource::Make(options);
  REQUIRE(source.ok());
  REQUIRE((*source)->Assign(begin).ok());
  PollLimits limits;
  limits.records = 500;
  limits.wait = Duration::Millis(100);
  LogBatch batch;
  size_t read = 0;
  int found_nothing = 0;
  while (read < kRecords && found_nothing < 100) {
    REQUIRE((*source)->Poll(limits, batch).ok());
    read += batch.records.size();
    if (read == 0) continue;  // until it is connected
    if (batch.records.empty()) ++found_nothing;
    // Time to fill it.
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
  }
  CHECK(read == kRecords);
  // It is full more than ten times; without a word to librdkafka each would cost polls in vain for a second.
  CHECK(found_nothing < 20);
}

}  // namespace freshet
