#include <fcntl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "folder_fixture.h"

namespace {
std::atomic<bool> disk_is_full{false};
}  // namespace

// RocksDB's library calls this one in place of libc's: a full disk without filling one.
extern "C" ssize_t write(int file, const void* bytes, size_t size) {
  if (disk_is_full && file > STDERR_FILENO) {
    errno = ENOSPC;
    return -1;
  }
  return syscall(SYS_write, file, bytes, size);
}

// The same of the space that is left: none of it is free while this is set.
namespace {
std::atomic<bool> no_space_is_free{false};
}  // namespace
extern "C" int statvfs(const char* path, struct statvfs* disk) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  const int result = file < 0 ? -1 : fstatvfs(file, disk);
  if (file >= 0) close(file);
  if (no_space_is_free) disk->f_bavail = 0;
  return result;
}

namespace freshet {
namespace {

struct FullDisk {
  FullDisk() { disk_is_full = true; }
  ~FullDisk() { disk_is_full = false; }
};

// What a commit leaves of a row and its progress.
struct Written {
  std::optional<std::string> row;
  std::map<int32_t, Progress> progress;
};
Written Now(const Store& store, ViewId view) {
  return {ReadRow(store, view, "k"), *store.ReadProgress(view)};
}

TEST_CASE("a commit's rows, progress, dead letters and refusals appear together") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId a = OpenView(*store, "a");
  const ViewId b = OpenView(*store, "b");
  Commit commit(*store);
  commit.PutRow(a, "k", "row a");
  commit.PutRow(b, "k", "row b");
  commit.Advance(a, 0, At(10));
  commit.Advance(b, 0, At(10));
  commit.Advance(b, 3, At(4));
  commit.AddDeadLetter("s", {0, 0, 9}, {.reason = "malformed"});
  commit.AddRefusal("s", {0, 0, 8});
  CHECK_FALSE(ReadRow(*store, a, "k"));
  CHECK(store->ReadProgress(a)->empty());
  CHECK(store->ReadDeadLetters("s", 10)->empty());

  REQUIRE(commit.Apply().ok());
  CHECK(ReadRow(*store, a, "k") == "row a");
  CHECK(ReadRow(*store, b, "k") == "row b");
  CHECK(*store->ReadProgress(a) == std::map<int32_t, Progress>{{0, At(10)}});
  CHECK(*store->ReadProgress(b) == std::map<int32_t, Progress>{{0, At(10)}, {3, At(4)}});
  CHECK(store->ReadDeadLetters("s", 10)->size() == 1);
  CHECK(*store->IsRefused("s", {0, 0, 8}));
  CHECK_FALSE(*store->IsRefused("s", {0, 0, 7}));
}

TEST_CASE("an applied commit is empty and may be filled again") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v");
  Commit commit(*store);
  const size_t empty = commit.bytes();
  commit.PutRow(view, "k", "1");
  CHECK(commit.bytes() > empty);
  REQUIRE(commit.Apply().ok());
  CHECK(commit.bytes() == empty);
  commit.DeleteRow(view, "k");
  REQUIRE(commit.Apply().ok());
  CHECK_FALSE(ReadRow(*store, view, "k"));
}

TEST_CASE("what was committed survives destruction without a flush") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    const ViewId view = OpenView(*store, "v");
    Commit commit(*store);
    commit.PutRow(view, "k", "row");
    commit.Advance(view, 2, At(7));
    commit.AddDeadLetter("s", {0, 2, 6}, {.reason = "malformed"});
    REQUIRE(commit.Apply().ok());
  }
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v");
  CHECK(ReadRow(*store, view, "k") == "row");
  CHECK(store->ReadProgress(view)->at(2) == At(7));
  CHECK(store->dead_letter_bytes() > 0);
}

TEST_CASE("a commit to a version that was replaced fails whole, and says so") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId other = OpenView(*store, "other");
  const ViewId old_version = OpenView(*store, "v", "1");
  const ViewId new_version = OpenView(*store, "v", "2");
  REQUIRE(store->MarkComplete(new_version).ok());
  Commit commit(*store);
  commit.PutRow(other, "k", "row");
  commit.PutRow(old_version, "k", "row");
  commit.Advance(other, 0, At(1));
  const Status applied = commit.Apply();
  CHECK(applied.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Mentions(applied, "replaced"));
  CHECK_FALSE(ReadRow(*store, other, "k"));
  CHECK(store->ReadProgress(other)->empty());
}

TEST_CASE("progress that is forgotten leaves that of the other partitions") {
  const TestFolder folder;
  const auto store = folder.Open();
  const ViewId view = OpenView(*store, "v");
  Commit commit(*store);
  for (const int32_t partition : {0, 1}) commit.Advance(view, partition, At(3));
  REQUIRE(commit.Apply().ok());
  commit.Forget(view, 1);
  REQUIRE(commit.Apply().ok());
  CHECK(*store->ReadProgress(view) == std::map<int32_t, Progress>{{0, At(3)}});
}

