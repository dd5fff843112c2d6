#include "featurestore/declare/catalog_change.h"

#include <algorithm>

#include "tests/unit/declare/project_files.h"

namespace freshet {
namespace {

const std::string kShop = R"(project: shop
kafka: { brokers: "a:9092", options: { sasl.password: one } }
sources:
  sales:
    topic: sales
    timestamp: at
    fields: { at: timestamp, card: string, cents: int64 }
entities:
  card: { keys: { card: string } }
feature_views:
  cards:
    source: sales
    entity: card
    ttl: 1d
    features: { spend: { aggregate: sum, of: cents, windows: [1h] } }
feature_services:
  all: [cards]
)";

std::string With(const std::string& what, const std::string& instead) {
  std::string text = kShop;
  const size_t at = text.find(what);
  REQUIRE(at != std::string::npos);
  return text.replace(at, what.size(), instead);
}

Project Load(const std::string& text) {
  static ProjectFiles files;  // one folder, since storage.path follows from it
  files.Write("freshet.yaml", text);
  Project project = files.Load();
  for (const Diagnostic& error : project.errors) FAIL(ToString(error));
  return project;
}

CatalogChange ChangeTo(const std::string& text) {
  const Project now = Load(kShop);
  return CompareProjects(now, Load(text));
}

bool AlikeAs(const std::string& text) {
  const Project now = Load(kShop);
  const Project next = Load(text);
  return ReadsAlike(*now.catalog, 0, *next.catalog, 0);
}

}  // namespace

TEST_CASE("the same declaration is no change, and is read alike") {
  CHECK(ChangeTo(kShop).empty());
  CHECK(AlikeAs(kShop));
}

TEST_CASE("views that are new or whose version is are built; others are not") {
  const CatalogChange changed = ChangeTo(With("windows: [1h]", "windows: [2h]"));
  CHECK(changed.built == std::vector<uint32_t>{0});
  CHECK(changed.lines ==
        std::vector<std::string>{"feature view cards: changed; rebuilt from its source's log"});
  CHECK(changed.refused.empty());
  CHECK_FALSE(AlikeAs(With("windows: [1h]", "windows: [2h]")));
  const std::string described = With("ttl: 1d", "ttl: 1d\n    description: what a card spends");
  CHECK(ChangeTo(described).built.empty());
  CHECK(AlikeAs(described));
}

TEST_CASE("a ttl is no rebuild, but its source is begun anew with it") {
  const CatalogChange change = ChangeTo(With("ttl: 1d", "ttl: 2d"));
  CHECK(change.built.empty());
  CHECK(change.lines == std::vector<std::string>{"feature view cards: its ttl"});
  CHECK_FALSE(AlikeAs(With("ttl: 1d", "ttl: 2d")));
}

TEST_CASE("sources and services that come and go are named") {
  const CatalogChange change = ChangeTo(With("  all: [cards]", "  every: [cards]"));
  CHECK(change.lines == std::vector<std::string>{"feature service every: new",
                                                 "feature service all: not declared any more"});
  const CatalogChange idle = ChangeTo(With("timestamp: at", "timestamp: at\n    idle_after: 2m"));
  CHECK(idle.lines == std::vector<std::string>{"source sales: changed"});
  CHECK(idle.built.empty());
}

TEST_CASE("a source that allows compaction is another, though its views are not") {
  const std::string allowed = With("timestamp: at", "timestamp: at\n    allow_compacted: true");
  CHECK(ChangeTo(allowed).lines == std::vector<std::string>{"source sales: changed"});
  CHECK(ChangeTo(allowed).built.empty());
  CHECK_FALSE(AlikeAs(allowed));
}

TEST_CASE("what needs a restart is refused by name, and a secret is not told") {
  const auto refused = [](const std::string& text) { return ChangeTo(text).refused; };
  CHECK(refused(With("a:9092", "b:9092")) ==
        std::vector<std::string>{"kafka.brokers was a:9092 and is b:9092 now; it takes a restart"});
  CHECK(refused(With("password: one", "password: two")) ==
        std::vector<std::string>{
            "kafka.options.sasl.password has another value now; it takes a restart"});
  CHECK(refused(With("sources:", "server: { grpc: \"127.0.0.1:1\" }\nsources:")) ==
        std::vector<std::string>{
            "server.grpc was 127.0.0.1:7570 and is 127.0.0.1:1 now; it takes a restart"});
  const auto topic = refused(With("topic: sales", "topic: purchases"));
  REQUIRE(topic.size() == 1);
  CHECK(topic[0].starts_with("source sales reads topic purchases now, and topic sales before"));
  CHECK(refused(With("brokers: \"a:9092\"", "brokers: \"a:9092\", rebuild_percent: 20")).empty());
}

}  // namespace freshet
