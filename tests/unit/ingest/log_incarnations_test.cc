// Which log a source's progress and refusals speak of, where a topic is made anew, renamed or replaced.
#include <catch2/catch.hpp>
#include <string>

#include "featurestore/ingest/catch_up_pass.h"
#include "featurestore/ingest/live_loop.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");

}  // namespace

TEST_CASE("a topic that was made anew is told by its records or its length, and stops the source") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  for (int i = 0; i < 3; ++i) log->Append(0, Payment(kNoon, "a", i));
  {
    Running running(folder.path(), {PaymentsView()}, log);
    const auto loop = running.Live();
    running.ReadAll(*loop);
  }
  const auto anew = std::make_shared<FakeLog>(1);
  SECTION("other records") {
    for (int i = 0; i < 9; ++i) anew->Append(0, Payment(kNoon, "b", i));
  }
  SECTION("the same bytes at another time") {
    for (int i = 0; i < 9; ++i) anew->Append(0, Payment(kNoon, "a", i), Timestamp{2'000'000});
  }
  SECTION("shorter") { anew->Append(0, Payment(kNoon, "a", 0)); }
  Running running(folder.path(), {PaymentsView()}, anew);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  CHECK(loop->stop().reason == "topic_recreated");
  CHECK(running.store->ReadProgress({0}).value().at(0).next == 3);
}

TEST_CASE("a topic that has fewer partitions than a running loop has read was made anew") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(2);
  for (int32_t p = 0; p < 2; ++p) log->Append(p, Payment(kNoon, "a", 1));
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  const auto both = log->partitions;
  log->partitions.resize(1);
  CHECK(absl::IsAborted(loop->Begin().status));
  // A broker that lags behind says so for a moment.
  log->partitions = both;
  REQUIRE(loop->Begin().ok());
  log->partitions.resize(1);
  running.clock.Advance(Duration::Seconds(6));
  CHECK(absl::IsAborted(loop->Begin().status));
  running.clock.Advance(Duration::Seconds(6));
  REQUIRE(loop->Begin().ok());
  CHECK(loop->stop().reason == "topic_recreated");
  CHECK(loop->stop().detail.find("has 1 partitions, and partition 1 was read") !=
        std::string::npos);
  CHECK(loop->Step().kind == StepKind::kStopped);
}

TEST_CASE("under a new incarnation reading begins at 0 and rows stay") {
  const TempFolder folder;
  const auto first = std::make_shared<FakeLog>(1), second = std::make_shared<FakeLog>(1);
  for (int i = 0; i < 3; ++i) first->Append(0, Payment(kNoon, "a", 1));
  second->Append(0, Payment(kNoon, "a", 1));
  second->Append(0, "bad");
  {
    Running running(folder.path(), {PaymentsView()}, first, true, "id1");
    const auto loop = running.Live();
    running.ReadAll(*loop);
    CHECK(running.store->ReadProgress({0}).value().at(0).incarnation == 0);
  }
  Running running(folder.path(), {PaymentsView()}, second, true, "id2");
  const auto loop = running.Live();
  running.ReadAll(*loop);
  REQUIRE(loop->stop().ok());
  const Progress progress = running.store->ReadProgress({0}).value().at(0);
  CHECK(progress.incarnation == 1);
  CHECK(progress.next == 2);
  CHECK_FALSE(progress.complete_since);
  CHECK(running.DeadLetters().at(0).at == Coordinates{1, 0, 1});
  const auto row = Row::Decode(*running.layouts[0], running.Rows({0}).at(0).second);
  const uint32_t feature[] = {0};
  Cell cell;
  row->Finish({kNoon, std::nullopt}, feature, {&cell, 1});
  CHECK(cell.value == Value::Int64(4));
}

TEST_CASE(
    "a source that is renamed goes on where its views stand, whatever the log's incarnation") {
  const TempFolder folder;
  const auto first = std::make_shared<FakeLog>(1), second = std::make_shared<FakeLog>(1);
  first->Append(0, Payment(kNoon, "a", 1));
  second->Append(0, Payment(kNoon, "a", 2));
  for (const auto& [log, id] : {std::pair{first, "id1"}, std::pair{second, "id2"}}) {
    Running running(folder.path(), {PaymentsView()}, log, true, id);
    const auto loop = running.Live();
    running.ReadAll(*loop);
  }
  const auto life = [&](const std::shared_ptr<FakeLog>& log, const std::string& id) {
    Running running(folder.path(), {PaymentsView()}, log, true, id);
    running.source.name = "renamed";
    const auto loop = running.Live();
    running.ReadAll(*loop);
    CHECK(loop->stop().ok());
    const auto row = Row::Decode(*running.layouts[0], running.Rows({0}).at(0).second);
    const uint32_t feature[] = {0};
    Cell cell;
    row->Finish({kNoon, std::nullopt}, feature, {&cell, 1});
    return std::pair{cell.value.as_int64(), running.store->ReadProgress({0})->at(0).incarnation};
  };
  CHECK(life(second, "id2") == std::pair{int64_t{2}, 1u});
  // Under the new name and with a new log at once: nothing that was read stands in it.
  const TempFolder other;
  const auto third = std::make_shared<FakeLog>(1);
  third->Append(0, Payment(kNoon, "a", 4));
  CHECK(life(third, "id3") == std::pair{int64_t{3}, 2u});
}

