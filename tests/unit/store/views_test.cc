#include <rocksdb/db.h>

#include <algorithm>

#include "folder_fixture.h"

namespace freshet {
namespace {

std::vector<std::string> FamiliesOf(const TestFolder& folder) {
  std::vector<std::string> families;
  REQUIRE(
      rocksdb::DB::ListColumnFamilies({}, (folder.data() / "rocksdb").string(), &families).ok());
  std::erase_if(families,
                [](const std::string& name) { return name.find('@') == std::string::npos; });
  std::sort(families.begin(), families.end());
  return families;
}

void PutWithProgress(Store& store, ViewId view, const std::string& row, int64_t next) {
  Commit commit(store);
  commit.PutRow(view, "k", row);
  commit.Advance(view, 0, At(next));
  REQUIRE(commit.Apply().ok());
}

TEST_CASE("a new view is not complete until it is marked, and then it is across restarts") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    const ViewId view = OpenView(*store, "v", "1");
    CHECK_FALSE(store->IsComplete(view));
    CHECK_FALSE(store->view_status(view).complete);
    CHECK_FALSE(store->CompleteVersion("v"));
    REQUIRE(store->MarkComplete(view).ok());
    CHECK(store->IsComplete(view));
    CHECK(store->view_status(view).complete);
    CHECK(store->CompleteVersion("v") == "1");
  }
  auto store = folder.Open();
  CHECK(store->CompleteVersion("v") == "1");
  CHECK(store->IsComplete(OpenView(*store, "v", "1")));
}

TEST_CASE("what producers sent last stands beside the progress, and goes with it") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    const ViewId view = OpenView(*store, "v", "1");
    Commit commit(*store);
    commit.Advance(view, 0, At(10));
    commit.NoteProducer(view, 0, "till-7", ProducerMark{41, 0, 9});
    commit.NoteProducer(view, 0, "till-8", ProducerMark{1, 0, 8});
    commit.NoteProducer(view, 3, std::string("\0odd", 4), ProducerMark{2, 1, 5});
    REQUIRE(commit.Apply().ok());
    Commit next(*store);
    next.NoteProducer(view, 0, "till-7", ProducerMark{42, 0, 11});
    next.NoteProducer(view, 0, "till-8", std::nullopt);
    REQUIRE(next.Apply().ok());
  }
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v", "1");
  CHECK(store->ReadProgress(view)->size() == 1);
  const auto producers = store->ReadProducers(view);
  REQUIRE(producers.ok());
  REQUIRE(producers->size() == 2);
  CHECK(producers->at(0) == ProducerMarks{{"till-7", ProducerMark{42, 0, 11}}});
  CHECK(producers->at(3).at(std::string("\0odd", 4)).sequence == 2);
  // Another version has its own, and the switch takes those of the old one.
  const ViewId other = OpenView(*store, "v", "2");
  CHECK(store->ReadProducers(other)->empty());
  PutWithProgress(*store, other, "row", 10);
  REQUIRE(store->MarkComplete(other).ok());
  CHECK(store->ReadProducers(view)->empty());
}

TEST_CASE("a rebuild fills a family of its own; one commit switches and drops the old one") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    const ViewId old_version = OpenView(*store, "v", "1");
    PutWithProgress(*store, old_version, "old", 100);
    REQUIRE(store->MarkComplete(old_version).ok());
  }
  {
    auto store = folder.Open();
    const ViewId view = OpenView(*store, "v", "2");
    CHECK_FALSE(store->IsComplete(view));
    CHECK(store->CompleteVersion("v") == "1");
    CHECK_FALSE(ReadRow(*store, view, "k"));
    CHECK(store->ReadProgress(view)->empty());
    PutWithProgress(*store, view, "half", 40);
  }
  {
    // The rebuild goes on where it was; the old version is still there.
    auto store = folder.Open();
    CHECK(FamiliesOf(folder) == std::vector<std::string>{"v@1", "v@2"});
    const ViewId view = OpenView(*store, "v", "2");
    CHECK_FALSE(store->IsComplete(view));
    CHECK(store->ReadProgress(view)->at(0) == At(40));
    PutWithProgress(*store, view, "new", 100);
    REQUIRE(store->MarkComplete(view).ok());
    CHECK(ReadRow(*store, view, "k") == "new");
    CHECK(FamiliesOf(folder) == std::vector<std::string>{"v@2"});
  }
  auto store = folder.Open();
  const ViewId back = OpenView(*store, "v", "1");
  CHECK_FALSE(store->IsComplete(back));
  CHECK(store->ReadProgress(back)->empty());
  CHECK_FALSE(ReadRow(*store, back, "k"));
}

