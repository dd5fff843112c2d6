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
  explicit MockPushes(std::map<std::string, std::string> options,
                      Duration stop_within = KafkaPushLogOptions().stop_within) {
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
         .kafka_options = std::move(options),
         .stop_within = stop_within});
    log->Serve(catalog);
    REQUIRE(Eventually([&] { return log->Ready(source).ok(); }));
  }
  // What became of each.
  std::vector<PushedTo> Push(size_t count, const std::string& producer = "") {
    std::vector<PushRecord> records(count);
    for (PushRecord& record : records) {
      record.key = record.value = "card";
      record.spread_by = producer;
    }
    return Push(std::move(records));
  }
  std::vector<PushedTo> Push(std::vector<PushRecord> records) {
    std::vector<PushedTo> told(records.size());
    std::atomic<size_t> left{records.size()};
    log->Append(source, std::move(records), [&](size_t record, const PushedTo& to) {
      told[record] = to;
      --left;
    });
    REQUIRE(Eventually([&] { return left == 0; }));
    return told;
  }
  void Refuse(const std::vector<rd_kafka_resp_err_t>& errors) {
    rd_kafka_mock_push_request_errors_array(cluster.get(), kProduce, errors.size(), errors.data());
  }
  int64_t End() {
    int64_t low = 0, high = 0;
    const auto asks = MakeKafkaHandle(
        RD_KAFKA_PRODUCER,
        *MakeKafkaConf(rd_kafka_mock_cluster_bootstraps(cluster.get()), {}, {}, {}));
    REQUIRE(rd_kafka_query_watermark_offsets(asks->get(), "payments", 0, &low, &high, 5000) ==
            RD_KAFKA_RESP_ERR_NO_ERROR);
    return high;
  }

  KafkaHandle handle;
  std::unique_ptr<rd_kafka_mock_cluster_t, void (*)(rd_kafka_mock_cluster_t*)> cluster{
      nullptr, &rd_kafka_mock_cluster_destroy};
  Source source;
  std::unique_ptr<KafkaPushLog> log;
};

}  // namespace

namespace {

size_t Taken(const std::vector<PushedTo>& told) {
  return static_cast<size_t>(
      std::count_if(told.begin(), told.end(), [](const PushedTo& to) { return to.status.ok(); }));
}

const std::map<std::string, std::string> kNoOptions;

}  // namespace

TEST_CASE("what a broker refuses for the batch it is in is sent alone, in its order") {
  const auto refusal =
      GENERATE(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE,
               RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
               RD_KAFKA_RESP_ERR_POLICY_VIOLATION);
  INFO(rd_kafka_err2name(refusal));
  MockPushes pushes(kNoOptions);
  // The batch, and of its records the first: that one alone is refused for what it is.
  pushes.Refuse({refusal, refusal});
  const std::vector<PushedTo> told = pushes.Push(20);
  CHECK(absl::IsInvalidArgument(told[0].status));
  CHECK(MessageOf(told[0].status).find(rd_kafka_err2str(refusal)) != std::string_view::npos);
  for (size_t i = 1; i < told.size(); ++i) {
    INFO(i << ": " << told[i].status);
    CHECK(told[i].status.ok());
    CHECK(told[i].offset == static_cast<int64_t>(i) - 1);
  }
  pushes.Refuse({refusal});
  CHECK(Taken(pushes.Push(20)) == 20);
  CHECK(pushes.End() == 39);
}

