#include "featurestore/ingest/mock_broker.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "featurestore/ingest/kafka_client.h"
#include "tests/support/temp_folder.h"

namespace freshet {

TEST_CASE(
    "an embedded broker leaves its address in the data folder and has the topics it was given") {
  const TempFolder folder;
  const auto broker = MockBroker::Start(folder.path() / "data", {{"flights", 3}, {"dead", 1}});
  REQUIRE(broker.ok());
  const auto file = ReadBrokerFile(folder.path() / "data");
  REQUIRE(file);
  CHECK(file->bootstrap == (*broker)->bootstrap());
  CHECK(file->bootstrap.starts_with("127.0.0.1:"));
  CHECK(file->log_id == (*broker)->log_id());
  CHECK(file->pid == getpid());

  auto conf = MakeKafkaConf(file->bootstrap, {}, {}, {});
  REQUIRE(conf.ok());
  auto handle = MakeKafkaHandle(RD_KAFKA_CONSUMER, *std::move(conf));
  REQUIRE(handle.ok());
  CHECK(TopicPartitions(handle->get(), "flights", 5000).value() == 3);
  CHECK(TopicPartitions(handle->get(), "dead", 5000).value() == 1);
}

TEST_CASE("a second embedded broker on one folder is refused and told where the first one is") {
  const TempFolder folder;
  auto first = MockBroker::Start(folder.path(), {});
  REQUIRE(first.ok());
  const auto second = MockBroker::Start(folder.path(), {});
  REQUIRE(second.status().code() == absl::StatusCode::kAlreadyExists);
  CHECK(MessageOf(second.status()).find((*first)->bootstrap()) != std::string_view::npos);

  const std::string id = (*first)->log_id();
  first->reset();
  const auto third = MockBroker::Start(folder.path(), {});
  REQUIRE(third.ok());
  CHECK((*third)->log_id() != id);
}

TEST_CASE("a broker file that is damaged or absent names no broker") {
  const TempFolder folder;
  CHECK_FALSE(ReadBrokerFile(folder.path()));
  FILE* file = fopen((folder.path() / "broker.json").c_str(), "w");
  REQUIRE(file != nullptr);
  fputs("{\"bootstrap\": 7}", file);
  fclose(file);
  CHECK_FALSE(ReadBrokerFile(folder.path()));
}

}  // namespace freshet