TEST_CASE("readers of the old version keep their answers through the switch") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId old_version = OpenView(*store, "v", "1");
  const ViewId new_version = OpenView(*store, "v", "2");
  PutRow(*store, old_version, "k", "old");
  PutRow(*store, new_version, "k", "new");
  RowReads reads;
  reads.Add(old_version, "k");
  REQUIRE(store->Read(reads).ok());
  REQUIRE(store->MarkComplete(new_version).ok());
  CHECK(reads.row(0) == "old");
  CHECK(ReadRow(*store, old_version, "k") == "old");
  CHECK(ReadRow(*store, new_version, "k") == "new");
  CHECK_FALSE(store->IsComplete(old_version));
  CHECK_FALSE(store->MarkComplete(old_version).ok());
  CHECK(store->Statistics().views.size() == 1);
}

// The state that a crash between the switch and the drop leaves: version 2 complete, the family of
// 1 there without progress.
TEST_CASE(
    "what a replaced version holds is freed when its readers have gone, and not found any more") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId old_version = OpenView(*store, "v", "1");
  PutRow(*store, old_version, "k", "old");
  REQUIRE(store->MarkComplete(old_version).ok());
  const ViewId view = OpenView(*store, "v", "2");
  CHECK(store->FindOpened("v", "1") == old_version);
  CHECK(store->FindOpened("v", "2") == view);
  CHECK_FALSE(store->FindOpened("v", "3"));
  PutRow(*store, view, "k", "new");
  REQUIRE(store->MarkComplete(view).ok());
  CHECK(ReadRow(*store, old_version, "k") == "old");
  CHECK_FALSE(store->FindOpened("v", "1"));
  REQUIRE(store->CloseReplaced().ok());
  REQUIRE(store->CloseReplaced().ok());
  CHECK(ReadRow(*store, view, "k") == "new");
  CHECK(store->Statistics().views.size() == 1);
  // Declared again it is another: built from the log.
  const ViewId again = OpenView(*store, "v", "1");
  CHECK(again != old_version);
  CHECK_FALSE(ReadRow(*store, again, "k"));
}

TEST_CASE("read-only beside a store that writes, one state is seen") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v");
  for (int i = 0; i < 100; ++i) PutWithProgress(*store, view, std::to_string(i), i);
  StoreOptions options = folder.options();
  options.read_only = true;
  const auto reader = TestFolder::Open(options);
  const ViewId seen = OpenView(*reader, "v");
  for (int i = 100; i < 200; ++i) PutWithProgress(*store, view, std::to_string(i), i);
  REQUIRE(store->Flush().ok());
  REQUIRE(store->CompactView(view).ok());
  CHECK(ReadRow(*reader, seen, "k") == "99");
  CHECK(reader->ReadProgress(seen)->at(0).next == 99);
}

TEST_CASE("a crash between the switch and the drop is repaired at the next open") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    const ViewId view = OpenView(*store, "v", "2");
    PutWithProgress(*store, view, "new", 9);
    REQUIRE(store->MarkComplete(view).ok());
    PutRow(*store, OpenView(*store, "v", "1"), "k", "old");
  }
  REQUIRE(FamiliesOf(folder) == std::vector<std::string>{"v@1", "v@2"});
  auto store = folder.Open();
  CHECK(FamiliesOf(folder) == std::vector<std::string>{"v@2"});
  CHECK(ReadRow(*store, OpenView(*store, "v", "2"), "k") == "new");
}

