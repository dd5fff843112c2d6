#include "featurestore/ingest/live_loop.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>

#include "featurestore/ingest/catch_up_pass.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");

PollLimits AtMost(size_t records) {
  PollLimits limits;
  limits.records = records;
  return limits;
}

// Payments of a few cards over some days, out of order, with ties in time.
void Fill(FakeLog& log, std::mt19937_64& random, int count) {
  for (int i = 0; i < count; ++i) {
    const auto partition = static_cast<int32_t>(random() % log.partitions.size());
    const Timestamp at = kNoon + Duration::Minutes(static_cast<int64_t>(random() % 3000) / 3);
    log.Append(partition, Payment(at, fmt::format("c{}", random() % 7),
                                  static_cast<int64_t>(random() % 1000)));
    if (random() % 50 == 0) log.Append(partition, "not json");
    if (random() % 60 == 0) log.Skip(partition, 1 + static_cast<int64_t>(random() % 3));
  }
}

uint64_t Seed() {
  const char* const given = std::getenv("FRESHET_PROPERTY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

}  // namespace

TEST_CASE("batches of any size, cut by crashes anywhere, leave the same rows and dead letters") {
  // Decoded while the one before is written, or one step after the other.
  const bool overlap = GENERATE(false, true);
  const uint64_t seed = Seed();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const auto log = std::make_shared<FakeLog>(3);
  Fill(*log, random, 1500);
  const TempFolder whole, pieces;
  Running once(whole.path(), {PaymentsView()}, log);
  const auto loop = once.Live();
  once.ReadAll(*loop);
  const auto expected = once.Rows({0});
  REQUIRE(expected.size() == 7);
  REQUIRE(once.DeadLetters().size() > 5);

  for (int life = 0; life < 25; ++life) {
    Running running(pieces.path(), {PaymentsView()}, log);
    const auto piece = running.Live(AtMost(1 + random() % (overlap ? 400 : 100)), overlap);
    REQUIRE(piece->Begin().ok());
    // Gone after some batches: nothing of the process is left but what was committed.
    for (size_t steps = random() % 4; steps > 0; --steps) piece->Step();
  }
  Running last(pieces.path(), {PaymentsView()}, log);
  const auto rest = last.Live(AtMost(37), overlap);
  last.ReadAll(*rest);
  CHECK(last.Rows({0}) == expected);
  const auto letters = last.DeadLetters();
  REQUIRE(letters.size() == once.DeadLetters().size());
  for (size_t i = 0; i < letters.size(); ++i) CHECK(letters[i].at == once.DeadLetters()[i].at);
}

TEST_CASE("an end of the log advances progress, over offsets that hold nothing") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  log->Skip(0, 2);
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  CHECK(running.store->ReadProgress({0}).value().at(0).next == 3);
  const SourceStatus& status = running.store->source_status("payments");
  CHECK(status.caught_up_once);
  CHECK(status.partitions().at(0).next == 3);
  CHECK(running.store->IsComplete({0}));
}

TEST_CASE(
    "a gap is passed where the log's start lies below it, and stops the source where records are "
    "lost") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  log->Skip(0, 5);
  log->Append(0, Payment(kNoon, "a", 2));
  {
    Running running(folder.path(), {PaymentsView()}, log);
    const auto loop = running.Live();
    running.ReadAll(*loop);
    CHECK(loop->stop().ok());
    CHECK(running.store->ReadProgress({0}).value().at(0).next == 7);
  }
  for (int i = 0; i < 5; ++i) log->Append(0, Payment(kNoon, "a", 3));
  log->CutBefore(0, 10);
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  CHECK(loop->stop().reason == "records_lost");
  CHECK(loop->stop().detail.find("offsets 7 to 9") != std::string::npos);
  CHECK(running.store->ReadProgress({0}).value().at(0).next == 7);
}

TEST_CASE("on the mock every gap is a loss, and what stands before it is applied") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  log->Skip(0);
  log->Append(0, Payment(kNoon, "a", 2));
  Running running(folder.path(), {PaymentsView()}, log);
  running.context->every_gap_is_loss = true;
  const auto loop = running.Live();
  running.ReadAll(*loop);
  CHECK(loop->stop().reason == "records_lost");
  CHECK(running.store->ReadProgress({0}).value().at(0).next == 1);
  CHECK(running.Rows({0}).size() == 1);
}

TEST_CASE("a log that began above offset 0 says since when a view is complete") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  log->Append(0, "bad");
  log->Append(0, Payment(kNoon + Duration::Hours(1), "a", 1));
  log->CutBefore(0, 1);
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  CHECK(running.store->ReadProgress({0}).value().at(0).complete_since ==
        kNoon + Duration::Hours(1));
  CHECK(running.store->view_status({0}).complete_since_us == (kNoon + Duration::Hours(1)).us);
}

