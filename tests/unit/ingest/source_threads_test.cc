// The threads of a source at once, as ThreadSanitizer sees them (librdkafka's own it does not know: tests/integration/kafka).
#include "featurestore/ingest/source_threads.h"

#include <catch2/catch.hpp>
#include <random>
#include <thread>

#include "tests/support/eventually.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");
constexpr int kBefore = 3000;
constexpr int kMeanwhile = 2000;

std::string SomePayment(int i) {
  if (i % 97 == 0) return "not json";
  return Payment(kNoon + Duration::Seconds(i % 1000), fmt::format("c{}", i % 23), i);
}

}  // namespace

TEST_CASE("views that are behind are rebuilt while events come, readers read and somebody looks") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(3);
  for (int i = 0; i < kBefore; ++i) log->Append(i % 3, SomePayment(i));
  {
    Running running(folder.path(), {PaymentsView()}, log);
    const auto loop = running.Live();
    running.ReadAll(*loop);
  }
  Running running(folder.path(), {PaymentsView(), PaymentsView("second"), PaymentsView("third")},
                  log);
  running.context->open_log = [&](size_t) -> StatusOr<std::unique_ptr<LogSource>> {
    return std::make_unique<FakeLogSource>(log);
  };
  std::atomic<int> woken = 0;
  running.context->dead_letters_waiting = [&] { ++woken; };
  const Store& store = *running.store;
  SourceStatus& status = running.store->source_status("payments");
  {
    SourceThreads threads(*running.context, "fake");
    REQUIRE(threads.Start().ok());
    std::jthread producer([&] {
      for (int i = 0; i < kMeanwhile; ++i) {
        log->Append(i % 3, SomePayment(kBefore + i));
        if (i % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
    std::jthread looker([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        (void)status.partitions();
        (void)status.paused();
        (void)running.registry.Expose();
        for (uint32_t v = 0; v < 3; ++v) {
          (void)running.Rows({v});
          (void)store.IsComplete({v});
          (void)running.store->view_status({v}).newest_event_us.load();
        }
      }
    });
    const auto applied = [&] {
      int64_t sum = 0;
      for (const auto& [partition, p] : status.partitions()) sum += p.next;
      return sum;
    };
    CHECK(Eventually([&] { return applied() == kBefore + kMeanwhile; }));
    CHECK(Eventually([&] { return store.IsComplete({1}) && store.IsComplete({2}); }));
  }
  CHECK(woken > 0);
  CHECK(running.Rows({0}).size() == 23);
  CHECK(running.Rows({1}) == running.Rows({0}));
  CHECK(running.Rows({2}) == running.Rows({0}));
}

TEST_CASE("threads that are stopped at any moment leave what a next life goes on from") {
  const TempFolder pieces, whole;
  const auto log = std::make_shared<FakeLog>(3);
  for (int i = 0; i < kBefore; ++i) log->Append(i % 3, SomePayment(i));
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  for (int life = 0; life < 8; ++life) {
    std::vector<FeatureView> views = {PaymentsView()};
    if (life >= 3) views.push_back(PaymentsView("second"));
    Running running(pieces.path(), views, log);
    running.context->open_log = [&](size_t) -> StatusOr<std::unique_ptr<LogSource>> {
      return std::make_unique<FakeLogSource>(log);
    };
    SourceThreads threads(*running.context, "fake");
    REQUIRE(threads.Start().ok());
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 20'000));
  }
  Running last(pieces.path(), {PaymentsView(), PaymentsView("second")}, log);
  last.context->open_log = [&](size_t) -> StatusOr<std::unique_ptr<LogSource>> {
    return std::make_unique<FakeLogSource>(log);
  };
  SourceThreads threads(*last.context, "fake");
  REQUIRE(threads.Start().ok());
  const Store& store = *last.store;
  CHECK(Eventually([&] { return store.IsComplete({0}) && store.IsComplete({1}); }));
  Running once(whole.path(), {PaymentsView()}, log);
  const auto loop = once.Live();
  once.ReadAll(*loop);
  CHECK(last.Rows({0}) == once.Rows({0}));
  CHECK(last.Rows({1}) == once.Rows({0}));
}

}  // namespace freshet
