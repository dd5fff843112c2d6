// Pushes to Kafka where no broker answers. With one: tests/integration.
#include "featurestore/ingest/kafka_push_log.h"

#include <catch2/catch.hpp>

namespace freshet {

TEST_CASE("a record that is spread by its producer is not sent to a topic of unknown partitions") {
  const auto log = KafkaPushLog::Start(
      {.address = {"127.0.0.1:1", "", false}, .kafka_options = {}, .stop_within = Duration{}});
  REQUIRE(log.ok());
  Source source;
  source.topic = "payments";
  PushRecord spread;
  spread.value = "v";
  spread.spread_by = "producer-1";
  std::vector<Status> told;
  // At once: it waits for no broker.
  (*log)->Append(source, {spread, spread},
                 [&](size_t, const PushedTo& to) { told.push_back(to.status); });
  REQUIRE(told.size() == 2);
  for (const Status& status : told) {
    CHECK(absl::IsUnavailable(status));
    CHECK(MessageOf(status).find("is not known yet") != std::string_view::npos);
  }
}

}  // namespace freshet
