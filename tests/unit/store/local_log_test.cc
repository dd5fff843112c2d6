// The local log: what an append promises, and what is left of it.
#include <thread>

#include "folder_fixture.h"

namespace freshet {
namespace {

Store::LocalRecord Record(const std::string& value, int64_t time_us = 0) {
  return {Timestamp{time_us}, "k", value, {{"freshet-producer", "p"}, {"x", ""}}};
}

std::vector<std::string> Values(const Store& store, const std::string& source, int64_t from) {
  std::vector<std::string> values;
  const Status read = store.ReadLocal(source, from, [&](int64_t offset, Store::LocalRecord record) {
    values.push_back(fmt::format("{}:{}", offset, record.value.value_or("-")));
    return true;
  });
  if (!read.ok()) FAIL(read);
  return values;
}

using Strings = std::vector<std::string>;

TEST_CASE("records are read back whole, of each source by itself, in this life and the next") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    CHECK(store->ReadLocalBounds("a")->end == 0);
    CHECK(Values(*store, "a", 0).empty());
    CHECK(store->AppendLocal("a", std::vector{Record("1"), Record("2")}).value() == 0);
    CHECK(store->AppendLocal("ab", std::vector{Record("x")}).value() == 0);
    CHECK(store
              ->AppendLocal("a", std::vector{Store::LocalRecord{
                                     Timestamp{-7}, std::nullopt, std::nullopt, {}}})
              .value() == 2);
  }
  auto store = folder.Open();
  CHECK(Values(*store, "a", 0) == Strings{"0:1", "1:2", "2:-"});
  CHECK(Values(*store, "a", 2) == Strings{"2:-"});
  CHECK(Values(*store, "ab", 0) == Strings{"0:x"});
  std::vector<Store::LocalRecord> read;
  REQUIRE(store
              ->ReadLocal("a", 0,
                          [&](int64_t, Store::LocalRecord record) {
                            read.push_back(std::move(record));
                            return read.size() < 3;
                          })
              .ok());
  CHECK(read[0].key == "k");
  CHECK(read[0].headers == Record("1").headers);
  CHECK(read[2].time.us == -7);
  CHECK_FALSE(read[2].key);
}

TEST_CASE("appends from several threads follow each other without gap") {
  const TestFolder folder;
  auto store = folder.Open();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        (void)store->AppendLocal("a", std::vector{Record(fmt::format("{}", t)), Record("y")});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(store->ReadLocalBounds("a")->end == 200);
  CHECK(Values(*store, "a", 0).size() == 200);
  CHECK(Values(*store, "a", 0).back().starts_with("199:"));
}

TEST_CASE(
    "trimming takes the oldest, by age and by size, and none at or above what is not passed") {
  const TestFolder folder;
  auto store = folder.Open();
  for (int64_t i = 0; i < 10; ++i) {
    REQUIRE(store->AppendLocal("a", std::vector{Record(fmt::format("{}", i), i)}).ok());
  }
  const uint64_t one = store->ReadLocalBounds("a")->bytes / 10;
  CHECK(store->TrimLocal("a", 2, Timestamp{5}, 1 << 20).value() == 2);
  CHECK(store->TrimLocal("a", 100, Timestamp{5}, 1 << 20).value() == 5);
  CHECK(store->TrimLocal("a", 100, Timestamp{5}, 3 * one).value() == 7);
  CHECK(store->ReadLocalBounds("a")->bytes == 3 * one);
  CHECK(Values(*store, "a", 0) == Strings{"7:7", "8:8", "9:9"});
  CHECK(store->TrimLocal("a", 100, Timestamp{100}, 0).value() == 10);
  CHECK(Values(*store, "a", 0).empty());
  // Offsets go on.
  CHECK(store->AppendLocal("a", std::vector{Record("10")}).value() == 10);
  store.reset();
  store = folder.Open();
  CHECK(Values(*store, "a", 0) == Strings{"10:10"});
}

}  // namespace
}  // namespace freshet
