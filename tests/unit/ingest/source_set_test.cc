// Another catalog takes the place of the one that runs, under load, with the real threads.
#include "featurestore/ingest/source_set.h"

#include <catch2/catch.hpp>
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
  return Payment(kNoon + Duration::Seconds(i % 1000), fmt::format("c{}", i % 23), i);
}

FeatureView Changed(const std::string& name = "card_spend") {
  FeatureView view = PaymentsView(name, "0000000000000002");
  view.features.pop_back();
  return view;
}

Source SourceOf(const std::string& name) {
  Source source = PaymentsSource();
  source.name = source.topic = name;
  return source;
}

// A folder, its logs by topic, and the sets of loops that tests run on it.
struct World {
  World() {
    logs["payments"] = std::make_shared<FakeLog>(3);
    logs["refunds"] = std::make_shared<FakeLog>(1);
    Open();
  }
  void Open() {
    StoreOptions options;
    options.path = folder.path();
    options.project = "test";
    options.memory_bytes = 32 << 20;
    auto opened = Store::Open(options);
    REQUIRE(opened.ok());
    store = *std::move(opened);
  }
  void Produce(int from, int count, const std::string& topic = "payments") {
    for (int i = from; i < from + count; ++i) {
      const auto partitions = static_cast<int>(logs[topic]->partitions.size());
      logs[topic]->Append(i % 23 % partitions, SomePayment(i));
    }
  }
  std::shared_ptr<const Catalog> Declare(std::vector<FeatureView> views,
                                         std::vector<Source> sources = {PaymentsSource()}) {
    auto catalog = std::make_shared<Catalog>();
    catalog->clock = ClockKind::kEventTime;
    catalog->sources = std::move(sources);
    for (FeatureView& view : views) {
      catalog->layouts.push_back(*RowLayout::Compile(view, catalog->sources[view.source]));
      auto id = store->FindOpened(view.name, view.version);
      if (!id) {
        id = store->OpenView(StoreView::Of(view)).value();
      }
      catalog->store_views.push_back(id->index);
      catalog->views.push_back(std::move(view));
    }
    catalog->derived.resize(catalog->sources.size(), std::make_shared<const DerivedFields>());
    return catalog;
  }
  std::unique_ptr<SourceSet> Loops() {
    return std::make_unique<SourceSet>(
        *store, "fake", [this](const Catalog& catalog, uint32_t source) {
          std::vector<ProcessorView> views;
          std::vector<std::string> names;
          for (uint32_t v = 0; v < catalog.views.size(); ++v) {
            if (catalog.views[v].source != source) continue;
            views.push_back({ViewId{catalog.StoreView(v)}, catalog.layouts[v].get()});
            names.push_back(catalog.views[v].name);
          }
          static constexpr std::string_view kReasons[] = {"malformed", "mistyped", "incomplete",
                                                          "future", "no_key"};
          const auto log = logs.at(catalog.sources[source].topic);
          return LoopContext{
              .source = catalog.sources[source],
              .views = std::move(views),
              .event_time_clock = true,
              .store = *store,
              .clock = clock,
              .metrics = metrics.Source(catalog.sources[source].name, names, kReasons),
              .all_metrics = metrics,
              .log = *null_log,
              .open_log = [log](size_t) -> StatusOr<std::unique_ptr<LogSource>> {
                return std::unique_ptr<LogSource>(std::make_unique<FakeLogSource>(log));
              }};
        });
  }
  bool Complete(const Catalog& catalog, uint32_t view) const {
    return store->IsComplete(ViewId{catalog.StoreView(view)});
  }
  std::vector<std::pair<std::string, std::string>> Rows(const Catalog& catalog,
                                                        uint32_t view) const {
    std::vector<std::pair<std::string, std::string>> rows;
    REQUIRE(store
                ->Scan(ViewId{catalog.StoreView(view)},
                       [&](std::string_view key, std::string_view row) {
                         rows.emplace_back(key, row);
                         return true;
                       })
                .ok());
    return rows;
  }
  int64_t Read(const Catalog& catalog, uint32_t view) const {
    int64_t sum = 0;
    const auto progress = store->ReadProgress(ViewId{catalog.StoreView(view)});
    REQUIRE(progress.ok());
    for (const auto& [partition, p] : *progress) sum += p.next;
    return sum;
  }
  // What one loop makes of the whole log of a topic.
  std::vector<std::pair<std::string, std::string>> Expected(const FeatureView& view,
                                                            const std::string& topic = "payments") {
    const TempFolder apart;
    Running once(apart.path(), {view}, logs[topic]);
    const auto loop = once.Live();
    once.ReadAll(*loop);
    return once.Rows({0});
  }

