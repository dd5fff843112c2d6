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

}  // namespace freshet
