// Checkpoints: what they hold, what is noticed of their damage, and what a restore promises.
#include "featurestore/store/checkpoints.h"

#include <rocksdb/env.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <set>
#include <thread>

#include "folder_fixture.h"

namespace freshet {
namespace {

namespace fs = std::filesystem;

fs::path To(const TestFolder& folder) { return folder.path() / "to"; }

RestoreOptions Into(const TestFolder& folder, bool replace = false) {
  RestoreOptions options;
  options.checkpoints = To(folder);
  options.data = folder.data();
  options.project = "test";
  options.replace = replace;
  return options;
}

Checkpoint Create(Store& store, const TestFolder& folder, uint32_t keep = 6) {
  auto made = Checkpointer(store, To(folder), keep).Create();
  if (!made.ok()) FAIL(made.status());
  return *std::move(made);
}

std::vector<uint32_t> Ids(const TestFolder& folder) {
  const auto list = ListCheckpoints(To(folder));
  if (!list.ok()) FAIL(list.status());
  std::vector<uint32_t> ids;
  for (const Checkpoint& checkpoint : *list) ids.push_back(checkpoint.id);
  return ids;
}

using IdList = std::vector<uint32_t>;

// A row and its progress, without which a view's rows do not count.
void Say(Store& store, const std::string& word) {
  const ViewId a = OpenView(store, "a");
  Commit commit(store);
  commit.PutRow(a, "k", word);
  commit.Advance(a, 0, At(1));
  REQUIRE(commit.Apply().ok());
}

std::optional<std::string> Said(const TestFolder& folder) {
  auto store = folder.Open();
  return ReadRow(*store, OpenView(*store, "a"), "k");
}

// One commit of a row of each view that says `i`, and progress that does.
void CommitBoth(Store& store, ViewId a, ViewId b, int64_t i) {
  Commit commit(store);
  for (const ViewId view : {a, b}) {
    commit.PutRow(view, "k", std::to_string(i));
    commit.PutRow(view, fmt::format("k{}", i), std::string(200, 'x'));
    commit.Advance(view, 3, At(i));
  }
  REQUIRE(commit.Apply().ok());
}

// The files of a folder of checkpoints: what of it is a table, and what else there is.
std::vector<fs::path> FilesUnder(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.path().filename() != "LOCK") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void FlipBit(const fs::path& file, uint64_t at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(at));
  const char byte = static_cast<char>(stream.get() ^ 0x10);
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(byte);
}

TEST_CASE("a checkpoint made between commits holds rows and progress of one of them") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId a = OpenView(*store, "a");
  const ViewId b = OpenView(*store, "b");
  std::atomic<bool> over{false};
  std::atomic<int64_t> committed{0};
  std::thread committing([&] {
    while (!over) CommitBoth(*store, a, b, ++committed);
  });
  std::vector<int64_t> floor;
  for (int i = 0; i < 3; ++i) {
    const int64_t before = committed;
    while (committed < before + 50) std::this_thread::yield();
    floor.push_back(committed - 1);
    Create(*store, folder);
  }
  over = true;
  committing.join();
  store.reset();
  const auto list = *ListCheckpoints(To(folder));
  REQUIRE(list.size() == 3);
  for (size_t i = 0; i < list.size(); ++i) {
    fs::remove_all(folder.data());
    RestoreOptions options = Into(folder);
    options.id = list[i].id;
    const auto restored = RestoreCheckpoint(options);
    if (!restored.ok()) FAIL(restored.status());
    auto again = folder.Open();
    const ViewId a_again = OpenView(*again, "a");
    const ViewId b_again = OpenView(*again, "b");
    const auto row = ReadRow(*again, a_again, "k");
    REQUIRE(row);
    const int64_t at = std::stoll(*row);
    CHECK(at >= floor[i]);
    CHECK(ReadRow(*again, b_again, "k") == row);
    CHECK(again->ReadProgress(a_again)->at(3) == At(at));
    CHECK(again->ReadProgress(b_again)->at(3) == At(at));
    CHECK(ReadRow(*again, b_again, fmt::format("k{}", at)));
    CHECK_FALSE(ReadRow(*again, a_again, fmt::format("k{}", at + 1)));
    // What is listed of it is what it holds.
    REQUIRE(list[i].views.size() == 2);
    CHECK(list[i].views[0].name == "a");
    CHECK(list[i].views[0].progress.at(3) == At(at));
    CHECK(list[i].project == "test");
    CHECK(list[i].state.ok());
  }
}