TEST_CASE("a source that is renamed goes on refusing what it refused as of the future") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  const Timestamp soon = Timestamp{1'700'000'000'000'000} + Duration::Hours(1);
  log->Append(0, Payment(soon, "a", 1));
  std::optional<Timestamp> clock;
  const auto life = [&](const std::string& source, std::vector<FeatureView> views) {
    Running running(folder.path(), std::move(views), log, false);
    running.source.name = source;
    if (clock) running.clock.Set(*clock);
    const auto loop = running.Live();
    running.ReadAll(*loop);
    for (auto& plan : loop->TakePasses()) {
      CatchUpPass pass(*running.context, std::move(plan), std::make_unique<FakeLogSource>(log));
      REQUIRE(pass.Begin().ok());
      for (int i = 0; i < 4; ++i) pass.Step();
    }
    std::vector<size_t> rows;
    for (uint32_t i = 0; i < running.layouts.size(); ++i) rows.push_back(running.Rows({i}).size());
    return rows;
  };
  CHECK(life("payments", {PaymentsView()}) == std::vector<size_t>{0});
  clock = soon;
  SECTION("also for a view that is new under the new name") {
    CHECK(life("renamed", {PaymentsView(), PaymentsView("again")}) == std::vector<size_t>{0, 0});
  }
  SECTION("and under its old one, when it is renamed back") {
    CHECK(life("renamed", {PaymentsView()}) == std::vector<size_t>{0});
    log->Append(0, Payment(soon + Duration::Hours(1), "b", 1));
    CHECK(life("renamed", {PaymentsView()}) == std::vector<size_t>{0});
    clock = soon + Duration::Hours(2);
    CHECK(life("payments", {PaymentsView(), PaymentsView("again")}) == std::vector<size_t>{0, 0});
  }
  SECTION("and a source that is new, views and all, judges the log by its own clock") {
    CHECK(life("other", {PaymentsView("again")}) == std::vector<size_t>{1});
  }
}

TEST_CASE(
    "a source that is renamed goes on with its own views' log, whoever else has read the topic") {
  const TempFolder folder;
  const auto shared = std::make_shared<FakeLog>(1), before = std::make_shared<FakeLog>(1);
  shared->Append(0, Payment(kNoon, "a", 1));
  const auto life = [&](const std::string& source, const std::string& view,
                        const std::string& topic, const std::shared_ptr<FakeLog>& log) {
    Running running(folder.path(), {PaymentsView(view)}, log);
    running.source.name = source;
    running.source.topic = topic;
    const auto loop = running.Live();
    running.ReadAll(*loop);
    const auto rows = running.Rows({0});
    if (rows.empty())
      return std::pair{int64_t{0}, running.store->ReadProgress({0})->at(0).incarnation};
    const auto row = Row::Decode(*running.layouts[0], rows.at(0).second);
    const uint32_t feature[] = {0};
    Cell cell;
    row->Finish({kNoon, std::nullopt}, feature, {&cell, 1});
    return std::pair{cell.value.as_int64(), running.store->ReadProgress({0})->at(0).incarnation};
  };
  CHECK(life("a", "of_a", "t", shared) == std::pair{int64_t{1}, 0u});
  CHECK(life("b", "of_b", "u", before) == std::pair{int64_t{0}, 0u});
  CHECK(life("b", "of_b", "t", shared) == std::pair{int64_t{1}, 1u});
  CHECK(life("c", "of_b", "t", shared) == std::pair{int64_t{1}, 1u});  // not 2
}

TEST_CASE("another topic of a source is another log: what was refused of the old says nothing") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  const auto life = [&](const std::string& topic, const std::string& version) {
    Running running(folder.path(), {PaymentsView("v", version)}, log, false);
    running.source.topic = topic;
    const auto loop = running.Live();
    running.ReadAll(*loop);
    return std::pair{running.Rows({0}).size(), running.store->ReadProgress({0})->at(0).incarnation};
  };
  log->Append(0, Payment(Timestamp{1'700'000'000'000'000} + Duration::Days(1), "a", 1));
  CHECK(life("old", "0000000000000001") == std::pair{size_t{0}, 0u});
  log->CutBefore(0, 1);
  const auto anew = std::make_shared<FakeLog>(1);
  anew->Append(0, Payment(Timestamp{1'700'000'000'000'000}, "a", 1));
  log->partitions = anew->partitions;
  CHECK(life("new", "0000000000000002") == std::pair{size_t{1}, 1u});
}

}  // namespace freshet
