// Ingestion whole, against librdkafka's mock cluster.
#include "featurestore/ingest/ingest.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <thread>

#include "featurestore/ingest/mock_broker.h"
#include "featurestore/ingest/replay.h"
#include "tests/integration/kafka/log_reader.h"
#include "tests/support/eventually.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");

struct Server {
  explicit Server(const std::filesystem::path& folder,
                  std::vector<FeatureView> views = {PaymentsView()})
      : running(folder, std::move(views), nullptr) {
    catalog.project = "test";
    catalog.clock = ClockKind::kEventTime;
    catalog.kafka.group = "freshet-test";
    catalog.kafka.dead_letters = "test.dead_letters";
    catalog.server.name = "one";
    catalog.sources = {running.source};
    catalog.views = running.declared_views;
    catalog.layouts = running.layouts;
    catalog.derived = {std::make_shared<const DerivedFields>()};
  }
  void Start(const LogAddress& address) {
    auto started = Ingest::Start(std::make_shared<const Catalog>(catalog), address, *running.store,
                                 running.clock, registry, *running.log);
    REQUIRE(started.ok());
    ingest = *std::move(started);
  }
  int64_t Next(int32_t partition) {
    const auto partitions = status().partitions();
    const auto found = partitions.find(partition);
    return found == partitions.end() ? -1 : found->second.next;
  }
  SourceStatus& status() { return running.store->source_status("payments"); }

  Running running;
  Catalog catalog;
  Metrics registry;
  std::unique_ptr<Ingest> ingest;
};

void WriteEvents(const std::filesystem::path& path, int count) {
  std::ofstream out(path);
  for (int i = 0; i < count; ++i) {
    out << Payment(kNoon + Duration::Seconds(i), fmt::format("c{}", i % 50), i) << "\n";
  }
  out << "not json\n";
}

}  // namespace

TEST_CASE(
    "a replay through the embedded broker ends in rows, and bad records in the dead-letter topic") {
  const TempFolder folder, files;
  const auto broker = MockBroker::Start(folder.path(), {{"payments", 1}, {"test.dead_letters", 1}});
  REQUIRE(broker.ok());
  const LogAddress address{(*broker)->bootstrap(), (*broker)->log_id(), true};
  Server server(folder.path());
  server.Start(address);
  ReplayOptions replay;
  replay.file = files.path() / "x.jsonl";
  WriteEvents(replay.file, 80'000);  // more than the mock keeps
  replay.wait = true;
  replay.applied = [&]() -> StatusOr<std::map<int32_t, int64_t>> {
    return std::map<int32_t, int64_t>{{0, server.Next(0)}};
  };
  const auto result = Replay(server.running.source, address, {}, replay);
  REQUIRE(result.ok());
  CHECK(server.Next(0) == 80'001);
  CHECK(server.status().paused().first.empty());
  CHECK(server.running.Rows({0}).size() == 50);
  const auto letters = ReadLogToEnds(address.bootstrap, "test.dead_letters", {{0, 1}});
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].key == "payments/0/0/80000");
  CHECK(letters[0].value == "not json");
  CHECK(letters[0].headers.at("reason") == "malformed");
  CHECK(letters[0].headers.at("offset") == "80000");
  CHECK(Eventually([&] { return server.running.store->dead_letter_bytes() == 0; }));
  server.ingest->Stop();
  const std::string metrics = server.registry.Expose();
  CHECK(metrics.find("freshet_ingest_events_applied_total{source=\"payments\"} 80000") !=
        std::string::npos);
}

TEST_CASE("a broker that is away at start is waited for, and one made anew is a new incarnation") {
  const TempFolder folder, files;
  auto first = MockBroker::Start(folder.path(), {{"payments", 1}, {"test.dead_letters", 1}});
  REQUIRE(first.ok());
  const LogAddress gone{(*first)->bootstrap(), (*first)->log_id(), true};
  ReplayOptions replay;
  replay.file = files.path() / "x.jsonl";
  WriteEvents(replay.file, 10);
  REQUIRE(Replay(PaymentsSource(), gone, {}, replay).ok());
  {
    Server server(folder.path());
    server.Start(gone);
    REQUIRE(Eventually([&] { return server.Next(0) == 11; }));
    CHECK(Eventually([&] { return server.status().caught_up_once.load(); }));
    first->reset();  // goes away while it is read
    CHECK(Eventually([&] { return server.status().paused().first == "broker_down"; }));
    const auto begin = std::chrono::steady_clock::now();
    server.ingest->Stop();
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(8));
  }
  auto second = MockBroker::Start(folder.path(), {{"payments", 1}, {"test.dead_letters", 1}});
  REQUIRE(second.ok());
  const LogAddress anew{(*second)->bootstrap(), (*second)->log_id(), true};
  REQUIRE(Replay(PaymentsSource(), anew, {}, replay).ok());
  Server server(folder.path());
  server.Start(anew);
  REQUIRE(Eventually([&] { return server.Next(0) == 11; }));
  CHECK(server.status().partitions().at(0).incarnation == 1);
}

TEST_CASE("a source that stops at its very start starts no pass for a view that is behind") {
  const TempFolder folder, files;
  ReplayOptions replay;
  replay.file = files.path() / "x.jsonl";
  WriteEvents(replay.file, 10);
  const auto live_on = [&](std::vector<FeatureView> views, auto seen) {
    const TempFolder broker_folder;
    const auto broker =
        MockBroker::Start(broker_folder.path(), {{"payments", 1}, {"test.dead_letters", 1}});
    REQUIRE(broker.ok());
    // As a real broker: nobody tells that the topic was made anew.
    const LogAddress address{(*broker)->bootstrap(), "", false};
    REQUIRE(Replay(PaymentsSource(), address, {}, replay).ok());
    Server server(folder.path(), std::move(views));
    server.Start(address);
    CHECK(Eventually([&] { return seen(server); }));
  };
  live_on({PaymentsView()}, [](Server& server) { return server.Next(0) == 11; });
  WriteEvents(replay.file, 5);
  live_on({PaymentsView(), PaymentsView("behind")},
          [](Server& server) { return server.status().paused().first == "topic_recreated"; });
}

}  // namespace freshet