TEST_CASE("nothing of a producer is sent behind a record of its that was refused") {
  // So that there are many batches, of which the broker could have several at once.
  MockPushes pushes(std::map<std::string, std::string>{{"batch.num.messages", "4"}});
  const auto refusal =
      GENERATE(RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  const bool of_one = refusal == RD_KAFKA_RESP_ERR_INVALID_RECORD;
  INFO(rd_kafka_err2name(refusal));
  pushes.Refuse({RD_KAFKA_RESP_ERR_NO_ERROR, refusal});
  if (of_one) pushes.Refuse({RD_KAFKA_RESP_ERR_NO_ERROR, refusal});
  const std::vector<PushedTo> told = pushes.Push(40, "till");
  // Of the second batch the first alone is taken, and the second refused.
  const size_t taken = of_one ? 5 : 4;
  for (size_t i = 0; i < told.size(); ++i) {
    INFO(i << ": " << told[i].status);
    CHECK(told[i].status.ok() == (i < taken));
  }
  CHECK(pushes.End() == static_cast<int64_t>(taken));
  CHECK(told[taken].status.code() ==
        (of_one ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kPermissionDenied));
  if (of_one) {
    CHECK(absl::IsAborted(told[taken + 1].status));
    CHECK(absl::IsAborted(told.back().status));
  }
  // Sent once more it is taken, and nothing was in its way.
  const std::vector<PushedTo> again = pushes.Push(40 - taken, "till");
  INFO(again[0].status);
  CHECK(Taken(again) == 40 - taken);
  CHECK(pushes.End() == 40);
}

TEST_CASE(
    "at a stop nothing is told to be refused that was in a refused batch and not tried alone") {
  MockPushes pushes(kNoOptions, Duration::Millis(100));
  rd_kafka_mock_broker_set_rtt(pushes.cluster.get(), 1, 300);
  pushes.Refuse({RD_KAFKA_RESP_ERR_INVALID_RECORD});
  std::vector<PushRecord> records(5);
  for (PushRecord& record : records) record.key = record.value = record.spread_by = "card";
  std::vector<PushedTo> told(records.size());
  std::atomic<size_t> left{records.size()};
  pushes.log->Append(pushes.source, std::move(records), [&](size_t record, const PushedTo& to) {
    told[record] = to;
    --left;
  });
  // The batch is refused by now, and its first record is on its way alone.
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  pushes.log->Stop();
  REQUIRE(left == 0);
  for (const PushedTo& one : told) {
    INFO(one.status);
    CHECK_FALSE(one.status.ok());
    CHECK_FALSE(absl::IsInvalidArgument(one.status));
  }
}

TEST_CASE("a batch that the broker has from before stands at the log's end or before it") {
  MockPushes pushes(kNoOptions);
  REQUIRE(Taken(pushes.Push(5)) == 5);
  pushes.Refuse({RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER});
  for (const PushedTo& to : pushes.Push(2)) {
    CHECK(to.status.ok());
    CHECK_FALSE(to.is_exact);
    CHECK(to.offset == 4);
  }
  CHECK(pushes.Push(1)[0].is_exact);
}

TEST_CASE("a producer that has broken down is replaced, and what it had is told of") {
  MockPushes pushes(kNoOptions);
  REQUIRE(Taken(pushes.Push(5, "till")) == 5);
  pushes.log->BreakForTest("payments", RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
  CHECK(Taken(pushes.Push(5, "till")) == 5);
  CHECK(pushes.log->Ready(pushes.source).ok());
  // While something is on its way: that stands or is told, and nothing that waited behind it overtakes it.
  rd_kafka_mock_broker_set_rtt(pushes.cluster.get(), 1, 300);
  std::atomic<size_t> left{2};
  std::vector<PushedTo> told(2);
  for (size_t call = 0; call < 2; ++call) {
    std::vector<PushRecord> records(1);
    records[0].key = records[0].value = "card";
    records[0].spread_by = "till";
    pushes.log->Append(pushes.source, std::move(records), [&, call](size_t, const PushedTo& to) {
      told[call] = to;
      --left;
    });
    if (call == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      pushes.log->BreakForTest("payments", RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH);
    }
  }
  REQUIRE(Eventually([&] { return left == 0; }));
  INFO(told[0].status << "; " << told[1].status);
  if (told[0].status.ok()) {
    CHECK(told[1].status.ok());
    CHECK(told[1].offset == told[0].offset + 1);
  } else {
    CHECK(absl::IsAborted(told[1].status));
  }
  rd_kafka_mock_broker_set_rtt(pushes.cluster.get(), 1, 0);
  CHECK(Taken(pushes.Push(5, "till")) == 5);
}

TEST_CASE("what others sent goes on behind a record that was refused") {
  MockPushes pushes(kNoOptions);
  std::vector<PushRecord> records(9);
  for (size_t i = 0; i < records.size(); ++i) {
    records[i].key = records[i].value = "card";
    records[i].spread_by = i % 3 == 2 ? "" : i % 3 == 1 ? "b" : "a";
  }
  pushes.Refuse({RD_KAFKA_RESP_ERR_INVALID_RECORD, RD_KAFKA_RESP_ERR_INVALID_RECORD});
  const std::vector<PushedTo> told = pushes.Push(std::move(records));
  for (size_t i = 0; i < told.size(); ++i) {
    INFO(i << ": " << told[i].status);
    CHECK(told[i].status.ok() == (i % 3 != 0));
  }
}

TEST_CASE(
    "what a producer sends before it is told of a refusal does not overtake what was refused") {
  MockPushes pushes(kNoOptions);
  pushes.Push(1);
  rd_kafka_mock_broker_set_rtt(pushes.cluster.get(), 1, 200);
  pushes.Refuse({RD_KAFKA_RESP_ERR_INVALID_RECORD});
  std::atomic<size_t> left{3};
  std::vector<Status> told(3);
  for (size_t call = 0; call < 3; ++call) {
    std::vector<PushRecord> records(1);
    records[0].key = records[0].value = "card";
    records[0].spread_by = call < 2 ? "till" : "other";
    pushes.log->Append(pushes.source, std::move(records), [&, call](size_t, const PushedTo& to) {
      told[call] = to.status;
      --left;
    });
    // The first is on its way, alone, while the others come.
    if (call == 0) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  REQUIRE(Eventually([&] { return left == 0; }));
  CHECK(absl::IsInvalidArgument(told[0]));
  CHECK(absl::IsAborted(told[1]));
  CHECK(told[2].ok());
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
