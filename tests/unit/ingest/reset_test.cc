// `freshet reset-source` on a log in memory: what it decides, and what the next start makes of it.
#include "featurestore/ingest/reset.h"

#include <catch2/catch.hpp>
#include <string>

#include "featurestore/ingest/live_loop.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");

std::shared_ptr<FakeLog> LogOf(std::vector<int> records, int64_t cents = 1,
                               Timestamp time = Timestamp{1'000'000}) {
  auto log = std::make_shared<FakeLog>(static_cast<int32_t>(records.size()));
  for (size_t p = 0; p < records.size(); ++p) {
    for (int i = 0; i < records[p]; ++i) {
      log->Append(static_cast<int32_t>(p), Payment(kNoon, "a", cents), time);
    }
  }
  return log;
}

struct Life {
  LogVerdict stop;
  int64_t cents = 0;
  std::map<int32_t, Progress> progress;
};

// What becomes of the first of `views`.
Life Live(const TempFolder& folder, const std::shared_ptr<FakeLog>& log,
          std::vector<FeatureView> views = {PaymentsView()}) {
  Running running(folder.path(), std::move(views), log);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  Life life{loop->stop(), 0, *running.store->ReadProgress({0})};
  const auto rows = running.Rows({0});
  if (rows.empty()) return life;
  const auto row = Row::Decode(*running.layouts[0], rows.at(0).second);
  const uint32_t feature[] = {1};
  Cell cell;
  row->Finish({kNoon, std::nullopt}, feature, {&cell, 1});
  life.cents = cell.value.as_int64();
  return life;
}

StatusOr<ResetReport> Reset(const TempFolder& folder, const std::shared_ptr<FakeLog>& log,
                            std::optional<LogChange> change = std::nullopt,
                            std::vector<FeatureView> views = {PaymentsView()}) {
  Running running(folder.path(), std::move(views), log);
  Catalog catalog;
  catalog.sources = {running.source};
  catalog.views = running.declared_views;
  FakeLogSource source(log);
  return ResetSource(catalog, 0, "", change, source, *running.store);
}

// `freshet reset-view`, of the first of `views`.
StatusOr<ViewReset> ResetRows(const TempFolder& folder, const std::shared_ptr<FakeLog>& log,
                              bool accept_loss, std::vector<FeatureView> views = {PaymentsView()}) {
  const std::string name = views[0].name;
  StatusOr<ViewReset> reset = Unavailable("");
  {
    Running running(folder.path(), std::move(views), log);
    Catalog catalog;
    catalog.sources = {running.source};
    catalog.views = running.declared_views;
    FakeLogSource source(log);
    reset = PrepareViewReset(catalog, {0}, "", accept_loss, source, *running.store);
  }
  if (reset.ok()) CHECK(Running(folder.path(), {}, log).store->ResetView(name).ok());
  return reset;
}

// Refused with these words, and what is stored is as it was.
void CheckRefused(const TempFolder& folder, const std::shared_ptr<FakeLog>& log,
                  std::optional<LogChange> change, const std::string& words) {
  const auto before = Live(folder, log).progress;
  const auto refused = Reset(folder, log, change);
  REQUIRE(absl::IsFailedPrecondition(refused.status()));
  CHECK_THAT(std::string(MessageOf(refused.status())), Catch::Contains(words));
  CHECK(Live(folder, log).progress == before);
}

}  // namespace

TEST_CASE("a log that holds what comes next is not reset: its records would count twice") {
  const TempFolder folder;
  const auto log = LogOf({3, 2});
  CheckRefused(folder, log, std::nullopt, "nothing to reset");
  CheckRefused(folder, log, LogChange::kNew, "nothing to reset");
  log->CutBefore(0, 3);
  CheckRefused(folder, log, LogChange::kTruncated, "nothing to reset");
}

TEST_CASE("a source that has read nothing has nothing to reset") {
  const TempFolder folder;
  const auto refused = Reset(folder, LogOf({1}));
  CHECK_THAT(std::string(MessageOf(refused.status())), Catch::Contains("has read nothing"));
}