TEST_CASE("dead letters, refusals, pushed records and producers go along") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId a = OpenView(*store, "a");
  Commit commit(*store);
  commit.Advance(a, 0, At(8));
  commit.NoteProducer(a, 0, "p", ProducerMark{5, 0, 7});
  commit.AddDeadLetter("s", {0, 0, 6}, {"malformed", "", "k", "v", 0});
  commit.AddRefusal("s", {0, 0, 5});
  REQUIRE(commit.Apply().ok());
  const Store::LocalRecord record{Timestamp{1}, "k", "v", {}};
  REQUIRE(store->AppendLocal("s", {{record}}).ok());
  REQUIRE(store->MarkComplete(a).ok());
  CHECK(Create(*store, folder).views.at(0).complete);
  store.reset();
  fs::remove_all(folder.data());
  REQUIRE(RestoreCheckpoint(Into(folder)).ok());
  store = folder.Open();
  const ViewId again = OpenView(*store, "a");
  CHECK(store->IsComplete(again));
  CHECK(store->ReadProducers(again)->at(0).at("p") == ProducerMark{5, 0, 7});
  CHECK(store->ReadDeadLetters("s", 10)->size() == 1);
  CHECK(*store->IsRefused("s", {0, 0, 5}));
  CHECK(store->ReadLocalBounds("s")->end == 1);
}

TEST_CASE("a table is copied once, and goes with the last checkpoint that has it") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId a = OpenView(*store, "a");
  const ViewId b = OpenView(*store, "b");
  for (int i = 1; i <= 500; ++i) CommitBoth(*store, a, b, i);
  Create(*store, folder, 2);
  const auto tables = [&] {
    std::set<fs::path> found;
    for (const fs::path& file : FilesUnder(To(folder) / "shared_checksum")) found.insert(file);
    return found;
  };
  const std::set<fs::path> first = tables();
  std::map<fs::path, fs::file_time_type> written;
  for (const fs::path& file : first) written[file] = fs::last_write_time(file);
  PutRow(*store, a, "new", "row");
  Create(*store, folder, 2);
  CHECK(Ids(folder) == IdList{1, 2});
  const std::set<fs::path> second = tables();
  CHECK(std::includes(second.begin(), second.end(), first.begin(), first.end()));
  for (const auto& [file, time] : written) CHECK(fs::last_write_time(file) == time);
  CHECK(second.size() == first.size() + 1);

  REQUIRE(store->CompactView(a).ok());  // other tables take the place of those of before
  Create(*store, folder, 2);
  CHECK(Ids(folder) == IdList{2, 3});
  Create(*store, folder, 2);
  CHECK(Ids(folder) == IdList{3, 4});
  const std::set<fs::path> last = tables();
  CHECK_FALSE(std::includes(last.begin(), last.end(), first.begin(), first.end()));
  for (const uint32_t id : {3u, 4u}) CHECK(VerifyCheckpoint(To(folder), id).ok());
}