TEST_CASE("a complete version that nothing follows tidies what another left") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v", "1");
  REQUIRE(store->MarkComplete(view).ok());
  PutWithProgress(*store, OpenView(*store, "v", "2"), "tried", 3);
  REQUIRE(store->DropOthers(view).ok());
  CHECK(FamiliesOf(folder) == std::vector<std::string>{"v@1"});
  // And a version that comes back begins anew.
  const ViewId again = OpenView(*store, "v", "2");
  CHECK(store->ReadProgress(again)->empty());
  CHECK_FALSE(ReadRow(*store, again, "k"));
}

TEST_CASE("a version that becomes complete leaves one that was asked for after it") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId first = OpenView(*store, "v", "1");
  PutWithProgress(*store, first, "one", 9);
  REQUIRE(store->MarkComplete(first).ok());
  const ViewId second = OpenView(*store, "v", "2");
  PutWithProgress(*store, second, "two", 9);
  const ViewId third = OpenView(*store, "v", "3");
  PutWithProgress(*store, third, "three", 4);
  SECTION("a newer one, which is built on") {
    REQUIRE(store->MarkComplete(second).ok());
    CHECK(FamiliesOf(folder) == std::vector<std::string>{"v@2", "v@3"});
    CHECK(store->ReadProgress(third)->at(0).next == 4);
    PutWithProgress(*store, third, "three", 9);
    REQUIRE(store->MarkComplete(third).ok());
    CHECK(FamiliesOf(folder) == std::vector<std::string>{"v@3"});
  }
  SECTION("an older one, which is declared again") {
    CHECK(store->FindOpened("v", "1") == first);
    REQUIRE(store->MarkComplete(second).ok());
    CHECK(FamiliesOf(folder) == std::vector<std::string>{"v@1", "v@2", "v@3"});
    CHECK(store->IsComplete(first));
    PutWithProgress(*store, first, "one more", 10);
    CHECK(store->CompleteVersion("v") == "2");
    REQUIRE(store->DropOthers(first).ok());
    CHECK(FamiliesOf(folder) == std::vector<std::string>{"v@1"});
    CHECK(store->CompleteVersion("v") == "1");
    CHECK_FALSE(store->IsComplete(second));
  }
}

TEST_CASE("a view that is removed from the declaration is kept and named") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    const ViewId kept = OpenView(*store, "kept");
    PutWithProgress(*store, kept, "row", 5);
    REQUIRE(store->MarkComplete(kept).ok());
    OpenView(*store, "other");
  }
  {
    auto store = folder.Open();
    OpenView(*store, "other");
    CHECK(store->UnopenedViews() == std::vector<std::string>{"kept"});
  }
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "kept");
  CHECK(store->IsComplete(view));
  CHECK(ReadRow(*store, view, "k") == "row");
  CHECK(store->ReadProgress(view)->at(0) == At(5));
}

TEST_CASE("a view that is reset is as if it had never been there, the others stay") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    for (const char* name : {"v", "v2"}) {
      const ViewId view = OpenView(*store, name, "1");
      PutWithProgress(*store, view, "row", 7);
      REQUIRE(store->MarkComplete(view).ok());
    }
    PutWithProgress(*store, OpenView(*store, "v", "2"), "half", 3);
  }
  {
    auto store = folder.Open();
    CHECK(absl::IsNotFound(store->ResetView("w")));
    REQUIRE(store->ResetView("v").ok());
    CHECK_FALSE(store->CompleteVersion("v"));
    CHECK(absl::IsNotFound(store->ResetView("v")));
  }
  CHECK(FamiliesOf(folder) == std::vector<std::string>{"v2@1"});
  auto store = folder.Open();
  for (const char* version : {"1", "2"}) {
    const ViewId view = OpenView(*store, "v", version);
    CHECK_FALSE(store->IsComplete(view));
    CHECK_FALSE(ReadRow(*store, view, "k"));
    CHECK(store->ReadProgress(view)->empty());
  }
  const ViewId other = OpenView(*store, "v2", "1");
  CHECK(store->IsComplete(other));
  CHECK(ReadRow(*store, other, "k") == "row");
  CHECK(store->ReadProgress(other)->at(0).next == 7);
}

