// Dead letters without a topic: in the outbox alone. With one: tests/integration.
#include "featurestore/ingest/dead_letters.h"

#include <catch2/catch.hpp>
#include <thread>

#include "tests/support/fake_push_log.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");

struct Letters {
  Letters() : running(folder.path(), {PaymentsView()}, log), push_log(sent) {
    catalog.project = "test";
    catalog.sources = {running.source};
    catalog.views = running.declared_views;
    log->Append(0, Payment(kNoon, "a", 1));
    log->Append(0, "not json", kNoon);
    log->Append(0, R"({"at":"2023-11-14T12:00:00Z","card":7})", kNoon + Duration::Seconds(1));
    log->Append(0, "{}", kNoon + Duration::Seconds(2));
    log->Append(0, "nor this", kNoon + Duration::Seconds(3));
    const auto loop = running.Live();
    running.ReadAll(*loop);
    letters = std::make_unique<DeadLetters>(std::make_shared<Catalog>(catalog), LogAddress{},
                                            *running.store, &push_log);
  }
  static std::chrono::steady_clock::time_point Soon() {
    return std::chrono::steady_clock::now() + std::chrono::seconds(20);
  }
  StatusOr<ListedLetters> List(const LetterFilter& filter, size_t most = 10, bool payload = false) {
    return letters->List(filter, most, payload, Soon());
  }

  TempFolder folder;
  std::shared_ptr<FakeLog> log = std::make_shared<FakeLog>(1);
  std::shared_ptr<FakeLog> sent = std::make_shared<FakeLog>(1);
  Running running;
  FakePushLog push_log;
  Catalog catalog;
  std::unique_ptr<DeadLetters> letters;
};

}  // namespace

TEST_CASE("letters are counted by source and reason, and listed by place, the newest of them") {
  Letters fixture;
  const auto listed = fixture.List({});
  REQUIRE(listed.ok());
  CHECK_FALSE(listed->incomplete);
  CHECK(listed->counts.size() == 3);
  const LetterCount& malformed = listed->counts.at({"payments", "malformed"});
  CHECK(malformed.letters == 2);
  CHECK(malformed.oldest_us == kNoon.us);
  CHECK(malformed.newest_us == (kNoon + Duration::Seconds(3)).us);
  REQUIRE(listed->letters.size() == 4);
  CHECK(listed->letters[0].at == Coordinates{0, 0, 1});
  CHECK_FALSE(listed->letters[0].letter.value);  // not asked for
  CHECK(listed->letters[0].value_bytes == 8);

  const auto newest = fixture.List({}, 2);
  REQUIRE(newest.ok());
  REQUIRE(newest->letters.size() == 2);
  CHECK(newest->letters[0].at.offset == 3);
  CHECK(fixture.List({"payments", "mistyped", std::nullopt})->letters.size() == 1);
  CHECK(fixture.List({"others", "", std::nullopt})->counts.empty());

  const auto one = fixture.List({"payments", "", Coordinates{0, 0, 2}}, 1, true);
  REQUIRE(one.ok());
  CHECK(one->letters[0].letter.value == R"({"at":"2023-11-14T12:00:00Z","card":7})");
  CHECK(one->letters[0].letter.detail.find("card") != std::string::npos);
  CHECK(absl::IsNotFound(fixture.List({"payments", "", Coordinates{0, 0, 0}}).status()));
  CHECK(absl::IsInvalidArgument(fixture.List({"", "", Coordinates{0, 0, 1}}).status()));
}

TEST_CASE("a replayed letter is sent under its place, with its time, and is gone from the outbox") {
  Letters fixture;
  const auto replayed =
      fixture.letters->Replay({"payments", "malformed", std::nullopt}, Letters::Soon());
  REQUIRE(replayed.ok());
  CHECK(replayed->replayed == 2);
  CHECK(replayed->left == 0);
  const auto& records = fixture.sent->partitions[0].records;
  REQUIRE(records.size() == 2);
  CHECK(records[0].value == "not json");
  CHECK(records[1].value == "nor this");
  CHECK(records[0].headers[0].second == "freshet-dlq/payments/0/0/1");
  CHECK(records[0].headers[1].second == "1");
  CHECK(fixture.List({})->counts.size() == 2);
  CHECK(
      fixture.letters->Replay({"payments", "malformed", std::nullopt}, Letters::Soon())->replayed ==
      0);
  CHECK(fixture.letters->Replay({}, Letters::Soon())->replayed == 2);
  CHECK(fixture.List({})->counts.empty());
  CHECK(fixture.running.store->dead_letter_bytes() == 0);
}

