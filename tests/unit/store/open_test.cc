#include <rocksdb/db.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "folder_fixture.h"

namespace freshet {
namespace {

namespace fs = std::filesystem;

bool SaysInUse(const Status& status, const TestFolder& folder) {
  return status.code() == absl::StatusCode::kFailedPrecondition &&
         Mentions(status, "in use by another") && Mentions(status, folder.data().string()) &&
         Mentions(status, "storage.path");
}

TEST_CASE("a second server on the same folder gets a clear error") {
  const TestFolder folder;
  auto store = folder.Open();
  CHECK(SaysInUse(Store::Open(folder.options()).status(), folder));
  store.reset();
  CHECK(Store::Open(folder.options()).ok());
}

// Hidden: run by the test below as a process of its own. Holds the folder until its input ends.
TEST_CASE("holds a folder", "[.holder]") {
  StoreOptions options;
  options.path = std::getenv("FRESHET_TEST_FOLDER");
  options.project = "test";
  auto store = TestFolder::Open(options);
  REQUIRE(write(STDERR_FILENO, "o", 1) == 1);
  char ignored = 0;
  CHECK(read(STDIN_FILENO, &ignored, 1) == 0);
}

TEST_CASE(
    "a second server in another process gets a clear error, and the folder once the first was "
    "killed") {
  const TestFolder folder;
  int to_child[2];
  int from_child[2];
  REQUIRE(pipe(to_child) == 0);
  REQUIRE(pipe(from_child) == 0);
  const std::string variable = "FRESHET_TEST_FOLDER=" + folder.data().string();
  const pid_t child = fork();
  if (child == 0) {
    dup2(to_child[0], STDIN_FILENO);
    dup2(from_child[1], STDERR_FILENO);
    close(to_child[1]);
    const char* const arguments[] = {"unit_store", "holds a folder", nullptr};
    const char* const environment[] = {variable.c_str(), nullptr};
    execve("/proc/self/exe", const_cast<char* const*>(arguments),
           const_cast<char* const*>(environment));
    _exit(127);
  }
  close(from_child[1]);
  char opened = 0;
  REQUIRE(read(from_child[0], &opened, 1) == 1);
  CHECK(opened == 'o');
  CHECK(SaysInUse(Store::Open(folder.options()).status(), folder));
  kill(child, SIGKILL);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(Store::Open(folder.options()).ok());
  for (const int end : {to_child[0], to_child[1], from_child[0]}) close(end);
}

TEST_CASE("validate opens the folder for reading beside a running server") {
  const TestFolder folder;
  auto store = folder.Open();
  const ViewId view = OpenView(*store, "v");
  PutRow(*store, view, "k", "row");
  StoreOptions options = folder.options();
  options.read_only = true;
  auto reader = TestFolder::Open(options);
  CHECK(reader->UnopenedViews() == std::vector<std::string>{"v"});
  CHECK(ReadRow(*reader, OpenView(*reader, "v"), "k") == "row");
  CHECK(reader->OpenView({"v", "another version", {}}).status().code() ==
        absl::StatusCode::kNotFound);
}

TEST_CASE("a data folder of another project is refused by name") {
  const TestFolder folder;
  folder.Open();
  StoreOptions options = folder.options();
  options.project = "other";
  const Status opened = Store::Open(options).status();
  CHECK(opened.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Mentions(opened, "\"test\""));
  CHECK(Mentions(opened, "\"other\""));
  CHECK(Mentions(opened, folder.data().string()));
  folder.Open();  // and was left as it was
}

TEST_CASE("a data folder of a newer format is refused") {
  const TestFolder folder;
  folder.Open();
  {
    rocksdb::DB* raw = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const char* name : {"default", "progress", "dead_letters", "refusals", "local_log"})
      families.push_back({name, {}});
    REQUIRE(
        rocksdb::DB::Open({}, (folder.data() / "rocksdb").string(), families, &handles, &raw).ok());
    REQUIRE(raw->Put({}, "format", "4").ok());
    rocksdb::ColumnFamilyHandle* unknown = nullptr;
    REQUIRE(raw->CreateColumnFamily({}, "a_family_of_format_4", &unknown).ok());
    handles.push_back(unknown);
    for (auto* handle : handles) REQUIRE(raw->DestroyColumnFamilyHandle(handle).ok());
    delete raw;
  }
  const Status opened = Store::Open(folder.options()).status();
  CHECK(opened.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Mentions(opened, "format 4"));
  CHECK(Mentions(opened, "newer freshet"));
}

TEST_CASE("a data folder of an older format is read, and raised by who may write") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    const ViewId view = OpenView(*store, "v");
    PutRow(*store, view, "k", "row");
    REQUIRE(store->MarkComplete(view).ok());
  }
  const auto change = [&](bool drop) {
    rocksdb::DB* raw = nullptr;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    std::vector<std::string> names;
    const std::string path = (folder.data() / "rocksdb").string();
    REQUIRE(rocksdb::DB::ListColumnFamilies({}, path, &names).ok());
    for (const std::string& name : names) families.push_back({name, {}});
    REQUIRE(rocksdb::DB::Open({}, path, families, &handles, &raw).ok());
    std::string format;
    REQUIRE(raw->Get({}, "format", &format).ok());
    for (size_t i = 0; i < names.size(); ++i) {
      if (drop && names[i] == "local_log") REQUIRE(raw->DropColumnFamily(handles[i]).ok());
    }
    if (drop) REQUIRE(raw->Put({}, "format", "1").ok());
    for (auto* handle : handles) REQUIRE(raw->DestroyColumnFamilyHandle(handle).ok());
    delete raw;
    return format;
  };
  CHECK(change(/*drop=*/true) == "3");
  StoreOptions reading = folder.options();
  reading.read_only = true;
  {
    const auto reader = TestFolder::Open(reading);
    CHECK(ReadRow(*reader, OpenView(*reader, "v"), "k") == "row");
    CHECK(reader->ReadLocalBounds("payments")->end == 0);
  }
  {
    auto store = folder.Open();
    CHECK(ReadRow(*store, OpenView(*store, "v"), "k") == "row");
    CHECK(store->AppendLocal("payments", std::vector<Store::LocalRecord>(1)).value() == 0);
  }
  CHECK(change(/*drop=*/false) == "3");
}

