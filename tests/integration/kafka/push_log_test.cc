// Pushes to librdkafka's mock cluster, of which one topic is not as it should be.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <catch2/catch.hpp>
#include <thread>

#include "featurestore/ingest/kafka_push_log.h"
#include "tests/support/eventually.h"

namespace freshet {

TEST_CASE(
    "a topic that may not be read, or that nobody leads, keeps no other from being pushed to") {
  KafkaConf conf(rd_kafka_conf_new());
  rd_kafka_conf_set_log_cb(conf.get(), nullptr);
  const auto handle = MakeKafkaHandle(RD_KAFKA_PRODUCER, std::move(conf));
  REQUIRE(handle.ok());
  const std::unique_ptr<rd_kafka_mock_cluster_t, void (*)(rd_kafka_mock_cluster_t*)> cluster(
      rd_kafka_mock_cluster_new(handle->get(), 1), &rd_kafka_mock_cluster_destroy);
  // The one that is asked last.
  for (const char* topic : {"open", "private"}) {
    REQUIRE(rd_kafka_mock_topic_create(cluster.get(), topic, 1, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  const auto wrong = GENERATE(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                              RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE);
  rd_kafka_mock_topic_set_error(cluster.get(), "private", wrong);

  Catalog catalog;
  catalog.kafka.dead_letters = "open";
  catalog.sources.resize(2);
  catalog.sources[0].topic = "open";
  catalog.sources[1].topic = "private";
  const auto log =
      KafkaPushLog::Start({.address = {rd_kafka_mock_cluster_bootstraps(cluster.get()), "", false},
                           .kafka_options = {}});
  REQUIRE(log.ok());
  (*log)->Serve(catalog);
  REQUIRE(Eventually([&] { return (*log)->Ready(catalog.sources[0]).ok(); }));
  const auto said = [&] { return (*log)->Ready(catalog.sources[1]); };
  REQUIRE(Eventually([&] { return MessageOf(said()).find("topic private") == 0; }));
  CHECK(absl::IsUnavailable(said()));
  // It is asked again and again meanwhile.
  for (int i = 0; i < 30; ++i) {
    CHECK((*log)->Ready(catalog.sources[0]).ok());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace freshet
