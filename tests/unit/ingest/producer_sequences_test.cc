// Producers that send twice: what is dropped hangs on the log alone.
#include "featurestore/ingest/producer_sequences.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <random>

#include "featurestore/ingest/catch_up_pass.h"
#include "featurestore/model/entity_key.h"
#include "featurestore/oracle/oracle.h"
#include "tests/support/payments.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

const Timestamp kNoon = *ParseTimestamp("2023-11-14T12:00:00Z");

uint64_t Seed() {
  const char* const given = std::getenv("FRESHET_PROPERTY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

using Rows = std::vector<std::pair<std::string, std::string>>;

// What the log would be without what is repeated: by a rule as plain as can be.
std::shared_ptr<FakeLog> WithoutRepeated(const FakeLog& log, uint64_t& repeated) {
  auto once = std::make_shared<FakeLog>(static_cast<int32_t>(log.partitions.size()));
  for (size_t p = 0; p < log.partitions.size(); ++p) {
    std::map<std::string, uint64_t> last;
    for (const FakeRecord& record : log.partitions[p].records) {
      const auto partition = static_cast<int32_t>(p);
      if (!record.headers.empty()) {
        const uint64_t sequence = std::stoull(record.headers[1].second);
        uint64_t& before = last[record.headers[0].second];
        if (sequence <= before) {
          ++repeated;
          once->Skip(partition);
          continue;
        }
        before = sequence;
      }
      if (record.value) {
        once->Append(partition, *record.value, record.time);
      } else {
        once->Delete(partition, *record.key, record.time);
      }
    }
  }
  return once;
}

// Pushes of a few producers, each of which repeats some of its last ones now and then, plain records and deletes between.
void Fill(FakeLog& log, std::mt19937_64& random, int count) {
  struct Sent {
    int32_t partition;
    uint64_t sequence;
    std::optional<std::string> value;
    std::string key;
  };
  std::vector<std::vector<Sent>> sent(5);
  for (int i = 0; i < count; ++i) {
    const int card = static_cast<int>(random() % 9);
    const auto partition = static_cast<int32_t>(card % 3);
    const std::string key = fmt::format("c{}", card);
    std::optional<std::string> value =
        random() % 20 == 0
            ? fmt::format(R"({{"at":7,"card":"{}"}})", key)  // refused
            : Payment(kNoon + Duration::Seconds(i), key, static_cast<int64_t>(random() % 50));
    if (random() % 25 == 0) value.reset();
    const size_t who = random() % (sent.size() + 1);
    if (who == sent.size()) {
      if (value) log.Append(partition, *value);
      continue;
    }
    const std::string producer = fmt::format("p{}", who);
    if (!sent[who].empty() && random() % 4 == 0) {
      const size_t from = sent[who].size() - 1 - random() % std::min<size_t>(sent[who].size(), 6);
      for (size_t s = from; s < sent[who].size(); ++s) {
        const Sent& again = sent[who][s];
        log.Push(again.partition, producer, again.sequence, again.value, {1'000'000}, again.key);
      }
      continue;
    }
    const uint64_t sequence = sent[who].empty() ? 1 + random() % 9 : sent[who].back().sequence + 1;
    sent[who].push_back({partition, sequence, value, key});
    log.Push(partition, producer, sequence, value, {1'000'000}, key);
  }
}

}  // namespace

TEST_CASE(
    "what a producer repeats counts once, whatever the batches and the crashes, and as the oracle "
    "says") {
  const uint64_t seed = Seed();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const auto log = std::make_shared<FakeLog>(3);
  Fill(*log, random, 800);
  uint64_t repeated = 0;
  const auto once = WithoutRepeated(*log, repeated);
  CHECK(repeated > 50);

  const TempFolder plain, pieces;
  Running expected(plain.path(), {PaymentsView()}, once);
  const auto all = expected.Live();
  expected.ReadAll(*all);

  for (int life = 0; life < 25; ++life) {
    Running running(pieces.path(), {PaymentsView()}, log);
    PollLimits limits;
    limits.records = 1 + random() % 60;
    const auto loop = running.Live(limits);
    REQUIRE(loop->Begin().ok());
    for (size_t steps = random() % 4; steps > 0; --steps) loop->Step();
  }
  Running last(pieces.path(), {PaymentsView()}, log);
  const auto rest = last.Live();
  last.ReadAll(*rest);
  CHECK(last.Rows({0}) == expected.Rows({0}));
  CHECK(last.DeadLetters().size() == expected.DeadLetters().size());
  const Progress progress = last.store->ReadProgress({0})->at(0);
  CHECK(progress.next == log->partitions[0].end);

  oracle::Oracle oracle(PaymentsSource(), {Entity{"card", {{"card", Type::kString}}, {}}},
                        {PaymentsView()});
  for (size_t p = 0; p < log->partitions.size(); ++p) {
    for (const FakeRecord& record : log->partitions[p].records) {
      oracle::Record offered;
      if (record.key) offered.key = *record.key;
      if (record.value) offered.value = *record.value;
      offered.record_time = record.time;
      offered.headers = record.borrowed_headers;
      oracle.Offer(offered, {0, static_cast<int32_t>(p), record.offset});
    }
  }
  CHECK(oracle.repeated_pushes() == repeated);
}

TEST_CASE("a pass that rebuilds a view drops what the live loop dropped") {
  const uint64_t seed = Seed();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const auto log = std::make_shared<FakeLog>(3);
  Fill(*log, random, 400);
  const TempFolder folder;
  {
    Running running(folder.path(), {PaymentsView()}, log);
    const auto loop = running.Live();
    running.ReadAll(*loop);
  }
  Running running(folder.path(), {PaymentsView(), PaymentsView("beside")}, log);
  const auto live = running.Live();
  REQUIRE(live->Begin().ok());
  std::vector<PassPlan> passes = live->TakePasses();
  REQUIRE(passes.size() == 1);
  PollLimits limits;
  limits.records = 1 + random() % 70;
  CatchUpPass pass(*running.context, std::move(passes[0]), std::make_unique<FakeLogSource>(log),
                   limits);
  REQUIRE(pass.Begin().ok());
  for (int i = 0; i < 2000 && live->views().size() < 2; ++i) {
    pass.Step();
    live->Step();
  }
  REQUIRE(live->views().size() == 2);
  CHECK(running.Rows({1}) == running.Rows({0}));
  CHECK(*running.store->ReadProducers({1}) == *running.store->ReadProducers({0}));
  // Handed over, what a producer sent while the pass read is known of both.
  log->Push(0, "late", 3, Payment(kNoon, "c0", 1), {1'000'000}, "c0");
  log->Push(0, "late", 3, Payment(kNoon, "c0", 1), {1'000'000}, "c0");
  for (int i = 0; i < 5; ++i) live->Step();
  CHECK(running.Rows({1}) == running.Rows({0}));
  CHECK(running.store->ReadProducers({1})->at(0).at("late").sequence == 3);
}

TEST_CASE("a batch that is thrown away and read again drops nothing of itself") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  Running running(folder.path(), {PaymentsView()}, log);
  Processor processor(running.source, {{ViewId{0}, running.layouts[0].get()}}, *running.store,
                      running.clock, {.future = FutureRule::kNone});
  log->Push(0, "p", 1, Payment(kNoon, "a", 1));
  FakeLogSource source(log);
  REQUIRE(source.Assign({{0, 0}}).ok());
  LogBatch batch;
  REQUIRE(source.Poll({}, batch).ok());
  const NewestBefore nothing = [](size_t, int32_t) { return std::nullopt; };
  // A row that cannot be read: the commit is thrown away.
  std::string key;
  const Value card[] = {Value::Text("a")};
  REQUIRE(AppendEntityKey(card, key));
  Commit damage(*running.store);
  damage.PutRow({0}, key, "damaged");
  REQUIRE(damage.Apply().ok());
  Commit thrown(*running.store);
  BatchOutcome outcome;
  REQUIRE_FALSE(processor.Process(batch.records, 0, nothing, thrown, outcome).ok());
  Commit mended(*running.store);
  mended.DeleteRow({0}, key);
  REQUIRE(mended.Apply().ok());
  Commit commit(*running.store);
  REQUIRE(processor.Process(batch.records, 0, nothing, commit, outcome).ok());
  CHECK(outcome.applied == 1);
  CHECK(outcome.partitions.at(0).repeated.empty());
  // Applied, it is known.
  REQUIRE(processor.Process(batch.records, 0, nothing, commit, outcome).ok());
  CHECK(outcome.applied == 0);
  CHECK(outcome.partitions.at(0).repeated == std::vector<int64_t>{0});
}

