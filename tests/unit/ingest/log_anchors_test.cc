// A topic that is made anew and filled past the stored place before anybody looks.
#include "featurestore/ingest/log_anchors.h"

#include <catch2/catch.hpp>

#include "featurestore/ingest/live_loop.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");

void Fill(FakeLog& log, int records, Timestamp time) {
  for (int i = 0; i < records; ++i) log.Append(0, Payment(kNoon, "a", 1), time);
}

void StepAll(LiveLoop& loop) {
  for (int i = 0; i < 10 && loop.Step().kind == StepKind::kRead; ++i) continue;
}

}  // namespace

TEST_CASE(
    "a topic made anew and filled past the stored place stops the source at the next refresh, and "
    "at each start") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  Fill(*log, 5, Timestamp{1'000'000});  // all of the same time
  {
    Running running(folder.path(), {PaymentsView()}, log);
    const auto loop = running.Live();
    if (GENERATE(false, true)) {
      // Read before, or in this life.
      running.ReadAll(*loop);
    } else {
      const auto before = running.Live();
      running.ReadAll(*before);
      REQUIRE(loop->Begin().ok());
      StepAll(*loop);
    }
    running.clock.Advance(Duration::Seconds(31));
    StepAll(*loop);
    FakeLog anew;
    Fill(anew, 40, Timestamp{2'000'000});
    log->partitions = anew.partitions;
    StepAll(*loop);
    // As before: it is taken for what comes next.
    CHECK(running.store->ReadProgress({0})->at(0).next == 40);
    running.clock.Advance(Duration::Seconds(31));
    StepAll(*loop);
    CHECK(loop->stop().reason == "topic_recreated");
    CHECK(loop->stop().detail.find("stands at offset 0, and none stood below 5") !=
          std::string::npos);
    CHECK(loop->stop().detail.find("reset-view --accept-loss") != std::string::npos);
    CHECK(loop->Step().kind == StepKind::kStopped);
  }
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  REQUIRE(loop->Begin().ok());
  CHECK(loop->stop().reason == "topic_recreated");
}

TEST_CASE(
    "one log is never taken for another, whatever its records' times and what retention takes") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  CHECK(log->times_asked == 0);  // there is no record yet
  const int64_t seconds[] = {50, 10, 50, 90, 20, 90, 90, 30};
  int64_t end = 0;
  for (const int64_t second : seconds) {
    if (second == 20) log->CutBefore(0, end - 2);
    Fill(*log, 3, Timestamp{} + Duration::Seconds(second));
    end += 3;
    running.clock.Advance(Duration::Seconds(31));
    StepAll(*loop);
    CHECK(loop->stop().ok());
    CHECK(running.store->ReadProgress({0})->at(0).next == end);
  }
  // One request for each refresh that had a record.
  CHECK(log->times_asked == 7);
}

TEST_CASE("where a broker's index says less than before, the record itself decides") {
  const auto log = std::make_shared<FakeLog>(1);
  Fill(*log, 5, Timestamp{1'000'000});
  FakeLogSource source(log);
  std::map<int32_t, Progress> progress;
  progress[0].next = 5;
  progress[0].last = source.FirstAt(0, 4)->value();
  LogAnchors anchors;
  const std::map<int32_t, LogBounds> bounds = {{0, {0, 5}}};
  CHECK(anchors.Check(source, "t", bounds, progress, {{0, 5}}, false)->ok());
  log->partitions[0].records[2].time = Timestamp{2'000'000};
  CHECK(anchors.Check(source, "t", bounds, progress, {{0, 5}}, false)->ok());
  log->partitions[0].records[4].value = "another";
  log->partitions[0].records[1].time = Timestamp{2'000'000};
  CHECK(anchors.Check(source, "t", bounds, progress, {{0, 5}}, false)->reason == "topic_recreated");
}

}  // namespace freshet
