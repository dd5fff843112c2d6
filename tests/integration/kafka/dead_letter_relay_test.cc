// The relay of dead letters against librdkafka's mock cluster: topics that take less than the client sends, and a disk that is full.
#include "featurestore/ingest/dead_letter_relay.h"

#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>

#include "featurestore/ingest/dead_letters.h"
#include "tests/integration/kafka/log_reader.h"
#include "tests/support/eventually.h"
#include "tests/support/fake_push_log.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

// None of the disk's space is free while this is set.
namespace {
std::atomic<bool> no_space_is_free{false};
}  // namespace
extern "C" int statvfs(const char* path, struct statvfs* disk) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  const int result = file < 0 ? -1 : fstatvfs(file, disk);
  if (file >= 0) close(file);
  if (no_space_is_free) disk->f_bavail = 0;
  return result;
}

namespace freshet {
namespace {

constexpr char kTopic[] = "test.dead_letters";
constexpr int16_t kProduceRequest = 0;

struct Outbox {
  Outbox() : running(folder.path(), {PaymentsView()}, std::make_shared<FakeLog>(1)) {
    KafkaConf conf(rd_kafka_conf_new());
    rd_kafka_conf_set_log_cb(conf.get(), nullptr);
    auto made = MakeKafkaHandle(RD_KAFKA_PRODUCER, std::move(conf));
    REQUIRE(made.ok());
    handle = *std::move(made);
    cluster.reset(rd_kafka_mock_cluster_new(handle.get(), 1));
    REQUIRE(rd_kafka_mock_topic_create(cluster.get(), kTopic, 1, 1) == RD_KAFKA_RESP_ERR_NO_ERROR);
    bootstrap = rd_kafka_mock_cluster_bootstraps(cluster.get());
  }
  void Put(int64_t offset, DeadLetter letter) {
    letter.reason = "malformed";
    Commit commit(*running.store);
    commit.AddDeadLetter("payments", {0, 0, offset}, letter);
    REQUIRE(commit.Apply().ok());
  }
  void Start() {
    DeadLetterRelayOptions options;
    options.bootstrap = bootstrap;
    options.topic = kTopic;
    options.topics = {{"payments", "payments"}};
    auto started = DeadLetterRelay::Start(std::move(options), *running.store, *running.log);
    REQUIRE(started.ok());
    relay = *std::move(started);
  }
  bool Delivered() {
    return Eventually([&] { return running.store->dead_letter_bytes() == 0; });
  }

  struct Destroy {
    void operator()(rd_kafka_mock_cluster_t* c) const { rd_kafka_mock_cluster_destroy(c); }
  };
  TempFolder folder;
  Running running;
  KafkaHandle handle;
  std::unique_ptr<rd_kafka_mock_cluster_t, Destroy> cluster;
  std::string bootstrap;
  std::unique_ptr<DeadLetterRelay> relay;
};

}  // namespace

TEST_CASE("a dead letter that is too large for its topic is cut until it is taken") {
  Outbox outbox;
  const int refusals = GENERATE(0, 1, 3);
  for (int i = 0; i < refusals; ++i) {
    rd_kafka_mock_push_request_errors(outbox.cluster.get(), kProduceRequest, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
  }
  outbox.Put(7, {.detail = "d", .value = std::string(100'000, 'x')});
  outbox.Start();
  REQUIRE(outbox.Delivered());
  const auto letters = ReadLogToEnds(outbox.bootstrap, kTopic, {{0, 1}});
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].key == "payments/0/0/7");
  if (refusals < 3) {  // with others in its batch it was refused, alone it is not
    CHECK(letters[0].value.size() == 100'000);
    CHECK_FALSE(letters[0].headers.contains("value_bytes"));
    return;
  }
  CHECK(letters[0].value.size() > 20'000);
  CHECK(letters[0].value.size() < 26'000);
  CHECK(letters[0].headers.at("value_bytes") == "100000");
}

TEST_CASE("a letter that its topic refuses for what it is stays, and keeps no other") {
  Outbox outbox;
  for (int64_t offset = 0; offset < 3; ++offset) outbox.Put(offset, {.value = "bad"});
  // The batch, and of it the first alone.
  rd_kafka_mock_push_request_errors(outbox.cluster.get(), kProduceRequest, 2,
                                    RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
                                    RD_KAFKA_RESP_ERR_POLICY_VIOLATION);
  outbox.Start();
  REQUIRE(outbox.Delivered());
  const auto letters = ReadLogToEnds(outbox.bootstrap, kTopic, {{0, 3}});
  REQUIRE(letters.size() == 3);
  // It came last, once the topic took it.
  CHECK(letters[0].key == "payments/0/0/1");
  CHECK(letters[1].key == "payments/0/0/2");
  CHECK(letters[2].key == "payments/0/0/0");
}

TEST_CASE("what was delivered while nothing can be removed is not delivered again") {
  Outbox outbox;
  for (int64_t offset = 0; offset < 5; ++offset) outbox.Put(offset, {.value = "bad"});
  no_space_is_free = true;
  outbox.Start();
  CHECK(ReadLogToEnds(outbox.bootstrap, kTopic, {{0, 5}}).size() == 5);
  LogFollower follower(outbox.bootstrap, kTopic);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(4);
  size_t letters = 0;
  while (std::chrono::steady_clock::now() < until) letters += follower.ReadSome().size();
  CHECK(letters == 5);
  CHECK(outbox.running.store->dead_letter_bytes() > 0);
  no_space_is_free = false;
  CHECK(outbox.Delivered());
  outbox.Put(5, {.value = "bad"});
  CHECK(outbox.Delivered());
  CHECK(ReadLogToEnds(outbox.bootstrap, kTopic, {{0, 6}}).size() == 6);
}

TEST_CASE("a letter with a part of its key is not replayed") {
  Outbox outbox;
  outbox.Put(0, {.key = std::string(5000, 'k'), .value = "bad"});
  outbox.Put(1, {.key = std::string(4096, 'k'), .value = "bad"});
  outbox.Start();
  REQUIRE(outbox.Delivered());
  const auto letters = ReadLogToEnds(outbox.bootstrap, kTopic, {{0, 2}});
  REQUIRE(letters.size() == 2);
  CHECK(letters[0].headers.at("key").size() == 4096);
  CHECK(letters[0].headers.at("key_bytes") == "5000");
  CHECK_FALSE(letters[1].headers.contains("key_bytes"));

  auto catalog = std::make_shared<Catalog>();
  catalog->kafka.group = "test";
  catalog->server.name = "one";
  catalog->kafka.dead_letters = kTopic;
  catalog->sources = {outbox.running.source};
  const auto sent = std::make_shared<FakeLog>(1);
  FakePushLog push_log(sent);
  DeadLetters dead_letters(catalog, LogAddress{.bootstrap = outbox.bootstrap},
                           *outbox.running.store, &push_log);
  const auto replayed =
      dead_letters.Replay({}, std::chrono::steady_clock::now() + std::chrono::seconds(20));
  INFO(MessageOf(replayed.status()));
  REQUIRE(replayed.ok());
  CHECK(replayed->cut == 1);
  CHECK(replayed->replayed == 1);
}

}  // namespace freshet