TEST_CASE("lost records are left out, the other partition goes on where it was") {
  const TempFolder folder;
  const auto log = LogOf({3, 2});
  Live(folder, log);
  for (int i = 0; i < 5; ++i) log->Append(0, Payment(kNoon + Duration::Hours(1), "a", 10));
  log->Append(1, Payment(kNoon, "a", 100));
  log->CutBefore(0, 6);
  CHECK(Live(folder, log).stop.reason == "records_lost");
  CheckRefused(folder, log, LogChange::kNew, "leave --log out");
  const auto report = Reset(folder, log);
  REQUIRE(report.ok());
  CHECK_THAT(report->partitions.at(0), Catch::Contains("at offset 6"));
  CHECK_THAT(report->completeness, Catch::Contains("rises"));
  const Life after = Live(folder, log);
  CHECK(after.stop.ok());
  CHECK(after.cents == 3 + 2 + 20 + 100);
  CHECK(after.progress.at(0).incarnation == 0);  // it is the same log
  CHECK(after.progress.at(0).complete_since == kNoon + Duration::Hours(1));
  CHECK_FALSE(after.progress.at(1).complete_since);
}

TEST_CASE("a topic that was made anew is read whole under a new incarnation, and rows stay") {
  const TempFolder folder;
  Live(folder, LogOf({3, 2}));
  const auto anew = LogOf({4, 4}, 10, Timestamp{2'000'000});
  CHECK(Live(folder, anew).stop.reason == "topic_recreated");
  CheckRefused(folder, anew, LogChange::kTruncated, "does not only lack its end");
  CheckRefused(folder, anew, std::nullopt, "say --log new");
  REQUIRE(Reset(folder, anew, LogChange::kNew).ok());
  const Life after = Live(folder, anew);
  CHECK(after.stop.ok());
  CHECK(after.cents == 5 + 80);
  CHECK(after.progress.at(1).incarnation == 1);
  CHECK(after.progress.at(1).complete_since == kNoon);
  CHECK(Live(folder, anew).cents == 85);
}

TEST_CASE("a topic that is shorter than what was read of it: somebody has to say why") {
  const TempFolder folder;
  Live(folder, LogOf({5}));
  SECTION("made anew") {
    const auto anew = LogOf({2}, 10);
    CheckRefused(folder, anew, std::nullopt, "partition 0 ends at offset 2");
    REQUIRE(Reset(folder, anew, LogChange::kNew).ok());
    CHECK(Live(folder, anew).cents == 25);
  }
  SECTION("truncated") {
    const auto cut = LogOf({2});
    // Written before anybody looked: never read, and that is said.
    cut->Append(0, Payment(kNoon, "a", 1000));
    const auto report = Reset(folder, cut, LogChange::kTruncated);
    REQUIRE(report.ok());
    CHECK_THAT(report->partitions.at(0), Catch::Contains("at offset 3"));
    CHECK_THAT(report->partitions.at(0), Catch::Contains("is not read"));
    CHECK_THAT(report->completeness, Catch::Contains("rises"));
    cut->Append(0, Payment(kNoon + Duration::Hours(1), "a", 10));
    const Life after = Live(folder, cut);
    CHECK(after.stop.ok());
    CHECK(after.cents == 15);
    CHECK(after.progress.at(0).incarnation == 1);  // its offsets are written again
    CHECK(after.progress.at(0).complete_since == kNoon + Duration::Hours(1));
  }
}

TEST_CASE("where another partition still holds what was read, the topic was not made anew") {
  const TempFolder folder;
  Live(folder, LogOf({5, 5}));
  const auto cut = LogOf({2, 5});
  CheckRefused(folder, cut, std::nullopt, "it is the second");
  CheckRefused(folder, cut, LogChange::kNew, "would count twice");
  REQUIRE(Reset(folder, cut, LogChange::kTruncated).ok());
  cut->Append(0, Payment(kNoon, "a", 10));
  CHECK(Live(folder, cut).cents == 20);
}

