#include <algorithm>
#include <fstream>

#include "folder_fixture.h"

namespace freshet {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> FilesEndingWith(const TestFolder& folder, const std::string& extension) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder.data() / "rocksdb")) {
    if (entry.path().extension() == extension && entry.file_size() > 0)
      files.push_back(entry.path());
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

bool IsDamageWithRemedy(const Status& status, const TestFolder& folder) {
  INFO(status);
  CHECK(Mentions(status, folder.data().string()));
  CHECK(Mentions(status, "move the folder away"));
  return status.code() == absl::StatusCode::kDataLoss;
}

// A hundred commits, each of two rows and their progress, in the write-ahead log alone.
void WriteHundred(const TestFolder& folder) {
  auto store = folder.Open();
  const ViewId a = OpenView(*store, "a");
  const ViewId b = OpenView(*store, "b");
  for (int i = 1; i <= 100; ++i) {
    Commit commit(*store);
    commit.PutRow(a, "k", std::to_string(i));
    commit.PutRow(b, "k", std::to_string(i));
    commit.Advance(a, 0, At(i));
    commit.Advance(b, 0, At(i));
    REQUIRE(commit.Apply().ok());
  }
}

TEST_CASE(
    "a log cut anywhere gives the state after some commit: rows and progress of one point in "
    "time") {
  const TestFolder folder;
  WriteHundred(folder);
  const TestFolder copies;
  const auto logs = FilesEndingWith(folder, ".log");
  REQUIRE(logs.size() == 1);
  const uint64_t size = fs::file_size(logs[0]);
  int last_seen = 100;
  for (const uint64_t cut :
       {uint64_t{1}, uint64_t{7}, uint64_t{150}, size / 3, size / 2, size - 20}) {
    fs::remove_all(copies.data());
    fs::copy(folder.data(), copies.data(), fs::copy_options::recursive);
    fs::resize_file(copies.data() / "rocksdb" / logs[0].filename(), size - cut);
    auto store = copies.Open();
    const ViewId a = OpenView(*store, "a");
    const ViewId b = OpenView(*store, "b");
    const auto row = ReadRow(*store, a, "k");
    const int seen = row ? std::stoi(*row) : 0;
    INFO("cut " << cut << " of " << size << ", state " << seen);
    CHECK(ReadRow(*store, b, "k") == row);
    const auto progress_a = *store->ReadProgress(a);
    const auto progress_b = *store->ReadProgress(b);
    CHECK(progress_a == progress_b);
    CHECK(progress_a.size() == (seen == 0 ? 0 : 1));
    if (seen > 0) CHECK(progress_a.at(0) == At(seen));
    CHECK(seen < 100);
    CHECK(seen <= last_seen);
    last_seen = seen;
  }
}

TEST_CASE("a bit that flipped in the data is DATA_LOSS with a remedy, never a wrong row") {
  const TestFolder folder;
  std::vector<fs::path> files;
  {
    auto store = folder.Open();
    const ViewId view = OpenView(*store, "v");
    Commit commit(*store);
    for (int i = 0; i < 100; ++i)
      commit.PutRow(view, "k" + std::to_string(i), "row " + std::to_string(i));
    commit.Advance(view, 0, At(1));
    REQUIRE(commit.Apply().ok());
    REQUIRE(store->Flush().ok());
  }
  // The greatest file is the view's; its data blocks come first.
  files = FilesEndingWith(folder, ".sst");
  const fs::path file = *std::max_element(
      files.begin(), files.end(),
      [](const fs::path& a, const fs::path& b) { return fs::file_size(a) < fs::file_size(b); });
  FlipBit(file, 20);

  auto opened = Store::Open(folder.options());
  if (!opened.ok()) {
    CHECK(IsDamageWithRemedy(opened.status(), folder));
    return;
  }
  const ViewId view = OpenView(**opened, "v");
  SECTION("one row") {
    RowReads reads;
    reads.Add(view, "k50");
    const Status read = (*opened)->Read(reads);
    CHECK(IsDamageWithRemedy(read, folder));
    CHECK(Mentions(read, "view v"));
    CHECK_FALSE(reads.row(0));
  }
  SECTION("many rows: none may be used") {
    RowReads reads;
    reads.Add(view, "k50");
    reads.Add(view, "k51");
    reads.Add(view, "none");
    CHECK(IsDamageWithRemedy((*opened)->Read(reads), folder));
    for (size_t i = 0; i < 3; ++i) CHECK_FALSE(reads.row(i));
  }
  SECTION("a scan") {
    CHECK(IsDamageWithRemedy((*opened)->Scan(view, [](auto, auto) { return true; }), folder));
  }
}

TEST_CASE("a damaged or missing part of the database is DATA_LOSS at open") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    PutRow(*store, OpenView(*store, "v"), "k", "row");
    REQUIRE(store->Flush().ok());
  }
  SECTION("CURRENT is gone") { fs::remove(folder.data() / "rocksdb" / "CURRENT"); }
  SECTION("the manifest is gone") {
    for (const auto& entry : fs::directory_iterator(folder.data() / "rocksdb")) {
      if (entry.path().filename().string().starts_with("MANIFEST")) fs::remove(entry.path());
    }
  }
  SECTION("the manifest is damaged") {
    for (const auto& entry : fs::directory_iterator(folder.data() / "rocksdb")) {
      if (entry.path().filename().string().starts_with("MANIFEST")) FlipBit(entry.path(), 60);
    }
  }
  SECTION("a data file is gone") {
    for (const fs::path& file : FilesEndingWith(folder, ".sst")) fs::remove(file);
  }
  CHECK(IsDamageWithRemedy(Store::Open(folder.options()).status(), folder));
}

}  // namespace
}  // namespace freshet