TEST_CASE("opening a view twice gives the same id") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v");
  const ViewId other = OpenView(*store, "w");
  CHECK(view.index == 0);
  CHECK(other.index == 1);
  CHECK(OpenView(*store, "v") == view);
}

TEST_CASE("views whose names begin alike keep their progress apart") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId shorter = OpenView(*store, "v", "1");
  const ViewId longer = OpenView(*store, "v1", "1");
  PutWithProgress(*store, shorter, "a", 1);
  PutWithProgress(*store, longer, "b", 2);
  CHECK(store->ReadProgress(shorter)->at(0) == At(1));
  CHECK(store->ReadProgress(longer)->at(0) == At(2));
  CHECK(store->ReadProgress(shorter)->size() == 1);
}

// Expiry. keep = 100 s.
Timestamp Seconds(int64_t n) { return Timestamp{} + Duration::Seconds(n); }

size_t RowsHeld(const Store& store, ViewId view) {
  size_t rows = 0;
  REQUIRE(store.Scan(view, [&](std::string_view, std::string_view) { return ++rows != 0; }).ok());
  return rows;
}

TEST_CASE("compaction removes a row once newest + keep < E, never earlier") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v", "1", Duration::Seconds(100));
  for (int i = 0; i < 10; ++i)
    PutRow(*store, view, "k" + std::to_string(i), RowBytes(Seconds(i), "body"));

  REQUIRE(store->CompactView(view).ok());
  CHECK(RowsHeld(*store, view) == 10);  // no bound yet
  store->SetExpiryBound(view, Seconds(100));
  REQUIRE(store->CompactView(view).ok());
  CHECK(RowsHeld(*store, view) == 10);  // 0 + 100 is not below 100
  store->SetExpiryBound(view, Seconds(104));
  REQUIRE(store->CompactView(view).ok());
  CHECK(RowsHeld(*store, view) == 6);
  CHECK_FALSE(ReadRow(*store, view, "k3"));
  CHECK(ReadRow(*store, view, "k4"));
  CHECK(store->Statistics().views.at(0).expired_rows_dropped == 4);
}

TEST_CASE("compaction removes a deleted row once no as_of reaches before the delete") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view =
      store->OpenView({"v", "1", std::nullopt, /*keep_deleted=*/Duration::Seconds(100)}).value();
  std::string deleted = RowBytes(Seconds(5), "");
  deleted[0] = 3;
  std::string since = RowBytes(Seconds(5), "");  // 0: the delete is of that time too
  since[0] = 2;
  since += '\0';
  PutRow(*store, view, "deleted", deleted);
  PutRow(*store, view, "since", since);
  PutRow(*store, view, "never", RowBytes(Seconds(0), "body"));
  store->SetExpiryBound(view, Seconds(105));
  REQUIRE(store->CompactView(view).ok());
  CHECK(RowsHeld(*store, view) == 3);
  store->SetExpiryBound(view, Seconds(106));
  REQUIRE(store->CompactView(view).ok());
  // A view without ttl keeps all that has events.
  CHECK(RowsHeld(*store, view) == 2);
  CHECK_FALSE(ReadRow(*store, view, "deleted"));

  const ViewId other =
      store->OpenView({"w", "1", Duration::Seconds(1), /*keep_deleted=*/Duration::Seconds(100)})
          .value();
  PutRow(*store, other, "since", since);
  store->SetExpiryBound(other, Seconds(105));
  REQUIRE(store->CompactView(other).ok());
  CHECK(RowsHeld(*store, other) == 1);
  store->SetExpiryBound(other, Seconds(106));
  REQUIRE(store->CompactView(other).ok());
  CHECK(RowsHeld(*store, other) == 0);
}