TEST_CASE("a log that lost its end is not reset while the folder holds what is not declared") {
  const TempFolder folder;
  const FeatureView spend = PaymentsView(), beside = PaymentsView("beside");
  const FeatureView changed = PaymentsView("card_spend", "0000000000000002");
  Live(folder, LogOf({5}), {spend, beside});
  const auto cut = LogOf({2});
  const auto refused = Reset(folder, cut, LogChange::kTruncated, {spend});
  REQUIRE(absl::IsFailedPrecondition(refused.status()));
  CHECK_THAT(std::string(MessageOf(refused.status())), Catch::Contains("view beside"));
  SECTION("a version that is being built beside the complete one") {
    const auto built = Reset(folder, cut, LogChange::kTruncated, {changed, beside});
    REQUIRE(absl::IsFailedPrecondition(built.status()));
    CHECK_THAT(std::string(MessageOf(built.status())), Catch::Contains(spend.version));
  }
  SECTION("a build that was given up is forgotten") {
    {
      Running running(folder.path(), {spend, beside, changed}, cut);
      Commit commit(*running.store);
      commit.Advance({2}, 0, Progress{.next = 5});
      REQUIRE(commit.Apply().ok());
    }
    REQUIRE(Reset(folder, cut, LogChange::kTruncated, {spend, beside}).ok());
    cut->Append(0, Payment(kNoon, "a", 10));
    CHECK(Live(folder, cut, {spend, beside}).cents == 15);
    CHECK(Live(folder, cut, {beside, spend}).cents == 15);
    CHECK(Live(folder, cut, {changed}).cents == 12);  // built anew
  }
}

TEST_CASE("a view that is behind skips what was written again in front of it") {
  const TempFolder folder;
  const FeatureView spend = PaymentsView(), behind = PaymentsView("behind");
  const auto log = LogOf({3});
  Live(folder, log, {spend, behind});
  for (int i = 0; i < 2; ++i) log->Append(0, Payment(kNoon, "a", 1));
  Live(folder, log, {spend});
  // Cut to 2, and one record longer since: the place where `behind` stands.
  const auto cut = LogOf({2});
  cut->Append(0, Payment(kNoon, "a", 1000));
  REQUIRE(Reset(folder, cut, LogChange::kTruncated, {spend, behind}).ok());
  cut->Append(0, Payment(kNoon, "a", 10));
  const Life after = Live(folder, cut, {behind, spend});
  CHECK(after.stop.ok());
  CHECK(after.cents == 13);
  CHECK(after.progress.at(0).next == 4);
  CHECK(after.progress.at(0).complete_since == kNoon);
}

TEST_CASE("an end that was lost and written again can only be read from the beginning") {
  const TempFolder folder;
  Live(folder, LogOf({5, 5}));
  auto written_again = LogOf({2, 5});
  for (int i = 0; i < 4; ++i) written_again->Append(0, Payment(kNoon, "a", 10));
  for (const auto change : {std::optional<LogChange>(), std::optional(LogChange::kTruncated)}) {
    CheckRefused(folder, written_again, change, "reset-view");
  }
}

TEST_CASE(
    "a topic made anew of which a partition was read on before another told: it goes on where it "
    "stands") {
  const TempFolder folder;
  Live(folder, LogOf({5, 5}));
  const auto anew = LogOf({8, 8}, 10, Timestamp{2'000'000});
  {
    // Partition 1 has read the new log from offset 5 on.
    Running running(folder.path(), {PaymentsView()}, anew);
    Commit commit(*running.store);
    Progress read = running.store->ReadProgress({0})->at(1);
    read.next = 8;
    FakeLogSource source(anew);
    read.last = source.FirstAt(1, 7)->value();
    commit.Advance({0}, 1, read);
    REQUIRE(commit.Apply().ok());
  }
  CHECK(Live(folder, anew).stop.reason == "topic_recreated");
  CheckRefused(folder, anew, std::nullopt, "by --log new");
  CheckRefused(folder, anew, LogChange::kTruncated, "by --log new");
  const auto report = Reset(folder, anew, LogChange::kNew);
  REQUIRE(report.ok());
  CHECK_THAT(report->partitions.at(0), Catch::Contains("partition 0 is read from offset 0"));
  CHECK_THAT(report->partitions.at(1), Catch::Contains("goes on where it was"));
  CHECK_THAT(report->completeness, Catch::Contains("Rows hold events of both logs"));
  anew->Append(1, Payment(kNoon, "a", 1000), Timestamp{2'000'000});
  const Life after = Live(folder, anew);
  CHECK(after.stop.ok());
  CHECK(after.cents == 10 + 80 + 1000);
  CHECK(after.progress.at(1).incarnation == 1);
  CHECK(after.progress.at(1).complete_since == kNoon);
}

