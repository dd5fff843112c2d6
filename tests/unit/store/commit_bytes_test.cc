#include "folder_fixture.h"

namespace freshet {
namespace {

Progress UpTo(int64_t next) {
  Progress progress;
  progress.next = next;
  return progress;
}

}  // namespace

TEST_CASE("a commit shipped as bytes does to another store what it does to its own") {
  const TestFolder here, there;
  auto mine = here.Open();
  auto theirs = there.Open();
  const ViewId a = OpenView(*mine, "a");
  const ViewId b = OpenView(*mine, "b");
  // In another order, so that nothing has the same number.
  const ViewId their_b = OpenView(*theirs, "b");
  const ViewId other = OpenView(*theirs, "other");
  const ViewId their_a = OpenView(*theirs, "a");
  {
    Commit before(*theirs);
    before.PutRow(their_a, "gone", "old");
    before.PutRow(other, "k", "other's");
    REQUIRE(before.Apply().ok());
  }
  Commit commit(*mine);
  commit.PutRow(a, "k", "row a");
  commit.PutRow(b, "k", std::string("row\0b", 5));
  commit.DeleteRow(a, "gone");
  commit.Advance(a, 0, UpTo(10));
  commit.Advance(b, 3, UpTo(4));
  commit.AddDeadLetter("s", {0, 0, 9}, {.reason = "malformed"});
  commit.AddRefusal("s", {0, 0, 8});
  const auto bytes = commit.Serialize();
  REQUIRE(bytes.ok());

  auto shipped = Commit::Deserialize(*theirs, *bytes);
  REQUIRE(shipped.ok());
  REQUIRE(shipped->Apply().ok());
  CHECK(ReadRow(*theirs, their_a, "k") == "row a");
  CHECK(ReadRow(*theirs, their_b, "k") == std::string("row\0b", 5));
  CHECK(ReadRow(*theirs, other, "k") == "other's");
  CHECK_FALSE(ReadRow(*theirs, their_a, "gone"));
  CHECK(theirs->ReadProgress(their_a)->at(0).next == 10);
  CHECK(theirs->ReadProgress(their_b)->at(3).next == 4);
  CHECK(theirs->ReadDeadLetters("s", 10)->size() == 1);
  CHECK(*theirs->IsRefused("s", {0, 0, 8}));
  // Its bytes again are the same, and its own store takes it as ever.
  auto again = Commit::Deserialize(*theirs, *bytes);
  CHECK(*again->Serialize() == *bytes);
  const uint64_t letters = theirs->dead_letter_bytes();
  REQUIRE(commit.Apply().ok());
  CHECK(mine->dead_letter_bytes() == letters);
  CHECK(letters > 0);
}

TEST_CASE("bytes that are no commit change nothing") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId a = OpenView(*store, "a");
  Commit commit(*store);
  commit.PutRow(a, "key", "a row");
  commit.Advance(a, 0, UpTo(7));
  const std::string bytes = *commit.Serialize();
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto cut = Commit::Deserialize(*store, std::string_view(bytes).substr(0, size));
    INFO(size);
    CHECK_FALSE(cut.ok());
  }
  CHECK(Commit::Deserialize(*store, bytes + "x").status().code() == absl::StatusCode::kDataLoss);
  std::string newer = bytes;
  newer[0] = 9;
  CHECK(Commit::Deserialize(*store, newer).status().code() == absl::StatusCode::kDataLoss);
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (const char c : {'\0', '\x01', '\x7f', '\xff'}) {
      std::string damaged = bytes;
      damaged[at] = c;
      (void)Commit::Deserialize(*store, damaged);  // an error or another commit; never past the end
    }
  }
  CHECK_FALSE(ReadRow(*store, a, "key"));
}

TEST_CASE("a commit of a view version that is not open says which") {
  const TestFolder here, there;
  auto mine = here.Open();
  auto theirs = there.Open();
  const ViewId a = OpenView(*mine, "a", "00000000000000ab");
  OpenView(*theirs, "a");
  Commit commit(*mine);
  commit.PutRow(a, "k", "row");
  const auto shipped = Commit::Deserialize(*theirs, *commit.Serialize());
  CHECK(shipped.status().code() == absl::StatusCode::kFailedPrecondition);
  CHECK(MessageOf(shipped.status()).find("a@00000000000000ab") != std::string_view::npos);
}

}  // namespace freshet