TEST_CASE("a flipped bit, a cut file and a missing one are found, wherever they are") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    const ViewId a = OpenView(*store, "a");
    const ViewId b = OpenView(*store, "b");
    for (int i = 1; i <= 50; ++i) CommitBoth(*store, a, b, i);
    Create(*store, folder);
  }
  REQUIRE(VerifyCheckpoint(To(folder), 1).ok());
  const std::vector<fs::path> files = FilesUnder(To(folder));
  CHECK(files.size() > 6);
  const fs::path whole = folder.path() / "whole";
  fs::copy(To(folder), whole, fs::copy_options::recursive);
  for (const fs::path& file : files) {
    if (file.filename() == "freshet-checkpoints") continue;  // says whose the folder is
    for (const std::string kind : {"flipped at the front", "flipped behind", "cut", "missing"}) {
      const uint64_t size = fs::file_size(file);
      if (kind != "missing" && size == 0) continue;  // a log just begun
      // The head of the list of files is when it was made, and the database's number at that time.
      if (kind == "flipped at the front" && file.parent_path().filename() == "meta") continue;
      INFO(kind << ": " << file);
      if (kind == "flipped at the front") FlipBit(file, 0);
      if (kind == "flipped behind") FlipBit(file, size - 3);
      if (kind == "cut") fs::resize_file(file, size - std::min<uint64_t>(size, 20));
      if (kind == "missing") fs::remove(file);
      const Status verified = VerifyCheckpoint(To(folder), 1);
      const bool gone = kind == "missing" && file.parent_path().filename() == "meta";
      CHECK(verified.code() == (gone ? absl::StatusCode::kNotFound : absl::StatusCode::kDataLoss));
      const auto restored = RestoreCheckpoint(Into(folder, /*replace=*/true));
      CHECK(restored.status().code() == verified.code());
      CHECK(folder.Open() != nullptr);  // what was there is
      fs::remove_all(To(folder));
      fs::copy(whole, To(folder), fs::copy_options::recursive);
    }
  }
}

TEST_CASE("a restore takes the newest good checkpoint, and says which it left out and why") {
  const TestFolder folder;
  auto store = folder.Open();
  for (int i = 1; i <= 3; ++i) {
    Say(*store, std::to_string(i));
    Create(*store, folder);
  }
  Say(*store, "lost");
  store.reset();
  fs::remove_all(folder.data());
  fs::remove(To(folder) / "private" / "3" / "CURRENT");
  for (const fs::path& file : FilesUnder(To(folder) / "private" / "2")) {
    if (file.filename().string().starts_with("MANIFEST")) FlipBit(file, fs::file_size(file) / 2);
  }
  const auto list = *ListCheckpoints(To(folder));
  REQUIRE(list.size() == 3);
  CHECK(list[0].state.ok());
  CHECK(list[2].state.code() == absl::StatusCode::kDataLoss);
  const auto restored = RestoreCheckpoint(Into(folder));
  if (!restored.ok()) FAIL(restored.status());
  CHECK(restored->checkpoint.id == 1);
  REQUIRE(restored->skipped.size() == 2);
  CHECK(restored->skipped[0].id == 3);
  CHECK(Mentions(restored->skipped[0].why, "CURRENT"));
  CHECK(restored->skipped[1].id == 2);
  CHECK(absl::IsDataLoss(restored->skipped[1].why));
  CHECK(Said(folder) == "1");

  // Life goes on, in the same folder of checkpoints.
  store = folder.Open();
  CHECK(Create(*store, folder).id == 4);
  CHECK(VerifyCheckpoint(To(folder), 4).ok());
  Create(*store, folder, 2);
  CHECK(Ids(folder) == IdList{4, 5});  // damaged ones go too
}

TEST_CASE("a data folder that holds data is replaced only where that was said") {
  const TestFolder folder;
  auto store = folder.Open();
  Say(*store, "checkpoint");
  Create(*store, folder);
  Say(*store, "later");
  const Status in_use = RestoreCheckpoint(Into(folder, /*replace=*/true)).status();
  CHECK(IsFolderInUse(in_use));
  store.reset();
  const Status refused = RestoreCheckpoint(Into(folder)).status();
  CHECK(refused.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Mentions(refused, "--replace"));
  CHECK(Said(folder) == "later");
  REQUIRE(RestoreCheckpoint(Into(folder, /*replace=*/true)).ok());
  CHECK(Said(folder) == "checkpoint");
  CHECK(std::distance(fs::directory_iterator(folder.data()), fs::directory_iterator()) == 1);
}

