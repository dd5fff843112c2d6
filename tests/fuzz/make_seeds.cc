// Writes first inputs, for fuzzers whose inputs no editor can write: make_seeds row|request FOLDER. What is kept of them, and of what
// fuzzing found, is in corpus/; run it again where the row's format or the project changed (README.md).
#include <google/protobuf/text_format.h>

#include <filesystem>
#include <fstream>

#include "featurestore/state/row.h"
#include "freshet/v1/serving.pb.h"
#include "tests/fuzz/fuzz_project.h"
#include "tests/fuzz/fuzz_target.h"

namespace freshet::fuzz {

void Write(const std::filesystem::path& folder, const std::string& name, const std::string& bytes) {
  std::ofstream(folder / name, std::ios::binary) << bytes;
}

void WriteRows(const std::filesystem::path& folder) {
  const Catalog& catalog = FuzzCatalog();
  for (size_t view = 0; view < catalog.views.size(); ++view) {
    FuzzEvents events(catalog, view);
    for (const int64_t count : {1, 4, 30}) {
      Row row(*catalog.layouts[view]);
      if (count == 4) row.Delete(kRowsEnd - Duration::Hours(1));
      for (int64_t n = 0; n < count; ++n) {
        row.Apply(
            events.Event(static_cast<uint64_t>(n), kRowsEnd - Duration::Minutes(2 * (count - n))));
      }
      std::string bytes(1, static_cast<char>(view));
      row.Encode(bytes);
      Write(folder, fmt::format("{}-{}", catalog.views[view].name, count), bytes);
    }
  }
}

void WriteRequests(const std::filesystem::path& folder) {
  const std::vector<std::pair<const char*, const char*>> requests = {
      {"open",
       R"(feature_service: "all_of_card" keys { name: "card" strings { values: "c0" values: "c9" } } event_times: true)"},
      {"visits",
       R"(feature_service: "visits" keys { name: "card" text { offsets: "\000\000\000\000\002\000\000\000" data: "c1" } }
                    keys { name: "shop" int64_le: "\001\000\000\000\000\000\000\000" })"},
      {"risk",
       R"(feature_service: "risk" keys { name: "card" strings { values: "c1" } } keys { name: "seller" int64s { values: 1 } }
                  inputs { name: "amount" double_le: "\000\000\000\000\000\000\024\100" } inputs { name: "cents" int64s { values: 5 } }
                  inputs { name: "note" strings { values: "hm" } } inputs { name: "at_home" bool_u8: "\001" }
                  inputs { name: "seen" timestamp_us_le: "\000\020\124\120\301\107\006\000" })"},
      {"counted", R"(feature_service: "counted" keys { name: "card" strings { values: "c0" } }
                     inputs { name: "amount" float_le: "\000\000\240\100" } event_id: "7")"},
      {"features", R"(features { names: "sums" names: "profile:vector" names: "sketches:most_1h" }
                      keys { name: "card" strings { values: "c0" values: "c1" } nulls: "\000\001" } layout: LAYOUT_ROWS)"},
      {"matrix",
       R"(features { names: "sums:spend_1h" names: "lifetimes:payments_lifetime" } as_of_us: 1767610800000000
                    keys { name: "card" broadcast: true strings { values: "c1" } } layout: LAYOUT_MATRIX_FLOAT32)"},
      {"matrix64",
       R"(features { names: "sums:spend_1h" } schema_id: 12345 as_of_us: 1767610800000000 as_of_us: 1767614400000000
                      keys { name: "card" strings { values: "c2" } } layout: LAYOUT_MATRIX_FLOAT64)"},
  };
  for (const auto& [name, text] : requests) {
    v1::GetFeaturesRequest request;
    if (!google::protobuf::TextFormat::ParseFromString(text, &request))
      Finding(std::string(name) + " is no request");
    Write(folder, name, request.SerializeAsString());
  }
}

}  // namespace freshet::fuzz

int main(int argc, char** argv) {
  const std::string_view kind = argc == 3 ? argv[1] : "";
  if (kind == "row") {
    freshet::fuzz::WriteRows(argv[2]);
  } else if (kind == "request") {
    freshet::fuzz::WriteRequests(argv[2]);
  } else {
    fmt::print(stderr, "make_seeds row|request FOLDER\n");
    return 2;
  }
  return 0;
}