TEST_CASE("an event from the future is refused, and so again when a rebuild reads it later") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  Timestamp soon;
  {
    Running running(folder.path(), {PaymentsView()}, log, /*event_time_clock=*/false);
    soon = running.clock.Now() + Duration::Minutes(6);
    log->Append(0, Payment(soon, "a", 1));
    log->Append(0, Payment(running.clock.Now(), "a", 1));
    const auto loop = running.Live();
    running.ReadAll(*loop);
    REQUIRE(running.DeadLetters().size() == 1);
    CHECK(running.DeadLetters()[0].letter.reason == "future");
    CHECK(running.store->view_status({0}).newest_event_us == running.clock.Now().us);
  }
  Running running(folder.path(), {PaymentsView("card_spend", "0000000000000002")}, log, false);
  running.clock.Set(soon + Duration::Hours(1));
  const auto loop = running.Live();
  running.ReadAll(*loop);
  CHECK(running.store->ReadProgress({0}).value().at(0).newest_event < soon);
}

TEST_CASE("an event without a key for any view is accepted, applied nowhere and dead-lettered") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, fmt::format(R"({{"at":"{}","card":null}})", FormatTimestamp(kNoon)));
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  CHECK(running.DeadLetters().at(0).letter.reason == "no_key");
  CHECK(running.store->view_status({0}).newest_event_us == kNoon.us);
  CHECK(running.Rows({0}).empty());
}

TEST_CASE(
    "a view that is behind is read by a pass and handed over exactly, however steps interleave") {
  const uint64_t seed = Seed();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 15; ++round) {
    const auto log = std::make_shared<FakeLog>(2);
    Fill(*log, random, 200);
    const TempFolder folder;
    {
      Running running(folder.path(), {PaymentsView()}, log);
      const auto loop = running.Live();
      running.ReadAll(*loop);
    }
    Running running(folder.path(), {PaymentsView(), PaymentsView("again")}, log);
    const auto live = running.Live(AtMost(1 + random() % 40));
    REQUIRE(live->Begin().ok());
    auto plans = live->TakePasses();
    REQUIRE(plans.size() == 1);
    CHECK(running.store->IsComplete({0}));
    CHECK_FALSE(running.store->IsComplete({1}));
    CatchUpPass pass(*running.context, std::move(plans[0]), std::make_unique<FakeLogSource>(log),
                     AtMost(1 + random() % 40));
    REQUIRE(pass.Begin().ok());
    bool done = false;
    for (int i = 0; i < 5000 && !done; ++i) {
      if (random() % 10 == 0 && i < 500) Fill(*log, random, 5);
      if (random() % 2 == 0) {
        live->Step();
      } else {
        done = pass.Step().kind == StepKind::kDone;
      }
    }
    REQUIRE(done);
    running.ReadAll(*live);
    CHECK(live->views().size() == 2);
    CHECK(running.Rows({0}) == running.Rows({1}));
    CHECK(PositionsOf(running.store->ReadProgress({0}).value()) ==
          PositionsOf(running.store->ReadProgress({1}).value()));
    CHECK(running.store->IsComplete({1}));
  }
}

TEST_CASE("a pass is not kept from a partition by another's records that are not its yet") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(2);
  log->Append(1, Payment(kNoon, "a", 1));
  {
    Running running(folder.path(), {PaymentsView()}, log);
    const auto loop = running.Live();
    running.ReadAll(*loop);
  }
  Running running(folder.path(), {PaymentsView(), PaymentsView("again")}, log);
  const auto live = running.Live();
  running.ReadAll(*live);
  auto plans = live->TakePasses();
  REQUIRE(plans.size() == 1);
  // Far more than a batch stands in partition 0, beyond the live loop, in front of what the pass needs of partition 1.
  for (int i = 0; i < 50; ++i) log->Append(0, Payment(kNoon, "b", 1));
  CatchUpPass pass(*running.context, std::move(plans[0]), std::make_unique<FakeLogSource>(log),
                   AtMost(5));
  REQUIRE(pass.Begin().ok());
  for (int i = 0; i < 20; ++i) pass.Step();
  CHECK(running.Rows({1}).size() == 1);
  // And what it left out is read once the live loop has passed it.
  bool done = false;
  for (int i = 0; i < 200 && !done; ++i) {
    live->Step();
    done = pass.Step().kind == StepKind::kDone;
  }
  CHECK(done);
  CHECK(running.Rows({1}) == running.Rows({0}));
}

