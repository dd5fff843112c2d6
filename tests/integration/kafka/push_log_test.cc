// Pushes to librdkafka's mock cluster, of which one topic is not as it should be.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "featurestore/ingest/kafka_push_log.h"
#include "tests/support/eventually.h"

namespace freshet {
namespace {

constexpr int16_t kProduce = 0;  // Kafka's number of that request

// A topic "payments" of one partition, and a server that pushes to it.
struct MockPushes {
  explicit MockPushes(std::map<std::string, std::string> options) {
    KafkaConf conf(rd_kafka_conf_new());
    rd_kafka_conf_set_log_cb(conf.get(), nullptr);
    handle = *MakeKafkaHandle(RD_KAFKA_PRODUCER, std::move(conf));
    cluster.reset(rd_kafka_mock_cluster_new(handle.get(), 1));
    rd_kafka_mock_topic_create(cluster.get(), "payments", 1, 1);
    Catalog catalog;
    catalog.kafka.dead_letters = "payments";
    source.topic = "payments";
    catalog.sources = {source};
    // As with a broker that does not tell this client how its topics are set.
    log = *KafkaPushLog::Start(
        {.address = {rd_kafka_mock_cluster_bootstraps(cluster.get()), "", true},
         .kafka_options = std::move(options)});
    log->Serve(catalog);
    REQUIRE(Eventually([&] { return log->Ready(source).ok(); }));
  }
  // What became of each.
  std::vector<PushedTo> Push(size_t count) {
    std::vector<PushRecord> records(count);
    for (PushRecord& record : records) record.key = record.value = "card";
    std::vector<PushedTo> told(count);
    std::atomic<size_t> left{count};
    log->Append(source, std::move(records), [&](size_t record, const PushedTo& to) {
      told[record] = to;
      --left;
    });
    REQUIRE(Eventually([&] { return left == 0; }));
    return told;
  }

  KafkaHandle handle;
  std::unique_ptr<rd_kafka_mock_cluster_t, void (*)(rd_kafka_mock_cluster_t*)> cluster{
      nullptr, &rd_kafka_mock_cluster_destroy};
  Source source;
  std::unique_ptr<KafkaPushLog> log;
};

}  // namespace

TEST_CASE("what a broker refuses for the batch it is in is sent alone, in its order") {
  MockPushes pushes(std::map<std::string, std::string>{{"linger.ms", "200"}});
  // The batch, and of its records the first: that one alone is too large.
  rd_kafka_mock_push_request_errors(pushes.cluster.get(), kProduce, 2,
                                    RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
                                    RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  const std::vector<PushedTo> told = pushes.Push(20);
  CHECK(absl::IsInvalidArgument(told[0].status));
  for (size_t i = 1; i < told.size(); ++i) {
    INFO(i << ": " << told[i].status);
    CHECK(told[i].status.ok());
    CHECK(told[i].offset == static_cast<int64_t>(i) - 1);
  }
  // From then on each is: no batch is there to be refused.
  REQUIRE(Eventually([&] { return pushes.log->Ready(pushes.source).ok(); }));
  rd_kafka_mock_push_request_errors(pushes.cluster.get(), kProduce, 1,
                                    RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  const std::vector<PushedTo> later = pushes.Push(20);
  CHECK(std::count_if(later.begin(), later.end(),
                      [](const PushedTo& to) { return to.status.ok(); }) == 19);
}

TEST_CASE("what was refused in a batch is not sent behind what came after it") {
  MockPushes pushes(
      std::map<std::string, std::string>{{"linger.ms", "200"}, {"batch.num.messages", "2"}});
  rd_kafka_mock_push_request_errors(pushes.cluster.get(), kProduce, 1,
                                    RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  const std::vector<PushedTo> told = pushes.Push(6);
  for (size_t i = 0; i < 6; ++i) {
    INFO(i << ": " << told[i].status);
    CHECK(told[i].status.ok() == (i >= 2));
  }
  CHECK(MessageOf(told[0].status).find("later ones of the call") != std::string_view::npos);
}

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
