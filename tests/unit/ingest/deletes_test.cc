// Tombstones and producers that send twice, from the log to the answer: batches of any size, crashes anywhere, rebuilds and
// compaction, beside the oracle.
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
constexpr int kCards = 9;

uint64_t Seed() {
  const char* const given = std::getenv("FRESHET_PROPERTY_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

Source WithIds() {
  Source source = PaymentsSource();
  source.max_future_skew = {};  // clock: event_time
  Field id;
  id.name = "id";
  id.type = Type::kInt64;
  id.path = {"id"};
  source.fields.push_back(id);
  source.dedup = Dedup{{3}, Duration::Hours(1), 5};
  return source;
}

FeatureView SpendView(const std::string& version = "0000000000000001") {
  FeatureView view = PaymentsView("card_spend", version);
  view.ttl = view.default_ttl = Duration::Hours(30);
  view.history = Duration::Hours(6);
  view.dedup_within = Duration::Hours(1);
  for (Feature& feature : view.features) {
    if (feature.aggregate != "last") feature.default_value = int64_t{0};  // as declare fills in
  }
  return view;
}

// Of another key than the source's: deletes are not for it.
FeatureView AmountView() {
  FeatureView view = SpendView();
  view.name = "amounts";
  view.key_fields = {2};
  return view;
}

std::string WithId(Timestamp at, const std::string& card, int64_t cents, int64_t id) {
  return fmt::format(R"({{"at":"{}","card":"{}","cents":{},"id":{}}})", FormatTimestamp(at), card,
                     cents, id);
}

// A card lives in one partition, as its key says; its events come out of order, some twice, and now and then it is deleted.
void Fill(FakeLog& log, std::mt19937_64& random, int count, Timestamp from) {
  std::vector<std::pair<int, std::string>> sent;
  for (int i = 0; i < count; ++i) {
    const int card = static_cast<int>(random() % kCards);
    const auto partition = static_cast<int32_t>(card % 3);
    const std::string name = fmt::format("c{}", card);
    if (random() % 40 == 0) {
      log.Delete(partition, random() % 5 == 0 ? "nobody" : name, Timestamp{1'000'000});
      continue;
    }
    if (!sent.empty() && random() % 6 == 0) {
      const auto& [where, again] =
          sent[sent.size() - 1 - random() % std::min<size_t>(sent.size(), 30)];
      log.Append(where, again);
      continue;
    }
    const Timestamp at =
        from + Duration::Minutes(i / 2) -
        Duration::Seconds(static_cast<int64_t>(random() % 3 == 0 ? random() % 9000 : 0));
    sent.emplace_back(partition, WithId(at, name, static_cast<int64_t>(random() % 50), i));
    log.Append(partition, sent.back().second);
  }
}

// All records in any order that keeps that of each partition: what a view of one card may depend on.
void OfferAll(const FakeLog& log, oracle::Oracle& oracle) {
  for (size_t p = 0; p < log.partitions.size(); ++p) {
    for (const FakeRecord& record : log.partitions[p].records) {
      oracle::Record offered;
      if (record.key) offered.key = *record.key;
      if (record.value) offered.value = *record.value;
      offered.record_time = record.time;
      oracle.Offer(offered, {0, static_cast<int32_t>(p), record.offset});
    }
  }
}

void CompareCards(const Running& running, ViewId view, const RowLayout& layout,
                  const oracle::Oracle& oracle, std::mt19937_64& random, size_t& outside) {
  const Timestamp now = oracle.now_event_time().value();
  std::vector<uint32_t> features(layout.view().features.size());
  for (uint32_t f = 0; f < features.size(); ++f) features[f] = f;
  for (int card = 0; card < kCards; ++card) {
    const std::string name = fmt::format("c{}", card);
    const std::vector<Value> key = {Value::Text(name)};
    std::string key_bytes;
    REQUIRE(AppendEntityKey(key, key_bytes));
    RowReads reads;
    reads.Add(view, key_bytes);
    REQUIRE(running.store->Read(reads).ok());
    for (int q = 0; q < 20; ++q) {
      ReadTime read{now + Duration::Minutes(static_cast<int64_t>(random() % 3000)), std::nullopt};
      if (q % 2 == 0) read.now = now;
      if (q % 3 != 0) {
        read.as_of = read.now - Duration::Seconds(static_cast<int64_t>(random() % 30'000));
      }
      std::vector<Cell> cells(features.size());
      std::optional<Timestamp> time;
      std::optional<Row> row;
      if (const auto bytes = reads.row(0)) {
        auto decoded = Row::Decode(layout, *bytes);
        REQUIRE(decoded.ok());
        row.emplace(*std::move(decoded));
        time = row->Finish(read, features, cells);
      } else {
        FinishMissing(layout, read, features, cells);
      }
      const oracle::ExpectedRow expected = oracle.Answer(0, key, {read.now, read.as_of});
      INFO(name << " now " << FormatTimestamp(read.now) << " as_of "
                << (read.as_of ? FormatTimestamp(*read.as_of) : "none"));
      CHECK(time == expected.event_time);
      for (size_t f = 0; f < cells.size(); ++f) {
        INFO(layout.view().features[f].name
             << ": expected " << CellStatusName(expected.cells[f].status) << " "
             << ToDebugString(expected.cells[f].value) << ", got "
             << CellStatusName(cells[f].status) << " " << ToDebugString(cells[f].value));
        CHECK(oracle::Agrees(expected.cells[f], cells[f]));
        const bool reaches = read.as_of && *read.as_of >= read.now - layout.view().history;
        outside += f == 3 && reaches && cells[f].status == CellStatus::kOutsideHistory ? 1 : 0;
      }
    }
  }
}

}  // namespace

TEST_CASE(
    "deletes and duplicates answer as the oracle does, whatever the batches, crashes and "
    "compactions") {
  const uint64_t seed = Seed();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const auto log = std::make_shared<FakeLog>(3);
  const TempFolder whole, pieces;
  oracle::Oracle oracle(WithIds(), {Entity{"card", {{"card", Type::kString}}, {}}}, {SpendView()});
  Fill(*log, random, 900, kNoon);
  Fill(*log, random, 900, kNoon + Duration::Hours(30));  // some cards expire
  OfferAll(*log, oracle);
  CHECK(oracle.duplicates() > 50);

  Running once(whole.path(), {SpendView(), AmountView()}, log, true, "", WithIds());
  const auto loop = once.Live();
  once.ReadAll(*loop);
  size_t outside = 0;
  CompareCards(once, {0}, *once.layouts[0], oracle, random, outside);
  CHECK(outside > 0);
  // Nothing is a dead letter: one view at least could use each tombstone.
  CHECK(once.DeadLetters().empty());

  for (int life = 0; life < 20; ++life) {
    Running running(pieces.path(), {SpendView(), AmountView()}, log, true, "", WithIds());
    const auto piece = running.Live([&] {
      PollLimits limits;
      limits.records = 1 + random() % 200;
      return limits;
    }());
    REQUIRE(piece->Begin().ok());
    for (size_t steps = random() % 6; steps > 0; --steps) piece->Step();
    if (random() % 3 == 0) REQUIRE(running.store->CompactView({0}).ok());
  }
  Running last(pieces.path(), {SpendView(), AmountView()}, log, true, "", WithIds());
  PollLimits limits;
  limits.records = 1 + random() % 50;
  const auto rest = last.Live(limits);
  last.ReadAll(*rest);
  CompareCards(last, {0}, *last.layouts[0], oracle, random, outside);
  REQUIRE(once.store->CompactView({0}).ok());
  REQUIRE(last.store->CompactView({0}).ok());
  CHECK(once.Rows({0}) == last.Rows({0}));
  CompareCards(last, {0}, *last.layouts[0], oracle, random, outside);
}

TEST_CASE("a view that a pass rebuilds has the deletes at the times that the live loop gave them") {
  const uint64_t seed = Seed();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const auto log = std::make_shared<FakeLog>(3);
  Fill(*log, random, 600, kNoon);
  const TempFolder folder;
  std::vector<std::pair<std::string, std::string>> expected;
  {
    Running running(folder.path(), {SpendView()}, log, true, "", WithIds());
    const auto loop = running.Live();
    running.ReadAll(*loop);
    expected = running.Rows({0});
  }
  FeatureView beside = SpendView("0000000000000001");
  beside.name = "beside";
  Running running(folder.path(), {SpendView(), beside}, log, true, "", WithIds());
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
  CHECK(running.Rows({0}) == expected);
  CHECK(running.Rows({1}) == expected);
}

TEST_CASE("a tombstone moves neither now, watermark nor E, and is passed") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, WithId(kNoon, "a", 1, 1));
  log->Delete(0, "a", kNoon + Duration::Days(1));
  Running running(folder.path(), {SpendView()}, log, true, "", WithIds());
  const auto loop = running.Live();
  running.ReadAll(*loop);
  const Progress progress = running.store->ReadProgress({0})->at(0);
  CHECK(progress.next == 2);
  CHECK(progress.newest_event == kNoon);
  CHECK(progress.expiry_time == kNoon);
  REQUIRE(running.Rows({0}).size() == 1);
  // With `clock: event_time`: the greatest event time passed in its partition.
  CHECK(PeekTimes(running.Rows({0})[0].second)->deleted == kNoon);
  CHECK(PeekTimes(running.Rows({0})[0].second)->newest == std::nullopt);
}

TEST_CASE(
    "with clock: wall a tombstone's time is the record's own, and one of the future is refused") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  Source source = WithIds();
  source.max_future_skew = Duration::Minutes(5);
  FeatureView view = SpendView();
  view.max_future_skew = source.max_future_skew;
  const Timestamp wall{1'700'000'000'000'000};
  log->Append(0, WithId(wall, "a", 1, 1));
  log->Append(0, WithId(wall, "b", 1, 1));
  log->Delete(0, "a", wall - Duration::Minutes(3));
  log->Delete(0, "b", wall + Duration::Minutes(6));
  log->Delete(0, "b", kNoRecordTime);
  Running running(folder.path(), {view}, log, false, "", source);
  const auto loop = running.Live();
  running.ReadAll(*loop);
  const auto rows = running.Rows({0});
  REQUIRE(rows.size() == 2);
  CHECK(PeekTimes(rows[0].second)->deleted == wall - Duration::Minutes(3));
  CHECK(PeekTimes(rows[1].second)->newest == wall);
  const auto letters = running.DeadLetters();
  REQUIRE(letters.size() == 2);
  CHECK(letters[0].letter.reason == "future");
  CHECK(letters[1].letter.reason == "incomplete");
}

TEST_CASE("where no view has the source's key for its entity a tombstone is dead-lettered no_key") {
  const TempFolder folder;
  const auto log = std::make_shared<FakeLog>(1);
  log->Append(0, WithId(kNoon, "a", 1, 1));
  log->Delete(0, "a", kNoon);
  Running running(folder.path(), {AmountView()}, log, true, "", WithIds());
  const auto loop = running.Live();
  running.ReadAll(*loop);
  const auto letters = running.DeadLetters();
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].letter.reason == "no_key");
  CHECK(letters[0].letter.detail.find("no view of it has an entity of that one key") !=
        std::string::npos);
  CHECK(letters[0].letter.key == "a");
  CHECK(letters[0].letter.value == std::nullopt);
  CHECK(PeekTimes(running.Rows({0})[0].second)->newest == kNoon);  // not touched
}

}  // namespace freshet
