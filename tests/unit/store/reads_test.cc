#include <fmt/format.h>

#include <fstream>
#include <random>
#include <thread>

#include "folder_fixture.h"

namespace freshet {
namespace {

TEST_CASE(
    "one MultiGet answers rows of several views, in the order asked, absent ones and repeated ones "
    "too") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId a = OpenView(*store, "a");
  const ViewId b = OpenView(*store, "b");
  Commit commit(*store);
  for (int i = 0; i < 100; i += 2) {
    commit.PutRow(a, "k" + std::to_string(i), "a" + std::to_string(i));
    commit.PutRow(b, "k" + std::to_string(i), "b" + std::to_string(i));
  }
  REQUIRE(commit.Apply().ok());
  const bool flushed = GENERATE(false, true);
  if (flushed) REQUIRE(store->Flush().ok());

  const uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  RowReads reads;
  for (const size_t count : {0, 1, 2, 31, 32, 33, 500}) {
    reads.Clear();
    std::vector<std::pair<ViewId, int>> asked;
    std::vector<std::string> keys(count);
    for (size_t i = 0; i < count; ++i) {
      asked.emplace_back(random() % 2 == 0 ? a : b, random() % 100);
      keys[i] = "k" + std::to_string(asked[i].second);
      CHECK(reads.Add(asked[i].first, keys[i]) == i);
    }
    REQUIRE(store->Read(reads).ok());
    CHECK(reads.size() == count);
    for (size_t i = 0; i < count; ++i) {
      const auto [view, number] = asked[i];
      if (number % 2 == 1) {
        CHECK_FALSE(reads.row(i));
      } else {
        CHECK(reads.row(i) == (view == a ? "a" : "b") + std::to_string(number));
      }
    }
  }
  CHECK_FALSE(reads.row(500));
}

TEST_CASE("a view opened while others are read answers at once") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId first = OpenView(*store, "first");
  PutRow(*store, first, "k", "row");
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::thread reader([&] {
    RowReads reads;
    while (!stop) {
      reads.Clear();
      reads.Add(first, "k");
      reads.Add(first, "none");
      if (!store->Read(reads).ok() || reads.row(0) != "row" || reads.row(1)) ++wrong;
    }
  });
  for (int i = 0; i < 10; ++i) {
    const ViewId view = OpenView(*store, "v", std::to_string(i));
    PutRow(*store, view, "k", std::to_string(i));
    CHECK(ReadRow(*store, view, "k") == std::to_string(i));
    CHECK(store->MarkComplete(view).ok());
  }
  stop = true;
  reader.join();
  CHECK(wrong == 0);
}

TEST_CASE("scan gives every row in key order and stops when told") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v");
  Commit commit(*store);
  for (const char* key : {"b", "a", "c"}) commit.PutRow(view, key, std::string("row ") + key);
  REQUIRE(commit.Apply().ok());
  std::string seen;
  REQUIRE(store
              ->Scan(view,
                     [&](std::string_view key, std::string_view row) {
                       seen += std::string(key) + "=" + std::string(row) + ";";
                       return key != "b";
                     })
              .ok());
  CHECK(seen == "a=row a;b=row b;");
}

TEST_CASE("statistics count what happened") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v");
  Commit commit(*store);
  for (int i = 0; i < 1000; ++i)
    commit.PutRow(view, "k" + std::to_string(i), std::string(100, 'x'));
  REQUIRE(commit.Apply().ok());
  StoreStatistics before = store->Statistics();
  CHECK(before.wal_bytes_written > 100'000);
  CHECK(before.wal_bytes > 100'000);
  CHECK(before.views.at(0).memtable_bytes > 100'000);
  CHECK(before.flush_bytes_written == 0);

  REQUIRE(store->Flush().ok());
  for (int i = 0; i < 1000; ++i) ReadRow(*store, view, "absent" + std::to_string(i));
  for (int i = 0; i < 10; ++i) ReadRow(*store, view, "k" + std::to_string(i));
  const StoreStatistics after = store->Statistics();
  CHECK(after.views.at(0).view == "v");
  CHECK(after.views.at(0).estimate_num_keys == 1000);
  CHECK(after.views.at(0).live_sst_files_bytes > 0);
  REQUIRE(after.views.at(0).levels.size() == 1);
  CHECK(after.views.at(0).levels[0].files == 1);
  CHECK(after.flush_bytes_written > 0);
  CHECK(after.bloom_useful > 900);
  CHECK(after.bloom_true_positive >= 10);
  CHECK(after.rows_read - before.rows_read == 1010);
  CHECK(after.block_cache_hits + after.block_cache_misses > 0);
  CHECK(after.block_cache_lookups.size() == 3);
  CHECK(after.size_bytes > 0);
  CHECK(after.free_bytes > 0);
  CHECK(after.block_cache_capacity == folder.options().memory_bytes);
}

TEST_CASE("an error of a flush is counted, in whatever view it was") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v");
  PutRow(*store, view, "k", "row");
  CHECK(store->Statistics().background_errors == 0);
  // Where the next table files are to be, there are folders.
  std::error_code taken;
  for (int number = 0; number < 100; ++number) {
    const std::string name = fmt::format("{:06}.sst", number);
    std::filesystem::create_directory(folder.data() / "rocksdb" / name, taken);
  }
  CHECK_FALSE(store->Flush().ok());
  CHECK(store->Statistics().background_errors > 0);
}

TEST_CASE("what was pushed without Kafka counts as disk") {
  const TestFolder folder;
  auto store = folder.Open();
  REQUIRE(store->Flush().ok());
  const uint64_t before = store->Statistics().size_bytes;
  std::string noise(1 << 20, '\0');
  std::mt19937 random(1);
  for (char& byte : noise) byte = static_cast<char>(random());
  const std::vector<Store::LocalRecord> records(1, {.value = noise});
  REQUIRE(store->AppendLocal("s", records).ok());
  REQUIRE(store->Flush().ok());
  const StoreStatistics after = store->Statistics();
  CHECK(after.size_bytes - after.wal_bytes > before + noise.size() / 2);
}

TEST_CASE("the parts of the memory budget add up to it") {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.memory_bytes = GENERATE(8ull << 20, 512ull << 20, 16ull << 30);
  auto store = TestFolder::Open(options);
  uint64_t total = 0;
  for (const MemoryPart& part : store->Memory()) total += part.budget_bytes;
  CHECK(total == options.memory_bytes);
}

TEST_CASE("many views share the memory budget") {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.memory_bytes = 8 << 20;
  auto store = TestFolder::Open(options);
  for (int i = 0; i < 20; ++i) {
    const ViewId view = OpenView(*store, "v" + std::to_string(i));
    Commit commit(*store);
    for (int k = 0; k < 1000; ++k)
      commit.PutRow(view, "k" + std::to_string(k), std::string(500, 'x'));
    REQUIRE(commit.Apply().ok());
  }
  for (const MemoryPart& part : store->Memory()) {
    INFO(part.part);
    // 10 MB went in. While the disk catches up there may be twice the share, and one commit.
    CHECK(part.used_bytes <= 2 * part.budget_bytes + (1 << 20));
  }
}

}  // namespace
}  // namespace freshet
