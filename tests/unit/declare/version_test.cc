#include "featurestore/declare/version.h"

#include "project_files.h"

namespace freshet {
namespace {

std::string Base() {
  return Replaced(kFirstExample, "topic: transactions\n",
                  "topic: transactions\n    lateness: 10m\n");
}

std::string VersionOf(const std::string& text) {
  return Sound(ProjectFiles(text).Load())->views[0].version;
}

}  // namespace

TEST_CASE("a view's version changes with everything that decides its stored values") {
  const std::string before = VersionOf(Base());
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"project: fraud", "project: fraud\nclock: event_time"},
      {"topic: transactions", "topic: payments"},
      {"lateness: 10m", "lateness: 11m"},
      {"lateness: 10m", "max_future_skew: 6m"},
      {"lateness: 10m", "key: card"},
      {"lateness: 10m", "dedup: { by: [merchant], within: 1h }"},
      {"timestamp: at", "timestamp: kafka"},
      {"at: timestamp,", "at: { type: timestamp, unit: ms },"},
      {"amount: double", "amount: int64"},
      {"amount: double", "amount: { type: double, path: money.amount }"},
      {"merchant: string }", "merchant: string, more: string }"},
      {"aggregate: sum", "aggregate: mean"},
      {"[1h, 24h] }", "[1h, 25h] }"},
      {"[1h, 24h] }", "[1h, { sliding: 24h, hop: 30m }] }"},
      {"[1h, 24h] }", "[1h, { tumbling: 24h }] }"},
      {"[1h, 24h] }", "[1h, { hopping: 24h, hop: 1h }] }"},
      {"[1h, 24h] }", "[1h, { session: 24h }] }"},
      {"[1h, 24h] }", "[1h, { rows: 24 }] }"},
      {"[1h, 24h] }", "[1h, { sliding: 24h, exact: true, max_events: 10 }] }"},
      {"[1h, 24h] }", "[1h, { tumbling: day }] }"},
      {"last_shop: { aggregate: last, of: merchant }", "last_shop: { aggregate: last, of: card }"},
      {"    ttl: 30d", "    history: 1d\n    ttl: 30d"},
      {"    ttl: 30d", "    ttl: 31d"},  // of a lifetime feature
      {"    ttl: 30d", "    ttl: never"},
      {"keys: { card: string } }", "keys: { card: string, merchant: string } }"},
  };
  for (const auto& [from, to] : changes) {
    INFO(from << " → " << to);
    CHECK(VersionOf(Replaced(Base(), from, to)) != before);
  }
}

TEST_CASE(
    "an argument that decides what is stored changes the version, one that only finishes does "
    "not") {
  const auto with = [](const std::string& feature) {
    return VersionOf(
        Replaced(Base(), "      spend:     { aggregate: sum, of: amount, windows: [10m, 1h, 24h] }",
                 "      spend:     { " + feature + " }"));
  };
  const std::string quantile = "aggregate: quantile, of: amount, windows: [1h], q: ";
  CHECK(with(quantile + "0.5") == with(quantile + "0.9"));
  CHECK(with(quantile + "0.5") == with(quantile + "[0.5, 0.99]"));
  CHECK(with(quantile + "0.5") == with(quantile + "0.5, exact_to: 256, error: 0.01"));
  CHECK(with(quantile + "0.5") != with(quantile + "0.5, exact_to: 255"));
  CHECK(with(quantile + "0.5") != with(quantile + "0.5, error: 0.02"));
  const std::string by = "aggregate: max_by, of: merchant, windows: [1h], order_by: ";
  CHECK(with(by + "amount") != with(by + "at"));
  const std::string heat = "aggregate: decayed_sum, of: amount, half_life: ";
  CHECK(with(heat + "1h") == with(heat + "60m"));
  CHECK(with(heat + "1h") != with(heat + "2h"));
  const std::string rate = "aggregate: rate, windows: [1h], per: ";
  CHECK(with(rate + "1s") == with(rate + "1m"));
}

TEST_CASE("a view's version does not change with words, tuning, defaults, names or order") {
  const std::string before = VersionOf(Base());
  const std::vector<std::pair<std::string, std::string>> changes = {
      {"project: fraud", "project: other"},
      {"{ brokers: embedded }", "{ brokers: \"localhost:9092\" }"},
      {"lateness: 10m", "lateness: 600s"},
      {"lateness: 10m", "idle_after: 5m"},
      {"at: timestamp, card: string", "card: string, at: timestamp"},
      {"merchant: string }", "merchant: { type: string, description: who, path: merchant } }"},
      {"aggregate: sum, of: amount,", "aggregate: sum, of: amount, default: 7, owner: us,"},
      {"      spend: ", "      expense: "},
      {"windows: [10m, 1h, 24h]", "windows: [24h, 10m, 1h]"},
      {"windows: [1h, 24h] }", "windows: [60m, 1d] }"},
      {"    ttl: 30d", "    ttl: 30d\n    tags: { a: b }"},
  };
  for (const auto& [from, to] : changes) {
    INFO(from << " → " << to);
    CHECK(VersionOf(Replaced(Base(), from, to)) == before);
  }
  // Of the kinds without panes, what decides what is kept.
  const auto with = [&](const std::string& window) {
    return VersionOf(Replaced(Replaced(Base(), "[1h, 24h] }", "[1h, " + window + "] }"),
                              "      last_shop: { aggregate: last, of: merchant }\n", ""));
  };
  CHECK(with("{ rows: 24 }") != with("{ rows: 25 }"));
  CHECK(with("{ session: 24h }") != with("{ session: 24h, report: ended }"));
  CHECK(with("{ sliding: 2h, exact: true, max_events: 10 }") !=
        with("{ sliding: 2h, exact: true, max_events: 11 }"));
  CHECK(with("{ tumbling: day }") != with("{ tumbling: week }"));
  CHECK(with("{ tumbling: day }") != with("{ tumbling: day, report: completed }"));
  // Boundaries of a calendar are found when it is read.
  CHECK(with("{ tumbling: day }") == with("{ tumbling: day, timezone: Europe/Berlin }"));
  // The ttl decides which rows are kept, and nothing of the other kinds.
  const auto with_ttl = [&](const std::string& window, const std::string& ttl) {
    return VersionOf(Replaced(Replaced(Replaced(Base(), "[1h, 24h] }", "[1h, " + window + "] }"),
                                       "      last_shop: { aggregate: last, of: merchant }\n", ""),
                              "ttl: 30d", ttl));
  };
  CHECK(with_ttl("{ rows: 24 }", "ttl: 30d") != with_ttl("{ rows: 24 }", "ttl: 31d"));
  CHECK(with_ttl("{ session: 1h, report: ended }", "ttl: 30d") ==
        with_ttl("{ session: 1h, report: ended }", "ttl: 31d"));
  const std::string windowed =
      Replaced(Base(), "      last_shop: { aggregate: last, of: merchant }\n", "");
  CHECK(VersionOf(windowed) == VersionOf(Replaced(windowed, "ttl: 30d", "ttl: 60d")));
}

}  // namespace freshet