TEST_CASE(
    "a replay that was cut short is run again, and what had come through is dropped when read") {
  Letters fixture;
  fixture.push_log.SetHeld(true);
  // The log takes one of them, and tells of neither: a crash in between.
  std::thread taken([&] {
    while (fixture.push_log.waiting() == 0) std::this_thread::yield();
    fixture.push_log.LetGo(1, {Unavailable("gone")});
    fixture.push_log.SetHeld(false);
  });
  const auto failed =
      fixture.letters->Replay({"payments", "malformed", std::nullopt}, Letters::Soon());
  taken.join();
  REQUIRE(absl::IsUnavailable(failed.status()));
  CHECK(MessageOf(failed.status()).find("each counts once") != std::string_view::npos);
  CHECK(
      fixture.letters->Replay({"payments", "malformed", std::nullopt}, Letters::Soon())->replayed ==
      2);
  CHECK(fixture.sent->partitions[0].records.size() == 3);

  const TempFolder folder;
  Running reader(folder.path(), {PaymentsView()}, fixture.sent);
  const auto loop = reader.Live();
  reader.ReadAll(*loop);
  CHECK(reader.DeadLetters().size() == 2);
}

TEST_CASE("what cannot be replayed says why") {
  Letters fixture;
  const auto unknown = fixture.letters->Replay({"payment", "", std::nullopt}, Letters::Soon());
  CHECK(absl::IsNotFound(unknown.status()));
  CHECK(MessageOf(unknown.status()).find("payments") != std::string_view::npos);
  fixture.push_log.SetReady(Unavailable("no broker answers"));
  CHECK(absl::IsUnavailable(fixture.letters->Replay({}, Letters::Soon()).status()));
  // Where pushes are switched off they are listed all the same.
  DeadLetters unsent(std::make_shared<Catalog>(fixture.catalog), LogAddress{},
                     *fixture.running.store, nullptr);
  CHECK(absl::IsUnimplemented(unsent.Replay({}, Letters::Soon()).status()));
  CHECK(unsent.List({}, 10, false, Letters::Soon())->letters.size() == 4);
  fixture.push_log.SetReady(NotFound("the topic does not exist"));  // no letter that is unknown
  CHECK(absl::IsFailedPrecondition(fixture.letters->Replay({}, Letters::Soon()).status()));
  fixture.letters->Stop();
  fixture.push_log.SetReady(OkStatus());
  CHECK(fixture.letters->Replay({}, Letters::Soon())->left == 4);
}

TEST_CASE("a list looks at all letters of the outbox, and holds no more than an answer may") {
  Letters of;
  constexpr int64_t kMany = 100'100;
  const auto put = [&](const std::string& reason, int64_t first, int64_t count, std::string value) {
    Commit commit(*of.running.store);
    DeadLetter letter;
    letter.reason = reason;
    letter.value = std::move(value);
    for (int64_t offset = first; offset < first + count; ++offset) {
      letter.record_time_us = kNoon.us + offset;
      commit.AddDeadLetter("payments", {0, 1, offset}, letter);
    }
    REQUIRE(commit.Apply().ok());
  };
  put("malformed", 0, kMany, "{");
  put("future", kMany, 10, std::string(1 << 20, 'x'));

  // Behind more letters of another reason than a page would hold.
  const auto late = of.List({"payments", "future", std::nullopt}, 10, /*payload=*/true);
  REQUIRE(late.ok());
  CHECK(late->counts.at({"payments", "future"}).letters == 10);
  CHECK_FALSE(late->incomplete);
  REQUIRE(late->letters.size() == 2);  // 3 MiB
  CHECK(late->letters.back().at == Coordinates{0, 1, kMany + 9});
  CHECK(late->letters.back().letter.value->size() == 1 << 20);
  CHECK(of.List({"payments", "future", std::nullopt}, 10)->letters.size() == 10);
  CHECK(of.List({"payments", "malformed", Coordinates{0, 1, kMany - 1}})->letters.size() == 1);
  const auto more = of.List({}, 10'001);
  CHECK(absl::IsInvalidArgument(more.status()));
  CHECK(MessageOf(more.status()) == "max_letters is 10001; a call lists 10000 at most, the newest");
  // A call that waited until its time was over looks at nothing.
  const auto over = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  CHECK(absl::IsDeadlineExceeded(of.letters->List({}, 1, false, over).status()));
  CHECK(absl::IsDeadlineExceeded(of.letters->Replay({}, over).status()));
}

}  // namespace freshet