TEST_CASE("a view whose rows are kept longer than before is complete since the change") {
  const TestFolder folder;
  const auto since_after = [&](std::optional<Duration> keep) {
    auto store = folder.Open();
    const ViewId view = store->OpenView({"v", "1", keep, {}}).value();
    const auto progress = store->ReadProgress(view).value();
    return progress.at(0).complete_since;
  };
  {
    auto store = folder.Open();
    const ViewId view = OpenView(*store, "v", "1", Duration::Seconds(100));
    REQUIRE(store->MarkComplete(view).ok());
    Commit commit(*store);
    Progress progress;
    progress.next = 5;
    progress.newest_event = Seconds(1000);
    progress.expiry_time = Seconds(1007);
    commit.Advance(view, 0, progress);
    REQUIRE(commit.Apply().ok());
  }
  CHECK_FALSE(since_after(Duration::Seconds(100)));
  CHECK_FALSE(since_after(Duration::Seconds(50)));
  CHECK(since_after(Duration::Seconds(51)) == Seconds(1007));
  CHECK(since_after(std::nullopt) == Seconds(1007));
}

TEST_CASE("the expiry bound never goes back") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v", "1", Duration::Seconds(100));
  PutRow(*store, view, "k", RowBytes(Seconds(0), "body"));
  store->SetExpiryBound(view, Seconds(1000));
  store->SetExpiryBound(view, Seconds(1));
  REQUIRE(store->CompactView(view).ok());
  CHECK(RowsHeld(*store, view) == 0);
}

TEST_CASE("a view without ttl keeps its rows whatever the bound") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v");
  PutRow(*store, view, "k", RowBytes(Seconds(0), "body"));
  store->SetExpiryBound(view, kMaxEventTime);
  REQUIRE(store->CompactView(view).ok());
  CHECK(RowsHeld(*store, view) == 1);
}

TEST_CASE("after a restart nothing expires until the bound is known again") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    const ViewId view = OpenView(*store, "v", "1", Duration::Seconds(100));
    PutWithProgress(*store, view, RowBytes(Seconds(0), "body"), 1);
    store->SetExpiryBound(view, Seconds(1000));
  }
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v", "1", Duration::Seconds(100));
  REQUIRE(store->CompactView(view).ok());
  CHECK(RowsHeld(*store, view) == 1);
}

TEST_CASE(
    "an expired row that compaction removed does not come back as an older version of itself") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v", "1", Duration::Seconds(100));
  PutRow(*store, view, "k", RowBytes(Seconds(0), "older"));
  REQUIRE(store->CompactView(view).ok());
  PutRow(*store, view, "k", RowBytes(Seconds(1), "newer"));
  store->SetExpiryBound(view, Seconds(500));
  REQUIRE(store->CompactView(view).ok());
  CHECK_FALSE(ReadRow(*store, view, "k"));
}

TEST_CASE("a damaged row stays through compaction, for a read to report") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v", "1", Duration::Seconds(100));
  PutRow(*store, view, "k", "?");
  store->SetExpiryBound(view, kMaxEventTime);
  REQUIRE(store->CompactView(view).ok());
  CHECK(ReadRow(*store, view, "k") == "?");
}

TEST_CASE("a read row stays valid while compaction removes it") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v", "1", Duration::Seconds(100));
  const std::string row = RowBytes(Seconds(0), std::string(1000, 'x'));
  PutRow(*store, view, "k", row);
  RowReads reads;
  reads.Add(view, "k");
  REQUIRE(store->Read(reads).ok());
  store->SetExpiryBound(view, Seconds(1000));
  REQUIRE(store->CompactView(view).ok());
  CHECK(reads.row(0) == row);
}

}  // namespace
}  // namespace freshet