TEST_CASE("a view is not built anew from another log without consent, nor in the old incarnation") {
  const TempFolder folder;
  const FeatureView spend = PaymentsView(), beside = PaymentsView("beside");
  Live(folder, LogOf({5}), {spend, beside});
  const auto anew = GENERATE(LogOf({8}, 10), LogOf({2}, 10));
  const auto refused = ResetRows(folder, anew, false, {spend, beside});
  CHECK_THAT(std::string(MessageOf(refused.status())),
             Catch::Contains("is not the log that was read"));
  const auto reset = ResetRows(folder, anew, true, {spend, beside});
  REQUIRE(reset.ok());
  CHECK(reset->new_incarnation);
  CHECK(reset->others == std::vector<std::string>{"beside"});
  // The other view's place still tells what is wrong.
  CHECK(Live(folder, anew, {beside, spend}).stop.reason == "topic_recreated");
  REQUIRE(ResetRows(folder, anew, true, {beside, spend}).ok());
  for (const auto& views : {std::vector{spend, beside}, std::vector{beside, spend}}) {
    const Life after = Live(folder, anew, views);
    CHECK(after.stop.ok());
    CHECK(after.cents == 10 * after.progress.at(0).next);
    CHECK(after.progress.at(0).incarnation == 2);
    CHECK(after.progress.at(0).complete_since == kNoon);
  }
}

TEST_CASE("rows that a reset kept of an earlier log are not forgotten without consent") {
  const TempFolder folder;
  Live(folder, LogOf({5}));
  const auto anew = LogOf({8}, 10);
  REQUIRE(Reset(folder, anew, LogChange::kNew).ok());
  Live(folder, anew);
  const auto refused = ResetRows(folder, anew, false);
  CHECK_THAT(std::string(MessageOf(refused.status())), Catch::Contains("an earlier log"));
  CHECK_FALSE(ResetRows(folder, anew, true)->new_incarnation);
  CHECK(Live(folder, anew).cents == 80);
}

TEST_CASE("a view is built anew from the log that was read, in its incarnation") {
  const TempFolder folder;
  const auto log = LogOf({5});
  Live(folder, log);
  CHECK_FALSE(ResetRows(folder, log, false)->new_incarnation);
  const Life after = Live(folder, log);
  CHECK(after.cents == 5);
  CHECK(after.progress.at(0).incarnation == 0);
  CHECK_FALSE(after.progress.at(0).complete_since);
}

TEST_CASE("a view is reset with consent where the log cannot be asked: it may be another") {
  const TempFolder folder;
  const auto log = LogOf({5});
  Live(folder, log);
  log->SetAway(Unavailable("no broker"));
  CHECK(absl::IsUnavailable(ResetRows(folder, log, false).status()));
  CHECK(ResetRows(folder, log, true)->new_incarnation);
  log->SetAway(OkStatus());
  const Life after = Live(folder, log);
  CHECK(after.cents == 5);
  CHECK(after.progress.at(0).incarnation == 1);
}

TEST_CASE("an end that was written again in all partitions is not taken for a topic made anew") {
  const TempFolder folder;
  Live(folder, LogOf({5}));
  const auto written_again = LogOf({2});
  for (int i = 0; i < 4; ++i) {
    written_again->Append(0, Payment(kNoon, "a", 10), Timestamp{2'000'000});
  }
  CheckRefused(folder, written_again, std::nullopt, "reset-view");
  CheckRefused(folder, written_again, LogChange::kTruncated, "reset-view");
}

TEST_CASE("a topic with fewer partitions was made anew") {
  const TempFolder folder;
  Live(folder, LogOf({2, 2}));
  const auto anew = LogOf({3}, 10, Timestamp{2'000'000});
  CHECK(Live(folder, anew).stop.reason == "topic_recreated");
  REQUIRE(Reset(folder, anew).ok());
  const Life after = Live(folder, anew);
  CHECK(after.cents == 34);
  CHECK(after.progress.size() == 1);
}

TEST_CASE("what a view would lack that is built anew") {
  const auto log = LogOf({3, 3});
  FakeLogSource source(log);
  CHECK_FALSE(MissingBeginning("t", source)->has_value());
  log->CutBefore(1, 2);
  CHECK_THAT(MissingBeginning("t", source)->value(),
             Catch::Contains("topic t has lost its beginning: partition 1 begins at offset 2"));
}

}  // namespace freshet
