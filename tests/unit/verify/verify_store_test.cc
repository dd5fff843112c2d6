// A folder that was made by ingestion itself, and then spoiled: what verify says of it.
#include "featurestore/verify/verify_store.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "featurestore/base/clock.h"
#include "featurestore/declare/project.h"
#include "featurestore/ingest/in_process.h"
#include "featurestore/ingest/reset.h"
#include "featurestore/state/row.h"
#include "tests/support/fake_log.h"
#include "tests/support/temp_folder.h"

namespace freshet {
namespace {

constexpr const char* kProject = R"(project: shops
clock: CLOCK
kafka: { brokers: "none:1" }
sources:
  payments:
    topic: payments
    key: card
    timestamp: at
    fields: { at: timestamp, card: string, cents: int64, shop: string }
    derive: { euros: "cents / 100" }
entities:
  card: { keys: { card: string } }
  shop: { keys: { shop: string } }
feature_views:
  cards:
    source: payments
    entity: card
    ttl: 30d
    history: 1h
    features:
      spend: { aggregate: sum, of: cents, windows: [10m, 1h, lifetime] }
      euros: { aggregate: mean, of: euros, windows: [1h] }
      shops: { aggregate: count_distinct, of: shop, windows: [{ tumbling: 1d }] }
  shops:
    source: payments
    entity: shop
    ttl: never
    fields: [cents]
)";

constexpr Timestamp kStart{1'700'000'000'000'000};

// A project, its log, and the folder that ingestion fills from it.
class Shops {
 public:
  explicit Shops(const std::string& clock = "event_time") {
    std::string text = kProject;
    text.replace(text.find("CLOCK"), 5, clock);
    std::ofstream(folder_.path() / "freshet.yaml") << text;
    const Project project = LoadProject(folder_.path());
    for (const Diagnostic& error : project.errors) FAIL(ToString(error));
    catalog_ = project.catalog;
  }

  void Pay(int32_t partition, Timestamp at, const std::string& card, int64_t cents) {
    log_->Append(partition,
                 fmt::format(R"({{"at":"{}","card":"{}","cents":{},"shop":"shop-{}"}})",
                             FormatTimestamp(at), card, cents, cents % 3),
                 at);
  }
  // Some payments of each of `cards` cards, each in its own partition.
  void PayMuch(int cards, int payments) {
    for (int i = 0; i < payments; ++i) {
      for (int card = 0; card < cards; ++card) {
        Pay(card % 2, kStart + Duration::Minutes(i * 7 + card), fmt::format("card-{}", card),
            100 + i + card);
      }
    }
  }

  void Ingest() {
    Open();
    const Source& source = catalog_->sources[0];
    Metrics registry;
    IngestMetrics metrics(registry);
    const std::unique_ptr<Log> log = MakeNullLog();
    static constexpr std::string_view kReasons[] = {"malformed", "mistyped", "incomplete", "future",
                                                    "no_key"};
    SourceMetrics& source_metrics = metrics.Source("payments", {"cards", "shops"}, kReasons);
    LoopContext context{
        .source = source,
        .views = {{ViewId{0}, catalog_->layouts[0].get()}, {ViewId{1}, catalog_->layouts[1].get()}},
        .derived = catalog_->derived[0].get(),
        .event_time_clock = catalog_->clock == ClockKind::kEventTime,
        .store = *store_,
        .clock = clock_,
        .metrics = source_metrics,
        .all_metrics = metrics,
        .log = *log};
    PollLimits limits;
    limits.records = 17;
    LiveLoop loop(context, std::make_unique<FakeLogSource>(log_), limits);
    REQUIRE(loop.Begin().ok());
    for (int idle = 0; idle < 3;) idle = loop.Step().kind == StepKind::kRead ? 0 : idle + 1;
  }

  VerifyReport Verify(VerifyOptions options = {}) { return VerifyAs(*catalog_, options); }
  VerifyReport VerifyAs(const Catalog& catalog, VerifyOptions options = {}) {
    store_.reset();
    Open(/*read_only=*/true);
    VerifyLog log;
    log.open = [this](const Source&) -> StatusOr<std::unique_ptr<LogSource>> {
      return std::unique_ptr<LogSource>(std::make_unique<FakeLogSource>(log_));
    };
    auto report = VerifyStore(catalog, *store_, log, options);
    INFO(MessageOf(report.status()));
    REQUIRE(report.ok());
    store_.reset();
    Open();
    return *std::move(report);
  }

  std::vector<std::pair<std::string, std::string>> Rows(ViewId view) {
    std::vector<std::pair<std::string, std::string>> rows;
    REQUIRE(store_
                ->Scan(view,
                       [&](std::string_view key, std::string_view row) {
                         rows.emplace_back(key, row);
                         return true;
                       })
                .ok());
    return rows;
  }
  void Reset(std::optional<LogChange> change) {
    FakeLogSource log(log_);
    const auto report = ResetSource(*catalog_, 0, "", change, log, *store_);
    INFO(MessageOf(report.status()));
    REQUIRE(report.ok());
  }
  const Catalog& catalog() const { return *catalog_; }
  Store& store() { return *store_; }
  FakeLog& log() { return *log_; }
  ManualClock& clock() { return clock_; }

 private:
  void Open(bool read_only = false) {
    if (store_ != nullptr) return;
    StoreOptions options;
    options.path = folder_.path() / "data";
    options.project = catalog_->project;
    options.memory_bytes = 32 << 20;
    options.read_only = read_only;
    auto store = Store::Open(options);
    INFO(MessageOf(store.status()));
    REQUIRE(store.ok());
    store_ = *std::move(store);
    if (read_only) return;  // verify opens them
    for (const FeatureView& view : catalog_->views) {
      REQUIRE(store_->OpenView(StoreView::Of(view)).ok());
    }
  }

  TempFolder folder_;
  std::shared_ptr<const Catalog> catalog_;
  std::shared_ptr<FakeLog> log_ = std::make_shared<FakeLog>(2);
  ManualClock clock_{kStart + Duration::Days(1)};
  std::unique_ptr<Store> store_;
};

std::string Said(const VerifyReport& report) {
  std::string text;
  for (const ViewVerified& view : report.views) {
    text += fmt::format("{}: {}\n", view.view, view.not_verified);
    for (const RowDifference& one : view.first) {
      text += fmt::format("  {} {} at {}: expected {}, got {} ({})\n", one.entity, one.feature,
                          one.read_at, one.expected, one.got, one.why);
    }
  }
  return text;
}

}  // namespace

TEST_CASE("a folder that is what its log says differs nowhere") {
  for (const char* clock : {"event_time", "wall"}) {
    Shops shops(clock);
    shops.PayMuch(5, 40);
    shops.log().Append(0, "{broken");
    shops.log().Append(1, R"({"at":"2023-11-14T22:13:20Z","card":null,"shop":null})");
    shops.log().Delete(0, "card-2", kStart + Duration::Hours(2));
    shops.Pay(0, kStart + Duration::Hours(3), "card-2", 5);
    shops.log().Delete(1, "card-3", kStart + Duration::Hours(2));
    shops.Ingest();
    const VerifyReport report = shops.Verify();
    INFO(clock << "\n" << Said(report));
    CHECK(report.ok());
    REQUIRE(report.views.size() == 2);
    CHECK(report.views[0].rows_stored == 5);
    CHECK(report.views[0].rows_compared == 5);
    CHECK(report.views[0].rows_excluded.empty());
    CHECK(report.views[0].cells_compared > 5 * 5 * 5);
    CHECK(report.views[1].rows_compared == 3);
    REQUIRE(report.sources.size() == 1);
    CHECK(report.sources[0].records == 5 * 40 + 5);
    CHECK(report.sources[0].refused ==
          std::map<std::string, uint64_t>{{"malformed", 1}, {"no_key", 1}});
    CHECK(report.sources[0].times_read == 1);
  }
}

TEST_CASE("a row with another value is found, and named") {
  Shops shops;
  shops.PayMuch(5, 40);
  shops.Ingest();
  // The row of card-3 as if it had an event more.
  const auto rows = shops.Rows(ViewId{0});
  Commit commit(shops.store());
  commit.PutRow(ViewId{0}, rows[3].first, rows[2].second);
  REQUIRE(commit.Apply().ok());
  const VerifyReport report = shops.Verify();
  CHECK_FALSE(report.ok());
  CHECK(report.views[0].rows_different == 1);
  CHECK(report.views[1].ok());
  INFO(Said(report));
  REQUIRE_FALSE(report.views[0].first.empty());
  const RowDifference& first = report.views[0].first[0];
  CHECK(first.entity == "\"card-3\"");
  CHECK(first.expected != first.got);
  CHECK(first.why.find("of 40 events in the log") == 0);
}

TEST_CASE("a row that is missing is found") {
  Shops shops;
  shops.PayMuch(5, 40);
  shops.Ingest();
  Commit commit(shops.store());
  commit.DeleteRow(ViewId{1}, shops.Rows(ViewId{1})[1].first);
  REQUIRE(commit.Apply().ok());
  const VerifyReport report = shops.Verify();
  INFO(Said(report));
  CHECK(report.views[0].ok());
  CHECK(report.views[1].rows_different == 1);
  CHECK(report.views[1].first.at(0).entity == "\"shop-1\"");
  CHECK(report.views[1].first.at(0).got == "no row");
}

TEST_CASE("a row too many is found") {
  Shops shops;
  shops.PayMuch(5, 40);
  shops.Ingest();
  std::string key = shops.Rows(ViewId{0})[0].first;
  key.replace(key.find("card-0"), 6, "card-9");
  Commit commit(shops.store());
  commit.PutRow(ViewId{0}, key, shops.Rows(ViewId{0})[0].second);
  REQUIRE(commit.Apply().ok());
  const VerifyReport report = shops.Verify();
  INFO(Said(report));
  CHECK(report.views[0].rows_different == 1);
  CHECK(report.views[0].first.at(0).entity == "\"card-9\"");
  CHECK(report.views[0].first.at(0).expected == "no row");
}

TEST_CASE("a damaged row is found") {
  Shops shops;
  shops.PayMuch(5, 40);
  shops.Ingest();
  Commit commit(shops.store());
  commit.PutRow(ViewId{0}, shops.Rows(ViewId{0})[1].first, "no row at all");
  REQUIRE(commit.Apply().ok());
  const VerifyReport report = shops.Verify();
  CHECK(report.views[0].rows_different == 1);
  CHECK(report.views[0].first.at(0).why == "the row is damaged");
}

TEST_CASE("progress that is a record too far, or one short, is found") {
  for (const int64_t by : {1, -1}) {
    Shops shops;
    shops.PayMuch(5, 40);
    shops.Ingest();
    for (int card = 0; card < 3; ++card) {  // of which none was applied
      shops.Pay(0, kStart + Duration::Hours(8), "card-0", 77);
    }
    auto progress = shops.store().ReadProgress(ViewId{0});
    REQUIRE(progress.ok());
    progress->at(0).next += by;
    Commit commit(shops.store());
    commit.Advance(ViewId{0}, 0, progress->at(0));
    REQUIRE(commit.Apply().ok());
    const VerifyReport report = shops.Verify();
    INFO(Said(report));
    CHECK_FALSE(report.views[0].ok());
    CHECK(report.views[0].rows_different == 1);
    CHECK(report.views[1].ok());
    CHECK(report.views[0].first.at(0).feature == "progress of partition 0");
  }
}

TEST_CASE("progress beyond the log's end says that this is another log") {
  Shops shops;
  shops.PayMuch(2, 10);
  shops.Ingest();
  auto progress = shops.store().ReadProgress(ViewId{0});
  REQUIRE(progress.ok());
  progress->at(1).next += 1;
  Commit commit(shops.store());
  commit.Advance(ViewId{0}, 1, progress->at(1));
  REQUIRE(commit.Apply().ok());
  const VerifyReport report = shops.Verify();
  CHECK_FALSE(report.ok());
  CHECK(report.views[0].not_verified.find("the log ends at offset 10") != std::string::npos);
  CHECK(report.views[1].ok());
}

TEST_CASE("what the log no longer holds is left out and counted, and the rest is compared") {
  Shops shops;
  shops.PayMuch(4, 40);
  shops.Ingest();
  // Partition 0 keeps its second half.
  shops.log().CutBefore(0, 40);
  const VerifyReport whole = shops.Verify();
  INFO(Said(whole));
  CHECK(whole.ok());
  REQUIRE(whole.views[0].log_holds_since);
  CHECK(whole.views[0].cells_excluded.at("they reach below what the log holds") > 0);
  CHECK(whole.views[0].cells_compared > 0);
  // An altered row is still found by its short windows.
  const auto rows = shops.Rows(ViewId{0});
  Commit commit(shops.store());
  commit.PutRow(ViewId{0}, rows[0].first, rows[1].second);
  REQUIRE(commit.Apply().ok());
  CHECK(shops.Verify().views[0].rows_different == 1);
  // All of it gone: nothing is compared, and that is said.
  shops.log().CutBefore(0, 80);
  shops.log().CutBefore(1, 80);
  const VerifyReport none = shops.Verify();
  INFO(Said(none));
  CHECK(none.views[0].rows_compared == 0);
  CHECK(none.views[0].rows_excluded.at("they are older than what the log is known to hold whole") ==
        4);
  CHECK_FALSE(none.ok());
}

TEST_CASE("what is lost with a log's end, and never read in its place, is no difference") {
  Shops shops;
  shops.PayMuch(4, 20);
  shops.Ingest();
  FakeLog::Partition& cut = shops.log().partitions[0];
  cut.records.resize(30);
  cut.end = 30;
  // Written again before anybody looked.
  for (int i = 0; i < 3; ++i) shops.Pay(0, kStart + Duration::Hours(3), "card-0", 7);
  shops.Reset(LogChange::kTruncated);
  // Nothing that is older than the reset can be compared, and that is said.
  const VerifyReport reset = shops.Verify();
  INFO(Said(reset));
  CHECK(reset.views[0].differences == 0);
  CHECK(reset.views[0].nothing_comparable());
  CHECK_FALSE(reset.ok());
  for (int i = 0; i < 8; ++i) {
    shops.Pay(0, kStart + Duration::Hours(10 + i), "card-0", i);
    shops.Pay(1, kStart + Duration::Hours(10 + i), "card-1", i);
  }
  shops.Ingest();
  const VerifyReport later = shops.Verify();
  INFO(Said(later));
  CHECK(later.ok());
  CHECK(later.views[0].cells_compared > 0);
}

TEST_CASE("partitions that the log does not have any more are not asked for") {
  Shops shops;
  shops.PayMuch(4, 20);
  shops.Ingest();
  shops.log().partitions = std::vector<FakeLog::Partition>(1);
  SECTION("reset") { shops.Reset(std::nullopt); }
  SECTION("another log, which says so") {
    REQUIRE(shops.store().WriteLogs("payments", {{1, "", "payments"}}).ok());
  }
  for (int i = 0; i < 5; ++i) shops.Pay(0, kStart + Duration::Hours(9 + i), "card-0", i);
  shops.Ingest();
  const VerifyReport report = shops.Verify();
  INFO(Said(report));
  CHECK(report.ok());
  CHECK(report.sources.at(0).records == 5);
}

TEST_CASE("where memory is short the log is read several times, with the same result") {
  Shops shops;
  shops.PayMuch(40, 30);
  shops.Ingest();
  VerifyOptions options;
  options.memory_bytes = 60'000;
  const VerifyReport report = shops.Verify(options);
  INFO(Said(report));
  CHECK(report.ok());
  CHECK(report.views[0].rows_compared == 40);
  CHECK(report.views[1].rows_compared == 3);
  CHECK(report.sources[0].times_read > 2);
  CHECK(report.sources[0].records == 40 * 30);
  const auto rows = shops.Rows(ViewId{0});
  Commit commit(shops.store());
  commit.PutRow(ViewId{0}, rows[7].first, rows[8].second);
  commit.DeleteRow(ViewId{0}, rows[20].first);
  REQUIRE(commit.Apply().ok());
  CHECK(shops.Verify(options).views[0].rows_different == 2);
}

TEST_CASE("a sample compares so many rows") {
  Shops shops;
  shops.PayMuch(400, 2);
  shops.Ingest();
  VerifyOptions options;
  options.sample = 100;
  const VerifyReport report = shops.Verify(options);
  CHECK(report.ok());
  CHECK(report.views[0].rows_stored == 400);
  CHECK(report.views[0].rows_compared == 100);
  CHECK(report.views[1].rows_compared == 3);  // fewer than asked for: all
}

TEST_CASE("what the wall clock refused once is refused by verify too") {
  Shops shops("wall");
  shops.PayMuch(3, 10);
  shops.clock().Set(kStart + Duration::Hours(2));
  shops.Pay(0, kStart + Duration::Hours(4), "card-0", 1);
  shops.Ingest();
  shops.clock().Set(kStart + Duration::Hours(6));
  shops.Pay(0, kStart + Duration::Hours(4), "card-0", 2);
  shops.Ingest();
  const VerifyReport report = shops.Verify();
  INFO(Said(report));
  CHECK(report.ok());
  CHECK(report.sources[0].refused.at("future") == 1);
}

TEST_CASE("a row that compaction removed is no difference; one that it may not remove is") {
  Shops shops;
  shops.PayMuch(3, 10);
  for (const int32_t partition : {0, 1}) {
    shops.Pay(partition, kStart + Duration::Days(90), fmt::format("late-{}", partition), 1);
  }
  shops.Ingest();
  REQUIRE(shops.store().CompactView(ViewId{0}).ok());
  REQUIRE(shops.Rows(ViewId{0}).size() == 2);
  const VerifyReport report = shops.Verify();
  INFO(Said(report));
  CHECK(report.ok());
  CHECK(report.views[0].rows_compared == 5);
  Commit commit(shops.store());
  commit.DeleteRow(ViewId{0}, shops.Rows(ViewId{0})[0].first);
  REQUIRE(commit.Apply().ok());
  CHECK(shops.Verify().views[0].rows_different == 1);
}

TEST_CASE("a view of which the folder holds nothing is said to be so, and was not compared") {
  Shops shops;
  shops.PayMuch(1, 1);
  shops.Ingest();
  Catalog changed = shops.catalog();
  changed.views[1].version = "00000000000000ff";
  const VerifyReport report = shops.VerifyAs(changed);
  CHECK_FALSE(report.ok());
  CHECK(report.views[0].ok());
  CHECK(report.views[1].not_built);
  CHECK(report.views[1].differences == 0);
  CHECK_FALSE(report.views[1].ok());
  VerifyOptions options;
  options.views = {"shops"};
  CHECK(shops.Verify(options).views.size() == 1);
}

TEST_CASE("a view that read another log than the one that is there is not verified") {
  Shops shops;
  shops.PayMuch(2, 10);
  shops.Ingest();
  REQUIRE(shops.store().WriteLogs("payments", {{0, "an-embedded-one", "payments"}}).ok());
  const VerifyReport report = shops.Verify();
  CHECK_FALSE(report.ok());
  CHECK(report.views[0].not_verified.find("an-embedded-one") != std::string::npos);
}

}  // namespace freshet
