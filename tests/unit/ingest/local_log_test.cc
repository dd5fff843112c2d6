// The log of a server without Kafka.
#include "featurestore/ingest/local_log.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "featurestore/ingest/catch_up_pass.h"
#include "featurestore/ingest/pusher.h"
#include "tests/support/eventually.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

using std::chrono::steady_clock;

const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");

// One process's life on a data folder.
struct LocalServer {
  explicit LocalServer(const std::filesystem::path& folder, LocalLogOptions options = {},
                       std::vector<FeatureView> views = {PaymentsView()})
      : running(folder, std::move(views), std::make_shared<FakeLog>(1), true, kLocalLogId),
        log(std::move(options), *running.store, running.clock, *running.log) {
    catalog.project = "test";
    catalog.clock = ClockKind::kEventTime;
    catalog.sources = {running.source};
    catalog.views = running.declared_views;
    pusher = std::make_unique<Pusher>(std::make_shared<Catalog>(catalog), *running.store,
                                      running.clock, log);
    loop = std::make_unique<LiveLoop>(*running.context, log.Open("payments"));
    running.ReadAll(*loop);
  }
  // By a call that waits for the log alone.
  PushResult Push(std::vector<std::string> events, const std::string& producer = "",
                  uint64_t sequence = 0) {
    PushRequest request;
    request.source = "payments";
    request.events = std::move(events);
    request.producer = producer;
    request.first_sequence = sequence;
    request.wait_applied = false;
    request.deadline = steady_clock::now() + std::chrono::seconds(20);
    return pusher->PushAndWait(std::move(request));
  }
  int64_t Applied() {
    running.ReadAll(*loop);
    return running.store->ReadProgress({0})->at(0).next;
  }

  Running running;
  Catalog catalog;
  LocalLog log;
  std::unique_ptr<Pusher> pusher;
  std::unique_ptr<LiveLoop> loop;
};

std::string P(int64_t cents) { return Payment(kNoon, "a", cents); }

}  // namespace

TEST_CASE("what is pushed without Kafka is read by the same loop, in this life and the next") {
  const TempFolder folder;
  std::vector<std::pair<std::string, std::string>> rows;
  {
    LocalServer server(folder.path());
    const PushResult first = server.Push({P(1), P(2)}, "p", 1);
    REQUIRE_FALSE(first.error);
    CHECK(first.ends == std::map<int32_t, int64_t>{{0, 2}});
    CHECK(server.Applied() == 2);
    rows = server.running.Rows({0});
    REQUIRE_FALSE(server.Push({P(1), P(2)}, "p", 1).error);
    CHECK(server.Applied() == 4);
    CHECK(server.running.Rows({0}) == rows);
    CHECK(server.running.store->source_status("payments").WasRepeated(0, 3));
    REQUIRE_FALSE(server.Push({P(3)}).error);  // durable, and not applied in this life
  }
  LocalServer server(folder.path());
  CHECK(server.Applied() == 5);
  CHECK(server.running.Rows({0}) != rows);
  REQUIRE_FALSE(server.Push({P(2)}, "p", 2).error);
  CHECK(server.Applied() == 6);
  CHECK(server.running.store->source_status("payments").WasRepeated(0, 5));
}

TEST_CASE("a view that is declared later reads the local log from its beginning") {
  const TempFolder folder;
  {
    LocalServer server(folder.path());
    REQUIRE_FALSE(server.Push({P(1), P(2), P(3)}).error);
    server.Applied();
  }
  LocalServer server(folder.path(), {}, {PaymentsView(), PaymentsView("beside")});
  std::vector<PassPlan> passes = server.loop->TakePasses();
  REQUIRE(passes.size() == 1);
  CatchUpPass pass(*server.running.context, std::move(passes[0]), server.log.Open("payments"));
  REQUIRE(pass.Begin().ok());
  for (int i = 0; i < 2000 && server.loop->views().size() < 2; ++i) {
    pass.Step();
    server.loop->Step();
  }
  REQUIRE(server.loop->views().size() == 2);
  CHECK(server.running.Rows({1}) == server.running.Rows({0}));
}

