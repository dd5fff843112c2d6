#include "project_files.h"

namespace freshet {
namespace {

std::string With(const std::string& advanced) {
  return Replaced(kFirstExample, "    ttl: 30d", "    advanced: " + advanced + "\n    ttl: 30d");
}

std::string MistakeOf(const std::string& advanced) {
  const Project project = ProjectFiles(With(advanced)).Load();
  REQUIRE(project.errors.size() == 1);
  return Shown(project.errors)[0];
}

}  // namespace

TEST_CASE("a view's advanced tunes how its rows are kept, and leaves its version") {
  const auto plain = Sound(ProjectFiles(kFirstExample).Load());
  CHECK(plain->views[0].tuning == StorageTuning());
  const auto tuned =
      Sound(ProjectFiles(With("{ compaction: universal, filter: { ribbon: 12 }, block_size: 8KiB, "
                              "compression: lz4, last_level_compression: zstd, "
                              "memtable_filter: true, hash_index: true }"))
                .Load());
  const StorageTuning& tuning = tuned->views[0].tuning;
  CHECK(tuning.compaction == CompactionStyle::kUniversal);
  CHECK(tuning.filter == FilterKind::kRibbon);
  CHECK(tuning.filter_bits == 12);
  CHECK(tuning.block_bytes == 8192);
  CHECK(tuning.compression == Compression::kLz4);
  CHECK(tuning.last_level_compression == Compression::kZstd);
  CHECK(tuning.memtable_filter);
  CHECK(tuning.hash_index);
  CHECK(tuned->views[0].version == plain->views[0].version);
  CHECK(Sound(ProjectFiles(With("{ filter: none }")).Load())->views[0].tuning.filter ==
        FilterKind::kNone);
}

TEST_CASE("mistakes in advanced are found where they stand") {
  CHECK_THAT(MistakeOf("{ compaction: tiered }"), Catch::Contains("leveled") &&
                                                      Catch::Contains("universal") &&
                                                      Catch::Contains("18:29: "));
  CHECK_THAT(MistakeOf("{ filter: { bloom: 100 } }"), Catch::Contains("2 to 24"));
  CHECK_THAT(MistakeOf("{ filter: { bloom: 10, ribbon: 10 } }"), Catch::Contains("not both"));
  CHECK_THAT(MistakeOf("{ block_size: 8MiB }"), Catch::Contains("1MiB"));
  CHECK_THAT(MistakeOf("{ compresion: lz4 }"), Catch::Contains("did you mean compression?"));
}

TEST_CASE("read_share splits the memory between reads and writes") {
  const auto with = [](const std::string& share) {
    return ProjectFiles(kFirstExample +
                        "storage: { memory: 700MiB, advanced: { read_share: " + share + " } }\n")
        .Load();
  };
  const StorageSettings half = Sound(with("0.5"))->storage;
  CHECK(half.ingest_bytes() == 200ull << 20);
  CHECK(half.memtable_bytes() == 150ull << 20);
  for (const char* wrong : {"0.05", "0.95", "60%"}) {
    INFO(wrong);
    const Project project = with(wrong);
    REQUIRE(project.errors.size() == 1);
    CHECK_THAT(Shown(project.errors)[0], Catch::Contains("read_share"));
  }
}

}  // namespace freshet
