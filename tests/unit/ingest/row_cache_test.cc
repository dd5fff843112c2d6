#include "featurestore/ingest/row_cache.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "tests/support/payments.h"

namespace freshet {
namespace {

class Rows {
 public:
  explicit Rows(uint64_t budget) : cache(budget) {
    auto compiled = RowLayout::Compile(PaymentsView(), PaymentsSource());
    REQUIRE(compiled.ok());
    layout = *std::move(compiled);
  }
  RowCache::Entry& Touch(uint32_t slot, const std::string& key) {
    RowCache::Entry& entry = cache.Touch(slot, key, RowCache::Hash(slot, key));
    REQUIRE(entry.key == key);
    REQUIRE(entry.slot == slot);
    return entry;
  }
  // As a batch that changes it does.
  RowCache::Entry& Use(uint32_t slot, const std::string& key) {
    RowCache::Entry& entry = Touch(slot, key);
    if (!entry.row) entry.row.emplace(*layout);
    cache.Count(entry);
    return entry;
  }

  std::shared_ptr<const RowLayout> layout;
  RowCache cache;
};

}  // namespace

TEST_CASE("a row is found again by its view and key, wherever others came and went") {
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  Rows rows(300'000);
  std::map<std::pair<uint32_t, std::string>, uint32_t> marks;  // what the entry was marked with
  for (uint32_t i = 1; i <= 20'000; ++i) {
    const uint32_t slot = static_cast<uint32_t>(random() % 2);
    const std::string key =
        "a key that is longer than a short string " + std::to_string(random() % 2000);
    RowCache::Entry& entry = rows.Use(slot, key);
    // A mark tells it from a new one; none, where it was evicted.
    if (entry.first != 0) REQUIRE(entry.first == marks.at({slot, key}));
    entry.first = marks[{slot, key}] = i;
    if (i % 50 == 0) rows.cache.Trim();
    if (i % 50 == 0) REQUIRE(rows.cache.bytes() <= 300'000);
  }
  CHECK(rows.cache.size() > 100);
  rows.cache.Clear();
  CHECK(rows.cache.bytes() == 0);
  CHECK(rows.Touch(0, "a key").first == 0);
}

TEST_CASE("what every batch uses outlives what was used once") {
  Rows rows(100'000);
  rows.Use(0, "every batch").first = 7;
  for (int batch = 0; batch < 200; ++batch) {
    for (int i = 0; i < 20; ++i) rows.Use(0, std::to_string(batch * 20 + i));
    REQUIRE(rows.Use(0, "every batch").first == 7);
    rows.cache.Trim();
  }
  CHECK(rows.cache.size() < 1000);
}

TEST_CASE("without a budget nothing stays behind a batch") {
  Rows rows(0);
  rows.Use(0, "a");
  rows.Use(1, "a");
  rows.cache.Trim();
  CHECK(rows.cache.size() == 0);
  CHECK(rows.cache.bytes() == 0);
}

}  // namespace freshet
