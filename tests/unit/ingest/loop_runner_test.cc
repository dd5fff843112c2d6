#include "featurestore/ingest/loop_runner.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "featurestore/ingest/local_log.h"
#include "tests/support/eventually.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");

}  // namespace

TEST_CASE("an error that stays while the log can be asked is a pause, and says so") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  log->SetReadFails(NotFound("the topic payments is gone"));
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  SourceStatus& status = running.store->source_status("payments");
  const auto run = [&](auto until) {
    LoopRunner runner(*running.context, "broker:9092");
    std::jthread thread([&](const std::stop_token& stop) {
      runner.Run(
          *loop, stop, [] {}, [] { return LogVerdict(); });
    });
    return Eventually(until);
  };
  CHECK(run([&] { return status.paused().first == "topic_missing"; }));
  CHECK(status.paused().second == "the topic payments is gone");
}

TEST_CASE("a topic that may not be read is told from a broker that is away") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->SetAway(FailedPrecondition("topic payments: Broker: Topic authorization failed"));
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  SourceStatus& status = running.store->source_status("payments");
  LoopRunner runner(*running.context, "broker:9092");
  std::jthread thread([&](const std::stop_token& stop) {
    runner.Run(
        *loop, stop, [] {}, [] { return LogVerdict(); });
  });
  CHECK(Eventually([&] { return status.paused().first == "topic_unreadable"; }));
}

TEST_CASE("a broker that was replaced is told from one that is away") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->SetAway(Unavailable("no broker answers"));
  Running running(folder.path(), {PaymentsView()}, log);
  std::atomic<bool> another = false;
  running.context->log_replaced = [&]() -> std::string {
    return another ? "another one was started at 127.0.0.1:2" : "";
  };
  const auto loop = running.Live();
  SourceStatus& status = running.store->source_status("payments");
  LoopRunner runner(*running.context, "127.0.0.1:1");
  std::jthread thread([&](const std::stop_token& stop) {
    runner.Run(
        *loop, stop, [] {}, [] { return LogVerdict(); });
  });
  CHECK(Eventually([&] { return status.paused().first == "broker_down"; }));
  another = true;
  CHECK(Eventually([&] { return status.paused().first == "log_replaced"; }));
  CHECK(status.paused().second == "another one was started at 127.0.0.1:2");
}

TEST_CASE("a broker that names fewer partitions than were read is not said to be down") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(2);
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  log->partitions.resize(1);
  SourceStatus& status = running.store->source_status("payments");
  LoopRunner runner(*running.context, "127.0.0.1:1");
  std::jthread thread([&](const std::stop_token& stop) {
    runner.Run(
        *loop, stop, [] {}, [] { return LogVerdict(); });
  });
  CHECK(Eventually([&] { return status.paused().first == "partitions_gone"; }));
  CHECK(status.paused().second.find("trying until they answer") == std::string::npos);
}

TEST_CASE("without Kafka a full outbox does not speak of a topic") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  for (int i = 0; i < 20; ++i) log->Append(0, std::string(100, 'x'));
  Running running(folder.path(), {PaymentsView()}, log, true, kLocalLogId);
  running.context->outbox_bytes = 1000;
  const auto loop = running.Live({.records = 1});
  SourceStatus& status = running.store->source_status("payments");
  LoopRunner runner(*running.context, "none");
  std::jthread thread([&](const std::stop_token& stop) {
    runner.Run(
        *loop, stop, [] {}, [] { return LogVerdict(); });
  });
  CHECK(Eventually([&] { return status.paused().first == "dead_letters_full"; }));
  CHECK(status.paused().second.find("freshet dlq replay") != std::string::npos);
  CHECK(status.paused().second.find("topic") == std::string::npos);
}

TEST_CASE("a topic that is not there is waited for, said once, and read once it is") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->SetAway(NotFound("the topic payments does not exist on the broker; create it"));
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  LoopRunner runner(*running.context, "broker:9092");
  SourceStatus& status = running.store->source_status("payments");
  std::stop_source stop;
  int begun = 0;
  std::jthread thread([&](const std::stop_token&) {
    runner.Run(
        *loop, stop.get_token(), [&] { ++begun; }, [] { return LogVerdict(); });
  });
  CHECK(Eventually([&] { return status.paused().first == "topic_missing"; }));
  stop.request_stop();
  thread.join();
  CHECK(begun == 0);
  log->SetAway(OkStatus());
  log->Append(0, Payment(kNoon, "a", 1));
  std::stop_source second;
  std::jthread again([&](const std::stop_token&) {
    runner.Run(
        *loop, second.get_token(), [&] { ++begun; }, [] { return LogVerdict(); });
  });
  CHECK(Eventually([&] { return status.partitions()[0].next == 1; }));
  CHECK(Eventually([&] { return status.paused().first.empty(); }));
  second.request_stop();
  again.join();
  CHECK(begun == 1);
}

TEST_CASE("a loop that reads takes back why the one before it stood still") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  Running running(folder.path(), {PaymentsView()}, log);
  SourceStatus& status = running.store->source_status("payments");
  status.SetPaused("records_lost", "the log begins at 60");
  running.metrics.Source("payments", {}, {}).SetPaused("records_lost");
  const std::string paused = R"(freshet_ingest_paused{reason="records_lost",source="payments"} )";
  CHECK_THAT(running.registry.Expose(), Catch::Contains(paused + "1"));
  const auto loop = running.Live();
  LoopRunner runner(*running.context, "broker:9092");
  std::jthread thread([&](const std::stop_token& stop) {
    runner.Run(
        *loop, stop, [] {}, [] { return LogVerdict(); });
  });
  CHECK(Eventually([&] { return status.paused().first.empty(); }));
  CHECK(Eventually(
      [&] { return running.registry.Expose().find(paused + "0") != std::string::npos; }));
}

TEST_CASE("a loop that ends gives back its share of the memory for rows") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  Running running(folder.path(), {PaymentsView()}, log);
  const auto held = [&](const std::string& what) {
    const std::string name = "freshet_memory_" + what + R"(_bytes{part="ingest_rows"} )";
    const std::string text = running.registry.Expose();
    return std::stod(text.substr(text.find(name) + name.size()));
  };
  {
    const auto loop = running.Live();
    running.ReadAll(*loop);
    CHECK(held("budget") == 32 << 20);
    CHECK(held("used") > 0);
  }
  CHECK(held("budget") == 0);
  CHECK(held("used") == 0);
}

}  // namespace freshet
