#include "server/readiness.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "server/admin_http.h"

namespace freshet {
namespace {

// A store in a folder of its own, of a project with one source and two views.
class Fixture {
 public:
  Fixture() {
    char name[] = "/tmp/freshet-readiness-XXXXXX";
    folder = mkdtemp(name);
    catalog.project = "p";
    catalog.storage.path = folder / "data";
    catalog.sources.resize(1);
    catalog.sources[0].name = "trips";
    catalog.views.resize(2);
    catalog.views[0].name = "riders";
    catalog.views[1].name = "drivers";
    catalog.server.readiness_give_up_after = Duration::Minutes(5);
  }
  ~Fixture() {
    store.reset();
    std::filesystem::remove_all(folder);
  }
  void OpenStore() {
    StoreOptions options;
    options.path = catalog.storage.path;
    options.project = "p";
    options.memory_bytes = 8 << 20;
    auto opened = Store::Open(options);
    REQUIRE(opened.ok());
    store = *std::move(opened);
    for (const FeatureView& view : catalog.views) {
      REQUIRE(store->OpenView({view.name, "0123456789abcdef", std::nullopt}).ok());
    }
  }
  SourceStatus& source() { return store->source_status("trips"); }

  std::filesystem::path folder;
  Catalog catalog;
  ManualClock clock;
  std::unique_ptr<Store> store;
};

TEST_CASE("at a first start all views must have caught up, however long that takes") {
  Fixture f;
  Readiness readiness(f.catalog, f.clock);
  CHECK_FALSE(readiness.ready());
  f.OpenStore();
  readiness.StoreOpened(*f.store);
  f.source().SetPaused("broker_down", "a:9092 does not answer");
  f.clock.Advance(Duration::Hours(1));
  CHECK_FALSE(readiness.ready());
  CHECK(ReadyPage(readiness, false).body.find("broker_down") != std::string::npos);
  f.source().SetPaused("", "");
  f.source().caught_up_once = true;
  for (const uint32_t view : {0, 1}) {
    CHECK_FALSE(readiness.ready());
    f.store->view_status(ViewId{view}).caught_up = true;
    f.store->view_status(ViewId{view}).complete = true;
  }
  CHECK(readiness.ready());
}

TEST_CASE("a source of a declaration that is not served yet is named where it stands still") {
  Fixture f;
  Readiness readiness(f.catalog, f.clock);
  f.OpenStore();
  readiness.StoreOpened(*f.store);
  std::vector<Source> sources = f.catalog.sources;
  sources.emplace_back().name = "late";
  f.store->source_status("late").SetPaused("topic_missing", "make the topic");
  CHECK(ReadyPage(readiness, true).body.find("no source stands still") != std::string::npos);
  readiness.Reads(sources);
  CHECK(ReadyPage(readiness, true).body.find("source late stands still (topic_missing)") !=
        std::string::npos);
}

TEST_CASE("a rebuilding view does not hold back a server with data") {
  Fixture f;
  f.OpenStore();
  REQUIRE(f.store->MarkComplete(ViewId{0}).ok());
  Readiness readiness(f.catalog, f.clock);
  readiness.StoreOpened(*f.store);
  CHECK_FALSE(readiness.ready());
  f.source().caught_up_once = true;
  f.store->view_status(ViewId{0}).caught_up = true;
  CHECK(readiness.ready());
}

TEST_CASE("a complete view that a pass brings up to the others is waited for") {
  Fixture f;
  f.OpenStore();
  REQUIRE(f.store->MarkComplete(ViewId{0}).ok());
  REQUIRE(f.store->MarkComplete(ViewId{1}).ok());
  Readiness readiness(f.catalog, f.clock);
  readiness.StoreOpened(*f.store);
  f.source().caught_up_once = true;
  f.store->view_status(ViewId{0}).caught_up = true;
  CHECK_FALSE(readiness.ready());
  CHECK(ReadyPage(readiness, true).body.find("view drivers has not read all") != std::string::npos);
  f.store->view_status(ViewId{1}).caught_up = true;
  CHECK(readiness.ready());
}

TEST_CASE(
    "with data, a broker that is away is given up on after give_up_after, and what moves is not") {
  Fixture f;
  f.OpenStore();
  REQUIRE(f.store->MarkComplete(ViewId{0}).ok());
  Readiness readiness(f.catalog, f.clock);
  readiness.StoreOpened(*f.store);
  f.source().SetPartition(0, {1, 10, 500});
  f.clock.Advance(Duration::Minutes(6));
  CHECK_FALSE(readiness.ready());
  CHECK(ReadyPage(readiness, true).body.find("490 records behind") != std::string::npos);
  f.source().SetPaused("broker_down", "gone");
  CHECK(readiness.ready());
  // Latched: it says still why.
  f.source().SetPaused("", "");
  CHECK(readiness.ready());
  CHECK(ReadyPage(readiness, true).body.find("given up after 5m") != std::string::npos);
}

TEST_CASE("stopping is unready, whatever was before") {
  Fixture f;
  f.OpenStore();
  REQUIRE(f.store->MarkComplete(ViewId{0}).ok());
  Readiness readiness(f.catalog, f.clock);
  readiness.StoreOpened(*f.store);
  f.source().caught_up_once = true;
  f.store->view_status(ViewId{0}).caught_up = true;
  CHECK(ReadyPage(readiness, false).status == 200);
  readiness.Stopping();
  CHECK(ReadyPage(readiness, false).status == 503);
}

}  // namespace
}  // namespace freshet