  TempFolder folder;
  std::map<std::string, std::shared_ptr<FakeLog>> logs;
  std::unique_ptr<Store> store;
  ManualClock clock{Timestamp{1'700'000'000'000'000}};
  Metrics registry;
  IngestMetrics metrics{registry};
  std::unique_ptr<Log> null_log = MakeNullLog();
};

}  // namespace

TEST_CASE("a changed view is built beside the one that runs, under load, and takes its place") {
  World world;
  world.Produce(0, kBefore);
  const auto first = world.Declare({PaymentsView(), PaymentsView("other")});
  const auto loops = world.Loops();
  REQUIRE(loops->Start(first).ok());
  CHECK(Eventually([&] { return world.Complete(*first, 0) && world.Complete(*first, 1); }));

  const auto second = world.Declare({Changed(), PaymentsView("other"), PaymentsView("new")});
  CHECK(second->StoreView(1) == first->StoreView(1));
  std::jthread producer([&] {
    for (int i = 0; i < kMeanwhile; ++i) {
      world.Produce(kBefore + i, 1);
      if (i % 20 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  REQUIRE(loops->Prepare(second, 0.5).ok());
  CHECK(Eventually([&] { return loops->Prepared(); }));
  CHECK_FALSE(world.Complete(*second, 0));
  CHECK(world.Complete(*first, 0));
  REQUIRE(loops->Switch().ok());
  CHECK(Eventually([&] { return world.Complete(*second, 0) && world.Complete(*second, 2); }));
  producer.join();
  for (const uint32_t view : {0, 1, 2}) {
    INFO(view);
    CHECK(Eventually([&] { return world.Read(*second, view) == kBefore + kMeanwhile; }));
  }
  CHECK(world.Rows(*second, 0) == world.Expected(Changed()));
  CHECK(world.Rows(*second, 1) == world.Expected(PaymentsView("other")));
  CHECK(world.Rows(*second, 2) == world.Expected(PaymentsView("new")));
}

TEST_CASE("what is served is fed until the switch, however long that takes to come") {
  World world;
  world.Produce(0, kBefore);
  const auto first = world.Declare({PaymentsView()});
  const auto loops = world.Loops();
  REQUIRE(loops->Start(first).ok());
  CHECK(Eventually([&] { return world.Complete(*first, 0); }));
  const auto second = world.Declare({Changed()});
  REQUIRE(loops->Prepare(second, 0.5).ok());
  CHECK(Eventually([&] { return loops->Prepared(); }));
  world.Produce(kBefore, kMeanwhile);
  CHECK(Eventually([&] { return world.Read(*first, 0) == kBefore + kMeanwhile; }));
  // And what is built stays close.
  CHECK(Eventually([&] { return world.Read(*second, 0) == kBefore + kMeanwhile; }));
  CHECK(world.Rows(*first, 0) == world.Expected(PaymentsView()));
}

TEST_CASE("a pass at a small share of the time arrives all the same") {
  World world;
  world.Produce(0, 20'000);
  const auto first = world.Declare({PaymentsView()});
  const auto loops = world.Loops();
  REQUIRE(loops->Start(first).ok());
  CHECK(Eventually([&] { return world.Complete(*first, 0); }));
  const auto second = world.Declare({Changed()});
  REQUIRE(loops->Prepare(second, 0.2).ok());
  CHECK(Eventually([&] { return loops->Prepared(); }));
  const BuildStatus& build = world.store->view_status(ViewId{second->StoreView(0)}).build;
  CHECK(build.total == 20'000);
  CHECK(build.passed > 3000);
}

TEST_CASE("a source that nobody reads yet is read at once, and its loop stays at the switch") {
  World world;
  world.Produce(0, 100);
  world.Produce(0, 500, "refunds");
  const auto first = world.Declare({PaymentsView()});
  const auto loops = world.Loops();
  REQUIRE(loops->Start(first).ok());
  CHECK(Eventually([&] { return world.Complete(*first, 0); }));

  FeatureView refunds = PaymentsView("refunds");
  refunds.source = 1;
  const auto second =
      world.Declare({PaymentsView(), refunds}, {PaymentsSource(), SourceOf("refunds")});
  REQUIRE(loops->Prepare(second, 0.5).ok());
  CHECK(Eventually([&] { return loops->Prepared(); }));
  CHECK_FALSE(world.Complete(*second, 1));
  REQUIRE(loops->Switch().ok());
  CHECK(Eventually([&] { return world.Complete(*second, 1); }));
  world.Produce(500, 50, "refunds");
  world.Produce(100, 50);
  CHECK(Eventually([&] { return world.Read(*second, 1) == 550 && world.Read(*second, 0) == 150; }));
  CHECK(world.Rows(*second, 1) == world.Expected(PaymentsView("refunds"), "refunds"));
}

TEST_CASE("a view that moves to another source is fed by the one before until the switch") {
  World world;
  world.Produce(0, 100);
  world.Produce(0, 500, "refunds");
  const auto first = world.Declare({PaymentsView()});
  const auto loops = world.Loops();
  REQUIRE(loops->Start(first).ok());
  CHECK(Eventually([&] { return world.Complete(*first, 0); }));

  FeatureView moved = Changed();
  moved.source = 1;
  const auto second = world.Declare({moved}, {PaymentsSource(), SourceOf("refunds")});
  REQUIRE(loops->Prepare(second, 0.5).ok());
  CHECK(Eventually([&] { return loops->Prepared(); }));
  CHECK_FALSE(world.Complete(*second, 0));
  CHECK(world.Complete(*first, 0));
  world.Produce(100, 50);
  CHECK(Eventually([&] { return world.Read(*first, 0) == 150; }));
  SECTION("it takes its place") {
    REQUIRE(loops->Switch().ok());
    CHECK(Eventually([&] { return world.Complete(*second, 0); }));
    CHECK_FALSE(world.Complete(*first, 0));
    CHECK(world.Rows(*second, 0) == world.Expected(Changed(), "refunds"));
  }
  SECTION("it is given up") {
    REQUIRE(loops->Prepare(first, 0.5).ok());
    CHECK(loops->Prepared());
    REQUIRE(loops->Switch().ok());
    world.Produce(150, 50);
    CHECK(Eventually([&] { return world.Read(*first, 0) == 200; }));
    CHECK(world.store->source_status("refunds").partitions().empty());
  }
}

TEST_CASE("a source of another name is followed under the old one, by views that change with it") {
  World world;
  world.Produce(0, 40'000);
  const auto first = world.Declare({PaymentsView(), PaymentsView("other")});
  const auto loops = world.Loops();
  REQUIRE(loops->Start(first).ok());
  CHECK(Eventually([&] { return world.Complete(*first, 0) && world.Complete(*first, 1); }));
  Source renamed = PaymentsSource();
  renamed.name = "sales";
  const auto second = world.Declare({Changed(), PaymentsView("other")}, {renamed});
  REQUIRE(loops->Prepare(second, 0.5).ok());
  CHECK(Eventually([&] { return loops->Prepared(); }));
  CHECK(world.Read(*second, 0) > 20'000);
  world.Produce(40'000, 50);
  CHECK(Eventually([&] { return world.Read(*first, 0) == 40'050; }));
  REQUIRE(loops->Switch().ok());
  CHECK(Eventually([&] { return world.Complete(*second, 0); }));
  world.Produce(40'050, 50);
  CHECK(Eventually(
      [&] { return world.Read(*second, 0) == 40'100 && world.Read(*second, 1) == 40'100; }));
  CHECK(world.Rows(*second, 0) == world.Expected(Changed()));
  // What was said under the old name is gone with it.
  CHECK(world.store->source_status("payments").partitions().empty());
  const std::string lag = R"(freshet_ingest_lag_records{partition="0",source=)";
  CHECK_THAT(world.registry.Expose(), Catch::Contains(lag + "\"sales\""));
  CHECK_THAT(world.registry.Expose(), !Catch::Contains(lag + "\"payments\""));
}

TEST_CASE("a source that stopped for good is begun anew, and what stopped it is said till then") {
  World world;
  world.Produce(0, 100);
  world.logs["payments"]->settings = TopicSettings{true, std::nullopt};
  const auto first = world.Declare({PaymentsView()});
  const auto loops = world.Loops();
  REQUIRE(loops->Start(first).ok());
  SourceStatus& status = world.store->source_status("payments");
  CHECK(Eventually([&] { return status.paused().first == "compacted_topic"; }));
  Source allowed = PaymentsSource();
  allowed.allow_compacted = true;
  const auto second = world.Declare({PaymentsView(), PaymentsView("other")}, {allowed});
  REQUIRE(loops->Prepare(second, 0.5).ok());
  CHECK(Eventually([&] { return loops->Prepared(); }));
  CHECK(world.Read(*second, 1) == 100);
  CHECK(Eventually([&] { return status.paused().first.empty(); }));
  loops->GiveUp();
  CHECK(status.paused().first == "compacted_topic");
  REQUIRE(loops->Prepare(second, 0.5).ok());
  CHECK(Eventually([&] { return loops->Prepared(); }));
  REQUIRE(loops->Switch().ok());
  CHECK(Eventually([&] { return world.Complete(*second, 0) && world.Complete(*second, 1); }));
  CHECK(Eventually([&] { return status.paused().first.empty(); }));
  loops->Stop();
  world.logs["payments"]->settings = TopicSettings{};
  CHECK(world.Rows(*second, 1) == world.Expected(PaymentsView("other")));
}

TEST_CASE("rows are kept for as long as the declaration says that builds them") {
  World world;
  world.Produce(0, 100, "refunds");
  world.logs["refunds"]->Append(0, Payment(kNoon + Duration::Days(40), "c0", 1));
  const auto first = world.Declare({PaymentsView()});
  const auto loops = world.Loops();
  REQUIRE(loops->Start(first).ok());
  const auto with_ttl = [&](Duration ttl) {
    FeatureView refunds = PaymentsView("refunds");
    refunds.source = 1;
    refunds.ttl = ttl;
    return world.Declare({PaymentsView(), refunds}, {PaymentsSource(), SourceOf("refunds")});
  };
  REQUIRE(loops->Prepare(with_ttl(Duration::Hours(1)), 0.5).ok());
  CHECK(Eventually([&] { return loops->Prepared(); }));
  const auto longer = with_ttl(Duration::Days(100));
  REQUIRE(loops->Prepare(longer, 0.5).ok());
  CHECK(Eventually([&] { return loops->Prepared(); }));
  REQUIRE(loops->Switch().ok());
  CHECK(Eventually([&] { return world.Complete(*longer, 1); }));
  REQUIRE(world.store->CompactView(ViewId{longer->StoreView(1)}).ok());
  CHECK(world.Rows(*longer, 1).size() == 23);
}

TEST_CASE("a view that is not declared any more is fed no longer, and its rows stay") {
  World world;
  world.Produce(0, 100);
  const auto first = world.Declare({PaymentsView(), PaymentsView("other")});
  const auto loops = world.Loops();
  REQUIRE(loops->Start(first).ok());
  CHECK(Eventually([&] { return world.Read(*first, 1) == 100; }));
  const auto second = world.Declare({PaymentsView()});
  REQUIRE(loops->Prepare(second, 0.5).ok());
  CHECK(loops->Prepared());
  REQUIRE(loops->Switch().ok());
  world.Produce(100, 100);
  CHECK(Eventually([&] { return world.Read(*second, 0) == 200; }));
  CHECK(world.Read(*first, 1) == 100);
  CHECK(world.Rows(*first, 1).size() == 23);
  // Declared again: it reads what it has missed, while it is served as it was.
  const auto third = world.Declare({PaymentsView(), PaymentsView("other")});
  REQUIRE(loops->Prepare(third, 0.5).ok());
  CHECK(Eventually([&] { return loops->Prepared(); }));
  REQUIRE(loops->Switch().ok());
  CHECK(Eventually([&] { return world.Read(*third, 1) == 200; }));
  CHECK(world.Rows(*third, 1) == world.Rows(*third, 0));
}

TEST_CASE("what was prepared is given up for another, or resumed by a next life") {
  World world;
  world.Produce(0, kBefore);
  const auto first = world.Declare({PaymentsView()});
  const auto second = world.Declare({Changed()});
  {
    const auto loops = world.Loops();
    REQUIRE(loops->Start(first).ok());
    CHECK(Eventually([&] { return world.Complete(*first, 0); }));
    REQUIRE(loops->Prepare(second, 0.5).ok());
    CHECK(Eventually([&] { return world.Read(*second, 0) > 0; }));
    REQUIRE(loops->Prepare(first, 0.5).ok());  // changed back
    CHECK(loops->Prepared());
    REQUIRE(loops->Switch().ok());
    REQUIRE(loops->Prepare(second, 0.5).ok());
  }
  // A kill: the folder is opened anew, by the declaration of before: it answers at once.
  world.store.reset();
  world.Open();
  const auto again = world.Declare({PaymentsView()});
  CHECK(world.Complete(*again, 0));
  const auto changed = world.Declare({Changed()});
  CHECK_FALSE(world.Complete(*changed, 0));
  const auto loops = world.Loops();
  REQUIRE(loops->Start(changed).ok());
  CHECK(Eventually([&] { return world.Complete(*changed, 0); }));
  CHECK(world.Rows(*changed, 0) == world.Expected(Changed()));
}

}  // namespace freshet