TEST_CASE("a folder that holds something else is refused and left alone") {
  const TestFolder folder;
  fs::create_directory(folder.data());
  SECTION("other files") { std::ofstream(folder.data() / "thesis.txt") << "years of work"; }
  SECTION("somebody's RocksDB") {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::DB* raw = nullptr;
    SECTION("as the folder itself") {
      REQUIRE(rocksdb::DB::Open(options, folder.data().string(), &raw).ok());
      delete raw;
    }
    SECTION("in its place inside") {
      REQUIRE(rocksdb::DB::Open(options, (folder.data() / "rocksdb").string(), &raw).ok());
      delete raw;
    }
  }
  std::vector<fs::path> before(fs::recursive_directory_iterator(folder.data()), {});
  const Status opened = Store::Open(folder.options()).status();
  CHECK(opened.code() == absl::StatusCode::kFailedPrecondition);
  CHECK(Mentions(opened, folder.data().string()));
  CHECK(Mentions(opened, "storage.path"));
  const std::vector<fs::path> after(fs::recursive_directory_iterator(folder.data()), {});
  CHECK(before.size() == after.size());
}

TEST_CASE("a path that is a file is refused") {
  const TestFolder folder;
  std::ofstream(folder.data()) << "x";
  CHECK(Store::Open(folder.options()).status().code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("the broker's file may stand in the folder before the database does") {
  const TestFolder folder;
  fs::create_directory(folder.data());
  std::ofstream(folder.data() / "broker.json") << "{}";
  std::ofstream(folder.data() / "broker.lock") << "";
  CHECK(Store::Open(folder.options()).ok());
}

TEST_CASE("a crash while the database is made leaves a folder that opens") {
  const TestFolder folder;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* raw = nullptr;
  fs::create_directories(folder.data() / "rocksdb.new");
  REQUIRE(rocksdb::DB::Open(options, (folder.data() / "rocksdb.new").string(), &raw).ok());
  delete raw;
  auto store = folder.Open();
  CHECK(store->UnopenedViews().empty());
  CHECK_FALSE(fs::exists(folder.data() / "rocksdb.new"));
}

TEST_CASE("where no data may be made, its absence is said") {
  const TestFolder folder;
  StoreOptions options = folder.options();
  options.read_only = true;
  CHECK(Store::Open(options).status().code() == absl::StatusCode::kNotFound);
  CHECK_FALSE(fs::exists(folder.data()));
}

TEST_CASE("which logs a source has read is kept across restarts") {
  const TestFolder folder;
  {
    auto store = folder.Open();
    CHECK(store->ReadLogs()->empty());
    REQUIRE(store->WriteLogs("s", {{3, "id", "t"}, {1, "", "u"}}).ok());
    REQUIRE(store->WriteLogs("other", {{0, "", "t"}}).ok());
  }
  auto store = folder.Open();
  const auto logs = *store->ReadLogs();
  REQUIRE(logs.size() == 2);
  CHECK(logs.at("s") == std::vector<Store::SourceLog>{{3, "id", "t"}, {1, "", "u"}});
  CHECK(logs.at("other") == std::vector<Store::SourceLog>{{0, "", "t"}});
}

}  // namespace
}  // namespace freshet