TEST_CASE("a reader wakes for what is appended") {
  const TempFolder folder;
  LocalServer server(folder.path());
  const auto reader = server.log.Open("payments");
  REQUIRE(reader->Assign({{0, 0}}).ok());
  LogBatch batch;
  PollLimits limits;
  limits.wait = Duration::Seconds(10);
  REQUIRE(reader->Poll(limits, batch).ok());
  CHECK(batch.ends == Positions{{0, 0}});
  std::thread pushes([&] { server.Push({P(1)}); });
  const auto begin = steady_clock::now();
  REQUIRE(reader->Poll(limits, batch).ok());
  pushes.join();
  CHECK(steady_clock::now() - begin < std::chrono::seconds(9));
  REQUIRE(batch.records.size() == 1);
  CHECK(batch.ends == Positions{{0, 1}});
  CHECK(batch.records[0].broker_time);
  CHECK(reader->KnownEnd(0) == 1);
  limits.records = 2;
  server.Push({P(2), P(3), P(4)});
  REQUIRE(reader->Poll(limits, batch).ok());
  CHECK(batch.records.size() == 2);
  CHECK(batch.ends.empty());
}

TEST_CASE(
    "the local log is trimmed by age and by size, and never before its views have passed it") {
  const TempFolder folder;
  LocalServer server(folder.path(), {.keep = Duration::Hours(1), .most_bytes = 400});
  const auto bounds = [&] { return *server.running.store->ReadLocalBounds("payments"); };
  REQUIRE_FALSE(server.Push({P(1), P(2)}).error);
  server.running.clock.Set(server.running.clock.Now() + Duration::Hours(2));
  REQUIRE(server.log.Trim("payments").ok());
  CHECK(bounds().start == 0);  // not applied yet
  server.Applied();
  REQUIRE(server.log.Trim("payments").ok());
  CHECK(bounds().start == 2);
  CHECK(bounds().bytes == 0);
  REQUIRE_FALSE(server.Push(std::vector<std::string>(10, P(3))).error);
  server.Applied();
  REQUIRE(server.log.Trim("payments").ok());
  CHECK(bounds().bytes <= 400);
  CHECK(bounds().bytes > 200);
  CHECK(bounds().end == 12);
  // What is left is read by who comes new, who is told that a beginning is missing.
  const auto reader = server.log.Open("payments");
  CHECK(reader->Bounds(0)->start == bounds().start);
  REQUIRE(reader->Assign({{0, 0}}).ok());
  LogBatch batch;
  CHECK(absl::IsOutOfRange(reader->Poll({}, batch)));
  CHECK((*reader->FirstAt(0, 0))->offset == bounds().start);
}

TEST_CASE("the log of a source that nobody has pushed to since the start is trimmed as well") {
  const TempFolder folder;
  {
    LocalServer server(folder.path());
    REQUIRE_FALSE(server.Push({P(1), P(2)}).error);
    server.Applied();
  }
  LocalServer server(folder.path(), {.keep = Duration::Hours(1)});
  server.running.clock.Set(server.running.clock.Now() + Duration::Hours(2));
  server.log.Serve(server.catalog);
  server.log.TrimAll();
  CHECK(server.running.store->ReadLocalBounds("payments")->start == 2);
}

TEST_CASE("what is sent again with the time it had then is taken at the time it is now") {
  const TempFolder folder;
  LocalServer server(folder.path());
  const Timestamp now = server.running.clock.Now();
  PushRecord record;
  record.value = P(1);
  record.time = now - Duration::Hours(3);
  std::atomic<bool> taken = false;
  server.log.Append(server.running.source, {record},
                    [&](size_t, const PushedTo& to) { taken = to.status.ok(); });
  REQUIRE(Eventually([&] { return taken.load(); }));
  const auto reader = server.log.Open("payments");
  CHECK((*reader->FirstAt(0, 0))->record_time_us == now.us);
}

TEST_CASE("a log that stops tells who comes too late") {
  const TempFolder folder;
  LocalServer server(folder.path());
  server.log.Stop();
  const PushResult result = server.Push({P(1)});
  REQUIRE(result.error);
  CHECK(result.error->code == absl::StatusCode::kUnavailable);
}

}  // namespace freshet