TEST_CASE("a read-only store refuses a commit and keeps it") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    OpenView(*store, "v");
  }
  StoreOptions options = folder.options();
  options.read_only = true;
  auto store = TestFolder::Open(options);
  const ViewId view = OpenView(*store, "v");
  Commit commit(*store);
  commit.PutRow(view, "k", "row");
  const size_t bytes = commit.bytes();
  CHECK_FALSE(commit.Apply().ok());
  CHECK(commit.bytes() == bytes);
}

TEST_CASE(
    "a commit that would not fit the disk is not begun, and goes through once there is room") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v");
  Commit commit(*store);
  commit.PutRow(view, "k", "row");
  no_space_is_free = true;
  const uint64_t written = store->Statistics().wal_bytes_written;
  for (int i = 0; i < 3; ++i) {
    const Status refused = commit.Apply();
    CHECK(refused.code() == absl::StatusCode::kResourceExhausted);
    CHECK(refused.message().find("the disk is full") != std::string_view::npos);
  }
  CHECK(store->Statistics().wal_bytes_written == written);
  CHECK(store->Flush().ok());  // the WAL has it all
  no_space_is_free = false;
  CHECK(commit.Apply().ok());
  CHECK(ReadRow(*store, view, "k") == "row");
}

TEST_CASE("a commit that the disk refused was not applied, and is applied whole once it may be") {
  const TestFolder folder;
  std::map<int32_t, Progress> expected = {{0, At(2)}};
  {
    auto store = folder.Open();
    const ViewId view = OpenView(*store, "v");
    Commit commit(*store);
    commit.PutRow(view, "k", "before");
    commit.Advance(view, 0, At(1));
    REQUIRE(commit.Apply().ok());

    const std::string large(1 << 20, 'x');
    commit.PutRow(view, "k", large);
    commit.PutRow(view, "k2", "second");
    commit.Advance(view, 0, At(2));
    commit.AddDeadLetter("s", {0, 0, 1}, {.reason = "malformed"});
    const size_t bytes = commit.bytes();
    {
      const FullDisk full;
      for (int i = 0; i < 3; ++i) {
        CHECK(commit.Apply().code() == absl::StatusCode::kResourceExhausted);
        CHECK(commit.bytes() == bytes);
        CHECK(ReadRow(*store, view, "k") == "before");
        CHECK_FALSE(ReadRow(*store, view, "k2"));
        CHECK(store->ReadProgress(view)->at(0) == At(1));
        CHECK(store->dead_letter_bytes() == 0);
      }
    }
    // RocksDB's own thread looks for space every 5 s.
    Status applied = commit.Apply();
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!applied.ok() && std::chrono::steady_clock::now() < give_up) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      applied = commit.Apply();
    }
    INFO(applied);
    REQUIRE(applied.ok());
    CHECK(ReadRow(*store, view, "k") == large);
    CHECK(*store->ReadProgress(view) == expected);
    CHECK(store->dead_letter_bytes() > 0);
  }
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v");
  CHECK(ReadRow(*store, view, "k2") == "second");
  CHECK(*store->ReadProgress(view) == expected);
}

// The mutants of tests/faults: each shows in its window what a commit never shows.
TEST_CASE("faulty commits: what a kill in their window would leave") {
  const TestFolder folder;
  std::optional<Written> seen;
  Store* store_seen = nullptr;
  ViewId view_seen;
  StoreOptions options = folder.options();
  options.faults.between = [&] { seen = Now(*store_seen, view_seen); };
  const auto run = [&](CommitFaults::Kind kind) {
    options.faults.kind = kind;
    auto store = TestFolder::Open(options);
    const ViewId view = OpenView(*store, "v");
    store_seen = store.get();
    view_seen = view;
    Commit commit(*store);
    commit.PutRow(view, "k", "row");
    commit.Advance(view, 0, At(5));
    commit.Advance(view, 1, At(5));
    REQUIRE(commit.Apply().ok());
    return Now(*store, view);
  };

  SECTION("none: no window") {
    run(CommitFaults::Kind::kNone);
    CHECK_FALSE(seen);
  }
  SECTION("offsets in a second WriteBatch: rows without their progress") {
    const Written after = run(*CommitFaults::FromName("offsets_in_second_batch"));
    REQUIRE(seen);
    CHECK(seen->row == "row");
    CHECK(seen->progress.empty());
    CHECK(after.progress.at(0) == At(5));
  }
  SECTION("offsets before rows: progress without its rows") {
    const Written after = run(*CommitFaults::FromName("offsets_before_rows"));
    REQUIRE(seen);
    CHECK_FALSE(seen->row);
    CHECK(seen->progress.at(0) == At(5));
    CHECK(after.row == "row");
  }
  SECTION("one partition's offset off by one") {
    const Written after = run(*CommitFaults::FromName("offset_off_by_one"));
    CHECK_FALSE(seen);
    CHECK(after.progress.at(0) == At(4));
    CHECK(after.progress.at(1) == At(5));
  }
  CHECK_FALSE(CommitFaults::FromName("no_such_fault"));
}

}  // namespace
}  // namespace freshet