TEST_CASE("a restore that was cut short is told by a start, and taken up by the next restore") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    Say(*store, "checkpoint");
    Create(*store, folder);
    Say(*store, "later");
  }
  const fs::path database = folder.data() / "rocksdb";
  const fs::path restored = folder.data() / "rocksdb.restored";
  const fs::path replaced = folder.data() / "rocksdb.replaced";
  // Between the two renames.
  fs::copy(database, restored, fs::copy_options::recursive);
  fs::rename(database, replaced);
  const Status start = Store::Open(folder.options()).status();
  CHECK(start.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Mentions(start, "a restore was cut short"));
  CHECK(Mentions(RestoreCheckpoint(Into(folder)).status(), "--replace"));
  CHECK(Said(folder) == "later");
  REQUIRE(RestoreCheckpoint(Into(folder, /*replace=*/true)).ok());
  CHECK(Said(folder) == "checkpoint");
  // While files were copied into an empty folder.
  fs::rename(database, restored);
  fs::remove(restored / "CURRENT");
  CHECK(Mentions(Store::Open(folder.options()).status(), "a restore was cut short"));
  REQUIRE(RestoreCheckpoint(Into(folder)).ok());
  CHECK(Said(folder) == "checkpoint");
}

TEST_CASE("checkpoints of another project are neither restored nor added to") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    Create(*store, folder);
  }
  RestoreOptions options = Into(folder);
  options.data = folder.path() / "elsewhere";
  options.project = "other";
  const Status restored = RestoreCheckpoint(options).status();
  CHECK(restored.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Mentions(restored, "project \"test\""));
  StoreOptions other = folder.options();
  other.path = folder.path() / "elsewhere";
  other.project = "other";
  auto store = TestFolder::Open(other);
  const Status made = Checkpointer(*store, To(folder), 6).Create().status();
  CHECK(made.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Mentions(made, "storage.checkpoints.to"));
  CHECK(Ids(folder) == IdList{1});
}

TEST_CASE("a folder that holds what is no checkpoint's is left as it is") {
  const TestFolder folder;
  auto store = folder.Open();
  fs::create_directories(To(folder) / "shared");
  std::ofstream(To(folder) / "shared" / "foreign") << "kept";
  const Status foreign = Checkpointer(*store, To(folder), 1).Create().status();
  CHECK(foreign.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Mentions(foreign, "holds shared"));
  CHECK(fs::exists(To(folder) / "shared" / "foreign"));
  fs::remove_all(To(folder));
  Create(*store, folder);
  CHECK(Ids(folder) == IdList{1});
}

TEST_CASE("what keeps a checkpoint from being made is said, and leaves none") {
  const TestFolder folder;
  auto store = folder.Open();
  const fs::path unmounted = folder.path() / "volume" / "to";
  const Status missing = Checkpointer(*store, unmounted, 6).Create().status();
  CHECK(missing.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Mentions(missing, "mounted"));
  CHECK_FALSE(fs::exists(folder.path() / "volume"));

  fs::create_directory(To(folder));
  rocksdb::FileLock* lock = nullptr;
  REQUIRE(rocksdb::Env::Default()->LockFile((To(folder) / "LOCK").string(), &lock).ok());
  const Status busy = Checkpointer(*store, To(folder), 6).Create().status();
  CHECK(busy.code() == absl::StatusCode::kAborted);
  REQUIRE(rocksdb::Env::Default()->UnlockFile(lock).ok());

  Checkpointer stopped(*store, To(folder), 6);
  stopped.Cancel();
  CHECK(absl::IsCancelled(stopped.Create().status()));
  CHECK(Ids(folder).empty());
  Create(*store, folder);
  fs::remove_all(To(folder));
  store.reset();
  CHECK(absl::IsNotFound(RestoreCheckpoint(Into(folder, true)).status()));
  CHECK(absl::IsNotFound(VerifyCheckpoint(To(folder), 1)));
}

}  // namespace
}  // namespace freshet