TEST_CASE("an event that only a view in a pass has a key for is no dead letter") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  {
    Running running(folder.path(), {PaymentsView()}, log);
    const auto loop = running.Live();
    running.ReadAll(*loop);
  }
  FeatureView by_cents = PaymentsView("by_cents");
  by_cents.key_fields = {2};
  Running running(folder.path(), {PaymentsView(), by_cents}, log);
  const auto live = running.Live();
  running.ReadAll(*live);
  auto plans = live->TakePasses();
  REQUIRE(plans.size() == 1);
  const auto keyless = [](std::string_view card, std::string_view cents) {
    return fmt::format(R"({{"at":"{}","card":{},"cents":{}}})", FormatTimestamp(kNoon), card,
                       cents);
  };
  log->Append(0, keyless("null", "5"));
  log->Append(0, keyless("null", "null"));
  for (int i = 0; i < 3; ++i) live->Step();
  const auto letters = running.DeadLetters();
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].at.offset == 2);
  CHECK(letters[0].letter.reason == "no_key");
  // The pass puts none of its own, and has the row.
  CatchUpPass pass(*running.context, std::move(plans[0]), std::make_unique<FakeLogSource>(log));
  REQUIRE(pass.Begin().ok());
  for (int i = 0; i < 50; ++i) {
    pass.Step();
    live->Step();
  }
  CHECK(running.DeadLetters().size() == 1);
  CHECK(running.Rows({1}).size() == 2);
}

TEST_CASE("what a source refused as of the future stays refused for a source that begins anew") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  Running running(folder.path(), {PaymentsView()}, log, /*event_time_clock=*/false);
  const Timestamp soon = running.clock.Now() + Duration::Hours(1);
  log->Append(0, Payment(soon, "a", 1));
  // A crash between the reading and the commit leaves the refusal where it was written by an earlier life only.
  Commit earlier(*running.store);
  earlier.AddRefusal("payments", {0, 0, 0});
  REQUIRE(earlier.Apply().ok());
  running.clock.Set(soon + Duration::Hours(2));
  const auto loop = running.Live();
  running.ReadAll(*loop);
  CHECK(running.Rows({0}).empty());
  CHECK(running.DeadLetters().at(0).letter.reason == "future");
  CHECK(running.store->LastRefused("payments", 0, 0).value() == 0);
  CHECK_FALSE(running.store->LastRefused("payments", 0, 1).value());
}

TEST_CASE(
    "what the live loop refuses as of the future while a pass runs is refused by the pass too") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  Running first(folder.path(), {PaymentsView()}, log, /*event_time_clock=*/false);
  for (int i = 0; i < 20; ++i) log->Append(0, Payment(first.clock.Now(), "a", 1));
  {
    const auto loop = first.Live();
    first.ReadAll(*loop);
    first.store.reset();
  }
  Running running(folder.path(), {PaymentsView(), PaymentsView("again")}, log, false);
  const auto live = running.Live();
  running.ReadAll(*live);
  auto plans = live->TakePasses();
  REQUIRE(plans.size() == 1);
  CatchUpPass pass(*running.context, std::move(plans[0]), std::make_unique<FakeLogSource>(log),
                   AtMost(10));
  REQUIRE(pass.Begin().ok());
  pass.Step();  // has asked by now what was refused so far: nothing
  log->Append(0, Payment(running.clock.Now() + Duration::Days(2), "a", 1));
  for (int i = 0; i < 3; ++i) live->Step();
  REQUIRE(running.DeadLetters().size() == 1);
  bool done = false;
  for (int i = 0; i < 200 && !done; ++i) {
    live->Step();
    done = pass.Step().kind == StepKind::kDone;
  }
  REQUIRE(done);
  CHECK(running.Rows({1}) == running.Rows({0}));
}

TEST_CASE("a partition that appears later is read from its beginning") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  Running running(folder.path(), {PaymentsView()}, log);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  log->partitions.emplace_back();
  log->Append(1, Payment(kNoon, "b", 1));
  running.clock.Advance(Duration::Minutes(1));
  CHECK(loop->Step().kind == StepKind::kLogError);
  running.ReadAll(*loop);
  CHECK(running.Rows({0}).size() == 2);
}

