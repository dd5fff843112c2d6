#include <fstream>
#include <iterator>

#include "folder_fixture.h"

namespace freshet {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRows = 2000;

std::string Key(size_t i) { return fmt::format("key-{:05}", i); }

StorageTuning Tuned(CompactionStyle compaction, FilterKind filter) {
  StorageTuning tuning;
  tuning.compaction = compaction;
  tuning.filter = filter;
  tuning.filter_bits = 12;
  tuning.block_bytes = 8192;
  tuning.hash_index = tuning.memtable_filter = true;
  tuning.compression = Compression::kNone;
  return tuning;
}

// The view's section of RocksDB's own account of its options.
std::string OptionsOf(const fs::path& data, const std::string& family) {
  fs::path newest;
  for (const auto& entry : fs::directory_iterator(data / "rocksdb")) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("OPTIONS-") && name > newest.filename().string()) newest = entry.path();
  }
  std::ifstream file(newest);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  std::string found;
  for (const char* kind : {"CFOptions", "TableOptions/BlockBasedTable"}) {
    const size_t begin = all.find(fmt::format("[{} \"{}\"]", kind, family));
    REQUIRE(begin != std::string::npos);
    found += all.substr(begin, all.find("\n[", begin) - begin);
  }
  return found;
}

}  // namespace

TEST_CASE("a view's rows outlive every change of its tuning") {
  const TestFolder folder;
  const std::string family = "v@00000000000000aa";
  std::vector<StorageTuning> tunings;
  for (const FilterKind filter : {FilterKind::kBloom, FilterKind::kRibbon, FilterKind::kNone}) {
    tunings.push_back(Tuned(CompactionStyle::kUniversal, filter));
    tunings.push_back(Tuned(CompactionStyle::kLeveled, filter));
  }
  tunings.emplace_back();
  for (size_t turn = 0; turn < tunings.size(); ++turn) {
    INFO("turn " << turn);
    StoreOptions options = folder.options();
    options.memory_bytes = 4 << 20;  // small memtables: files of several levels
    options.tuning["v"] = tunings[turn];
    const auto store = TestFolder::Open(options);
    StoreView declared;
    declared.name = "v";
    declared.version = "00000000000000aa";
    declared.tuning = tunings[turn];
    const auto view = store->OpenView(declared);
    REQUIRE(view.ok());
    if (turn == 0) REQUIRE(store->MarkComplete(*view).ok());
    const auto check = [&](size_t of_turn) {
      for (size_t i = 0; i < kRows; i += 7) {
        const auto row = ReadRow(*store, *view, Key(i));
        REQUIRE(row.has_value());
        CHECK(row->substr(0, 8) == fmt::format("turn {:02} ", of_turn));
      }
      CHECK_FALSE(ReadRow(*store, *view, "key-absent").has_value());
    };
    if (turn > 0) check(turn - 1);
    for (size_t i = 0; i < kRows; ++i) {
      PutRow(*store, *view, Key(i), fmt::format("turn {:02} {}", turn, std::string(500, 'x')));
    }
    check(turn);
    const std::string said = OptionsOf(folder.data(), family);
    const bool universal = tunings[turn].compaction == CompactionStyle::kUniversal;
    CHECK_THAT(said, Catch::Contains(universal ? "compaction_style=kCompactionStyleUniversal"
                                               : "compaction_style=kCompactionStyleLevel"));
    CHECK_THAT(said, Catch::Contains(fmt::format("block_size={}", tunings[turn].block_bytes)));
    switch (tunings[turn].filter) {
      case FilterKind::kNone:
        CHECK_THAT(said, Catch::Contains("filter_policy=nullptr"));
        break;
      case FilterKind::kBloom:
        CHECK_THAT(said, Catch::Contains(fmt::format("bloomfilter:{}", tunings[turn].filter_bits)));
        break;
      case FilterKind::kRibbon:
        CHECK_THAT(said,
                   Catch::Contains(fmt::format("ribbonfilter:{}", tunings[turn].filter_bits)));
        break;
    }
  }
}

}  // namespace freshet
