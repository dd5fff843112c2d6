#include "featurestore/store/outbox.h"

#include <rocksdb/perf_context.h>

#include "folder_fixture.h"

namespace freshet {
namespace {

void Add(Store& store, const std::string& source, const Coordinates& at, const DeadLetter& letter) {
  Commit commit(store);
  commit.AddDeadLetter(source, at, letter);
  REQUIRE(commit.Apply().ok());
}

TEST_CASE("dead letters come back whole, in the order of the log, of their source alone") {
  const TestFolder folder;
  auto store = folder.Open();
  const std::vector<Coordinates> order = {{0, 0, 5},   {0, 0, 300}, {0, 1, 2},
                                          {0, 256, 0}, {1, 0, 0},   {1, 0, 1}};
  for (const size_t i : {3, 0, 5, 1, 4, 2}) {
    Add(*store, "s", order[i],
        {.reason = "malformed", .detail = std::to_string(i), .record_time_us = -1});
  }
  Add(*store, "s2", {0, 0, 0},
      {.reason = "mistyped", .detail = "", .key = "k", .value = std::string("\0\xff", 2)});

  const auto letters = *store->ReadDeadLetters("s", 100);
  REQUIRE(letters.size() == 6);
  for (size_t i = 0; i < 6; ++i) {
    CHECK(letters[i].at == order[i]);
    CHECK(letters[i].letter.detail == std::to_string(i));
    CHECK(letters[i].letter.record_time_us == -1);
    CHECK_FALSE(letters[i].letter.key);
    CHECK_FALSE(letters[i].letter.value);
  }
  CHECK(store->ReadDeadLetters("s", 2)->size() == 2);
  CHECK(store->ReadDeadLetters("s", 0)->empty());
  CHECK(store->ReadDeadLetters("unknown", 10)->empty());
  const auto other = *store->ReadDeadLetters("s2", 10);
  REQUIRE(other.size() == 1);
  CHECK(other[0].letter.reason == "mistyped");
  CHECK(other[0].letter.key == "k");
  CHECK(other[0].letter.value == std::string("\0\xff", 2));
}

TEST_CASE("delivered dead letters are removed and their bytes given back") {
  const TestFolder folder;
  auto store = folder.Open();
  CHECK(store->dead_letter_bytes() == 0);
  Add(*store, "s", {0, 0, 1}, {.reason = "malformed", .value = std::string(1000, 'x')});
  const uint64_t one = store->dead_letter_bytes();
  CHECK(one > 1000);
  Add(*store, "s", {0, 0, 2}, {.reason = "malformed", .value = std::string(1000, 'x')});
  CHECK(store->dead_letter_bytes() == 2 * one);

  const std::vector<Coordinates> delivered = {{0, 0, 1},
                                              {0, 0, 99}};  // the second was removed before
  REQUIRE(store->RemoveDeadLetters("s", delivered).ok());
  CHECK(store->dead_letter_bytes() == one);
  REQUIRE(store->ReadDeadLetters("s", 10)->size() == 1);
  CHECK(store->ReadDeadLetters("s", 10)->at(0).at == Coordinates{0, 0, 2});
  REQUIRE(store->RemoveDeadLetters("s", delivered).ok());
  CHECK(store->dead_letter_bytes() == one);

  store.reset();
  store = folder.Open();
  CHECK(store->dead_letter_bytes() == one);
}

TEST_CASE("letters are read in parts by number and by bytes, at least one") {
  const TestFolder folder;
  const auto store = folder.Open();
  for (int64_t i = 0; i < 10; ++i) {
    Add(*store, "s", {0, static_cast<int32_t>(i % 3), i},
        {.reason = "malformed", .value = std::string(1000, 'x')});
  }
  CHECK(store->ReadDeadLetters("s", 100, 1)->size() == 1);
  CHECK(store->ReadDeadLetters("s", 100, 3500)->size() == 4);
  CHECK(store->ReadDeadLetters("s", 3)->size() == 3);
  CHECK(*store->DeadLetterSources() == std::vector<std::string>{"s"});
}

TEST_CASE("a queue that was long is not walked over again, and what comes anywhere is found") {
  const TestFolder folder;
  auto store = folder.Open();
  const auto drain = [&] {
    size_t drained = 0;
    while (true) {
      const auto letters = *store->ReadDeadLetters("s", 100);
      if (letters.empty()) return drained;
      drained += letters.size();
      std::vector<Coordinates> delivered;
      for (const auto& stored : letters) delivered.push_back(stored.at);
      REQUIRE(store->RemoveDeadLetters("s", delivered).ok());
    }
  };
  for (int64_t offset = 0; offset < 5000; ++offset) {
    Add(*store, "s", {1, static_cast<int32_t>(offset % 2), offset}, {.reason = "malformed"});
  }
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
  rocksdb::get_perf_context()->Reset();
  CHECK(drain() == 5000);
  // Each removed letter is met once or twice, not once for each of the 50 times that it was asked for more.
  CHECK(rocksdb::get_perf_context()->internal_delete_skipped_count < 15'000);
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  CHECK(store->DeadLetterSources()->empty());

  // Below, between and behind what was there.
  for (const Coordinates& at :
       std::vector<Coordinates>{{1, 0, 7}, {1, 1, 4999}, {1, 0, 9000}, {0, 5, 1}}) {
    Add(*store, "s", at, {.reason = "malformed"});
  }
  store = nullptr;
  store = folder.Open();
  Add(*store, "s", {1, 0, 3}, {.reason = "malformed"});
  REQUIRE(store->ReadDeadLetters("s", 10)->size() == 5);
  CHECK(store->ReadDeadLetters("s", 10)->at(1).at == Coordinates{1, 0, 3});
  CHECK(drain() == 5);
}

TEST_CASE("refusals are kept until the log's start passes them") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    Commit commit(*store);
    for (const int64_t offset : {1, 5, 9}) commit.AddRefusal("s", {0, 2, offset});
    commit.AddRefusal("s", {0, 3, 1});
    commit.AddRefusal("s", {1, 2, 1});
    commit.AddRefusal("t", {0, 2, 1});
    REQUIRE(commit.Apply().ok());
  }
  auto store = folder.Open();
  REQUIRE(store->PruneRefusals("s", 0, 2, 9).ok());
  CHECK(store->LastRefused("s", 0, 2).value() == 9);
  CHECK(*store->IsRefused("s", {0, 2, 9}));
  CHECK_FALSE(*store->IsRefused("s", {0, 2, 10}));
  REQUIRE(store->PruneRefusals("s", 0, 2, 12).ok());
  REQUIRE(store->PruneRefusals("s", 0, 2, 11).ok());  // a log's start never goes back
  CHECK_FALSE(store->LastRefused("s", 0, 2).value());
  // Of what the log held before its start nobody knows any more: it may have been.
  CHECK(*store->IsRefused("s", {0, 2, 8}));
  CHECK(*store->IsRefused("s", {0, 2, 11}));
  CHECK_FALSE(*store->IsRefused("s", {0, 2, 12}));
  CHECK_FALSE(*store->IsRefused("s", {0, 3, 0}));
  CHECK(*store->IsRefused("s", {0, 3, 1}));
  CHECK(*store->IsRefused("s", {1, 2, 1}));
  CHECK(*store->IsRefused("t", {0, 2, 1}));
}

TEST_CASE(
    "what one source refused of a log is refused under another name too, and of no other log") {
  const TestFolder folder;
  auto store = folder.Open();
  Commit commit(*store);
  for (const int64_t offset : {5, 9}) commit.AddRefusal("s", {0, 2, offset});
  commit.AddRefusal("s", {1, 2, 3});
  REQUIRE(commit.Apply().ok());
  REQUIRE(store->PruneRefusals("s", 0, 2, 7).ok());
  REQUIRE(store->CopyRefusals("s", "renamed", 0).ok());
  CHECK(*store->IsRefused("renamed", {0, 2, 9}));
  CHECK(*store->IsRefused("renamed", {0, 2, 6}));  // nobody knows any more, whatever the name
  CHECK_FALSE(*store->IsRefused("renamed", {0, 2, 8}));
  CHECK_FALSE(*store->IsRefused("renamed", {1, 2, 3}));
  CHECK(*store->IsRefused("s", {0, 2, 9}));
}

TEST_CASE("a dead letter cut short is damaged, not misread") {
  const std::string bytes =
      EncodeDeadLetter({.reason = "r", .detail = "d", .key = "k", .value = "v"});
  REQUIRE(DecodeDeadLetter(bytes).ok());
  for (size_t size = 0; size < bytes.size(); ++size) {
    CHECK(DecodeDeadLetter(bytes.substr(0, size)).status().code() == absl::StatusCode::kDataLoss);
  }
  CHECK_FALSE(DecodeDeadLetter(bytes + "x").ok());
}

}  // namespace
TEST_CASE("a dead letter put again under its key is counted once, with the bytes it has now") {
  const TestFolder folder;
  const auto store = folder.Open();
  const auto add = [&](size_t bytes) {
    Commit commit(*store);
    commit.AddDeadLetter("s", {0, 0, 1}, {.reason = "malformed", .value = std::string(bytes, 'x')});
    REQUIRE(commit.Apply().ok());
  };
  add(1000);
  const uint64_t once = store->dead_letter_bytes();
  CHECK(store->dead_letter_bytes("s") == once);
  CHECK(store->dead_letter_bytes("t") == 0);
  add(1000);
  CHECK(store->ReadDeadLetters("s", 10)->size() == 1);
  CHECK(store->dead_letter_bytes() == once);
  add(900);
  CHECK(store->dead_letter_bytes() == once - 100);
  const std::vector<Coordinates> delivered = {{0, 0, 1}};
  REQUIRE(store->RemoveDeadLetters("s", delivered).ok());
  CHECK(store->dead_letter_bytes() == 0);
}

}  // namespace freshet
