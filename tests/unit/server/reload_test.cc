// Which declaration is served while views of others are built; a test says when they are complete.
#include "server/reload.h"

#include <catch2/catch.hpp>

#include "tests/support/eventually.h"
#include "tests/unit/declare/project_files.h"

namespace freshet {
namespace {

const std::string kShop = R"(project: shop
kafka: { brokers: none }
sources:
  sales:
    topic: sales
    timestamp: at
    fields: { at: timestamp, card: string, cents: int64 }
entities:
  card: { keys: { card: string } }
feature_views:
  spend:
    source: sales
    entity: card
    ttl: 1d
    features: { spend: { aggregate: sum, of: cents, windows: [1h] } }
  most:
    source: sales
    entity: card
    ttl: 1d
    features: { most: { aggregate: max, of: cents, windows: [1h] } }
feature_services:
  all: [spend, most]
)";
std::string BothChanged() {
  const std::string spend =
      Replaced(kShop, "sum, of: cents, windows: [1h]", "sum, of: cents, windows: [2h]");
  return Replaced(spend, "max, of: cents, windows: [1h]", "max, of: cents, windows: [2h]");
}

struct Shop {
  Shop() {
    Project project = files.Load();
    StoreOptions options;
    options.path = files.folder() / "data";
    options.project = "shop";
    options.memory_bytes = 32 << 20;
    auto opened = Store::Open(options);
    REQUIRE(opened.ok());
    store = *std::move(opened);
    project.catalog = OpenViews(*project.catalog, *store).value();
    first = project.catalog;
    for (const uint32_t view : first->store_views) {
      REQUIRE(store->MarkComplete(ViewId{view}).ok());
    }
    reloader.reset(
        new Reloader({.served = std::move(project),
                      .load = [this] { return files.Load(); },
                      .store = *store,
                      .ingest = nullptr,
                      .log = *log,
                      .before =
                          [this](const Catalog& catalog) {
                            together = catalog;
                            return OkStatus();
                          },
                      .hold = [this](std::set<std::string> sources) { held = std::move(sources); },
                      .serve = [](std::shared_ptr<const Catalog>) {}}));
  }
  ReloadOutcome Reload(const std::string& yaml) {
    files.Write("freshet.yaml", yaml);
    ReloadOutcome outcome = reloader->Reload();
    for (const std::string& error : outcome.errors) UNSCOPED_INFO(error);
    REQUIRE(outcome.accepted);
    return outcome;
  }
  // Of what waits.
  void Complete(const std::string& view) {
    const auto waiting = reloader->state().waiting;
    REQUIRE(waiting.size() == 1);
    const Catalog& catalog = *waiting[0].catalog;
    REQUIRE(store->MarkComplete(ViewId{catalog.StoreView(*catalog.ViewIndex(view))}).ok());
  }
  bool Serves(uint64_t generation) {
    return Eventually([&] { return reloader->state().served == generation; });
  }
  Status CommitTo(uint32_t view) {
    Commit commit(*store);
    commit.PutRow(ViewId{view}, "k", "row");
    return commit.Apply();
  }

  ProjectFiles files{kShop};
  std::unique_ptr<Store> store;
  std::unique_ptr<Log> log = MakeNullLog();
  std::shared_ptr<const Catalog> first;
  Catalog together;            // of the last reload
  std::set<std::string> held;  // at the last switch
  std::unique_ptr<Reloader> reloader;
};

}  // namespace

TEST_CASE("a declaration is served once the last of its views is complete") {
  Shop shop;
  const ReloadOutcome outcome = shop.Reload(BothChanged());
  CHECK(outcome.waits);
  CHECK(outcome.generation == 1);
  CHECK(shop.held == std::set<std::string>{"sales"});
  shop.Complete("spend");
  CHECK(shop.reloader->state().served == 0);
  shop.Complete("most");
  CHECK(shop.Serves(1));
  CHECK(shop.reloader->state().waiting.empty());
  CHECK_FALSE(shop.Reload(BothChanged()).waits);
  CHECK(shop.reloader->state().served == 2);
  CHECK(shop.held.empty());
}

TEST_CASE("a reload takes the place of one that is put in place and never complete") {
  Shop shop;
  shop.Reload(BothChanged());
  const ReloadOutcome other = shop.Reload(
      Replaced(BothChanged(), "max, of: cents, windows: [2h]", "max, of: cents, windows: [3h]"));
  CHECK(other.waits);
  CHECK(other.generation == 2);
  REQUIRE(shop.reloader->state().waiting.size() == 1);
  CHECK(shop.reloader->state().waiting[0].generation == 2);
  shop.Complete("spend");
  shop.Complete("most");
  CHECK(shop.Serves(2));
}

TEST_CASE("what is served is served on where the declaration is changed back before the other is") {
  Shop shop;
  shop.Reload(BothChanged());
  SECTION("no view of it was replaced") {
    CHECK_FALSE(shop.Reload(kShop).waits);
    CHECK(shop.reloader->state().served == 2);
    for (const uint32_t view : shop.first->store_views) CHECK(shop.CommitTo(view).ok());
  }
  SECTION("one was, and is built again") {
    shop.Complete("spend");
    const ReloadOutcome back = shop.Reload(kShop);
    CHECK(back.waits);
    REQUIRE(back.changes.size() == 1);
    CHECK(back.changes[0].starts_with("feature view spend: rebuilt from its source's log"));
    CHECK(shop.CommitTo(shop.first->StoreView(1)).ok());
    shop.Complete("spend");
    CHECK(shop.Serves(2));
  }
}

TEST_CASE("who keeps the logs is told of the sources of both declarations") {
  Shop shop;
  const std::string moved =
      Replaced(Replaced(kShop, "entities:",
                        "  more:\n    topic: more\n    timestamp: at\n"
                        "    fields: { at: timestamp, card: string, cents: int64 }\nentities:"),
               "spend:\n    source: sales", "spend:\n    source: more");
  shop.Reload(Replaced(moved, "most:\n    source: sales", "most:\n    source: more"));
  for (const char* source : {"sales", "more"}) {
    const auto index = shop.together.SourceIndex(source);
    REQUIRE(index);
    CHECK(shop.together.IsRead(*index));
  }
}

}  // namespace freshet