TEST_CASE("of more producers than are remembered those that sent longest ago are forgotten") {
  ProducerSequences sequences;
  const auto pass = [&](const std::string& producer, int64_t offset) {
    return sequences.Passes({producer, 1}, {0, 0, offset});
  };
  for (size_t i = 0; i <= kProducersRemembered; ++i) {
    CHECK_FALSE(pass(fmt::format("p{}", i), static_cast<int64_t>(i)));
  }
  int64_t offset = 10'000;
  CHECK(pass("p1", offset++));
  CHECK(pass(fmt::format("p{}", kProducersRemembered), offset++));
  // Replayed letters push out letters alone.
  for (size_t i = 0; i <= kProducersRemembered; ++i) {
    pass(fmt::format("{}payments/0/0/{}", kReplayedLetterPrefix, i), offset++);
  }
  CHECK(pass("p1", offset++));
  CHECK_FALSE(pass(fmt::format("{}payments/0/0/0", kReplayedLetterPrefix), offset++));
  CHECK_FALSE(pass("p0", offset++));  // and p1 goes
  const auto changes = sequences.Keep();
  size_t kept = 0;
  for (const auto& [producer, mark] : changes) kept += mark.has_value() ? 1 : 0;
  CHECK(kept == 2 * kProducersRemembered);
}

TEST_CASE("headers that are not as a push's are let be") {
  using Headers = std::vector<std::pair<std::string_view, std::string_view>>;
  const auto read = [](const Headers& headers) { return ReadPushHeaders(headers); };
  REQUIRE(read({{"x", "y"}, {kSequenceHeader, "7"}, {kProducerHeader, "p"}}));
  CHECK(read({{kSequenceHeader, "7"}, {kProducerHeader, "p"}})->sequence == 7);
  CHECK_FALSE(read({}));
  CHECK_FALSE(read({{kProducerHeader, "p"}}));
  CHECK_FALSE(read({{kSequenceHeader, "7"}}));
  CHECK_FALSE(read({{kSequenceHeader, "0"}, {kProducerHeader, "p"}}));
  CHECK_FALSE(read({{kSequenceHeader, "-1"}, {kProducerHeader, "p"}}));
  CHECK_FALSE(read({{kSequenceHeader, "7 "}, {kProducerHeader, "p"}}));
  CHECK_FALSE(read({{kSequenceHeader, "99999999999999999999"}, {kProducerHeader, "p"}}));
  CHECK_FALSE(read({{kSequenceHeader, "7"}, {kProducerHeader, ""}}));
  CHECK_FALSE(read({{kSequenceHeader, "7"}, {kProducerHeader, "p"}, {kProducerHeader, "q"}}));
}

}  // namespace freshet