TEST_CASE(
    "the expiry bound waits for every partition, and follows the wall clock at the log's end") {
  PartitionProgress progress;
  progress[0].expiry_time = kNoon;
  progress[1] = {};
  CHECK_FALSE(ExpiryBound(progress, {0}));
  CHECK(ExpiryBound(progress, {0, 1}) == kNoon);
  progress[1].expiry_time = kNoon - Duration::Hours(1);
  CHECK(ExpiryBound(progress, {}) == kNoon - Duration::Hours(1));

  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  Running running(folder.path(), {PaymentsView()}, log, /*event_time_clock=*/false);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  running.clock.Advance(Duration::Seconds(31));
  running.ReadAll(*loop);
  CHECK(running.store->ReadProgress({0}).value().at(0).expiry_time == running.clock.Now());
}

TEST_CASE("the watermark is the least of partitions that are not idle") {
  Watermark watermark(Duration::Minutes(10), Duration::Minutes(1));
  const Timestamp now{};
  watermark.Add(0, std::nullopt, now);
  watermark.Add(1, std::nullopt, now);
  watermark.Passed(0, kNoon, now);
  CHECK_FALSE(watermark.At(now));
  watermark.Passed(1, kNoon + Duration::Hours(1), now);
  CHECK(watermark.At(now) == kNoon - Duration::Minutes(10));
  watermark.Passed(1, kNoon + Duration::Hours(2), now + Duration::Minutes(1));
  CHECK(watermark.At(now + Duration::Minutes(1)) ==
        kNoon + Duration::Hours(2) - Duration::Minutes(10));
  // A partition that wakes up with older events does not take it back.
  watermark.Passed(0, kNoon, now + Duration::Minutes(1));
  CHECK(watermark.At(now + Duration::Minutes(1)) ==
        kNoon + Duration::Hours(2) - Duration::Minutes(10));
}

TEST_CASE("batches are cut to the rows that memory holds") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  for (int i = 0; i < 6000; ++i) {
    log->Append(0, Payment(kNoon + Duration::Days(i % 20), fmt::format("c{}", i), 1));
  }
  Running running(folder.path(), {PaymentsView()}, log);
  running.context->cache_bytes = 100'000;
  const auto loop = running.Live();
  REQUIRE(loop->Begin().ok());
  std::vector<int64_t> batches;
  for (int64_t at = 0; at < 6000;) {
    REQUIRE(loop->Step().kind == StepKind::kRead);
    const int64_t next = running.store->ReadProgress({0})->at(0).next;
    batches.push_back(next - at);
    at = next;
  }
  CHECK(batches[0] == 1024);  // nothing is known yet
  CHECK(batches[1] < 1024);
  CHECK(batches[1] >= 64);
  CHECK(running.Rows({0}).size() == 6000);
}

TEST_CASE("a full outbox stops reading until dead letters were delivered") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  for (int i = 0; i < 20; ++i) log->Append(0, std::string(100, 'x'));
  Running running(folder.path(), {PaymentsView()}, log);
  running.context->outbox_bytes = 2000;
  const auto loop = running.Live(AtMost(1));
  REQUIRE(loop->Begin().ok());
  StepKind kind = StepKind::kIdle;
  for (int i = 0; i < 30 && kind != StepKind::kOutboxFull; ++i) kind = loop->Step().kind;
  REQUIRE(kind == StepKind::kOutboxFull);
  std::vector<Coordinates> delivered;
  for (const auto& letter : running.DeadLetters()) delivered.push_back(letter.at);
  CHECK(delivered.size() < 20);
  REQUIRE(running.store->RemoveDeadLetters("payments", delivered).ok());
  CHECK(loop->Step().kind == StepKind::kRead);
}

TEST_CASE("dead letters of another source stop nobody but it") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, Payment(kNoon, "a", 1));
  Running running(folder.path(), {PaymentsView()}, log);
  running.context->outbox_bytes = 2000;
  Commit commit(*running.store);
  commit.AddDeadLetter("orders", {0, 0, 1},
                       {.reason = "malformed", .value = std::string(5000, 'x')});
  REQUIRE(commit.Apply().ok());
  const auto loop = running.Live();
  REQUIRE(loop->Begin().ok());
  CHECK(loop->Step().kind == StepKind::kRead);
}

TEST_CASE("dead letters that wait are not counted twice when a view is rebuilt") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  for (int i = 0; i < 20; ++i) log->Append(0, std::string(100, 'x'));
  uint64_t waiting = 0;
  {
    Running running(folder.path(), {PaymentsView()}, log);
    const auto loop = running.Live();
    running.ReadAll(*loop);
    REQUIRE(running.DeadLetters().size() == 20);
    waiting = running.store->dead_letter_bytes();
  }
  Running running(folder.path(), {PaymentsView("card_spend", "0000000000000002")}, log);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  CHECK(running.DeadLetters().size() == 20);
  CHECK(running.store->dead_letter_bytes() == waiting);
}

}  // namespace freshet
