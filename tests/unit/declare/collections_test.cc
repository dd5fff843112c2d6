// Aggregations that give lists and maps, as they are declared.
#include "featurestore/declare/describe.h"
#include "featurestore/model/packed.h"
#include "project_files.h"

namespace freshet {
namespace {

// The first example with this in the place of `spend`.
std::string With(const std::string& feature) {
  return Replaced(kFirstExample,
                  "spend:     { aggregate: sum, of: amount, windows: [10m, 1h, 24h] }",
                  "spend: { " + feature + " }");
}
std::vector<Feature> FeaturesOf(const std::string& feature) {
  const auto catalog = Sound(ProjectFiles(With(feature)).Load());
  std::vector<Feature> features;
  for (const Feature& f : catalog->views[0].features) {
    if (f.declared == "spend") features.push_back(f);
  }
  return features;
}
std::string VersionOf(const std::string& feature) {
  return Sound(ProjectFiles(With(feature)).Load())->views[0].version;
}
std::string DescriptionOf(const std::string& feature) {
  return DescribeProject(*Sound(ProjectFiles(With(feature)).Load()));
}

}  // namespace

TEST_CASE("a list of `of` is served as one list a field, a single one under the feature's name") {
  const auto names = [](const std::string& feature) {
    std::vector<std::string> shown;
    for (const Feature& f : FeaturesOf(feature)) {
      shown.push_back(f.name + " " + std::string(TypeName(f.type)));
    }
    return shown;
  };
  using Names = std::vector<std::string>;
  CHECK(names("aggregate: last_n, of: [merchant, amount, at], n: 10") ==
        Names{"spend_merchant list<string>", "spend_amount list<double>",
              "spend_at list<timestamp>"});
  CHECK(names("aggregate: first_n, of: [merchant, amount], n: 10, windows: [1h, lifetime]") ==
        Names{"spend_1h_merchant list<string>", "spend_1h_amount list<double>",
              "spend_lifetime_merchant list<string>", "spend_lifetime_amount list<double>"});
  CHECK(names("aggregate: last_n, of: merchant, n: 10") == Names{"spend list<string>"});
  CHECK(names("aggregate: last_distinct_n, of: merchant, n: 10") == Names{"spend list<string>"});
  CHECK(names("aggregate: top_k, of: merchant, k: 3, windows: [1h]") ==
        Names{"spend_1h list<string>"});
  CHECK(names("aggregate: top_k, of: merchant, k: 3, counts: true, windows: [1h]") ==
        Names{"spend_1h map<string, int64>"});
  CHECK(names("aggregate: histogram, of: amount, bounds: [1, 2.5], windows: [1h]") ==
        Names{"spend_1h list<int64>"});
  CHECK(names("aggregate: histogram, of: merchant, windows: [1h]") ==
        Names{"spend_1h map<string, int64>"});
  CHECK(names("aggregate: sum, of: amount, by: merchant, windows: [1h]") ==
        Names{"spend_1h map<string, double>"});
  CHECK(names("aggregate: count, by: at, windows: [1h]") ==
        Names{"spend_1h map<timestamp, int64>"});
}

TEST_CASE("arguments of lists and maps are read, and have their defaults") {
  CHECK(FeaturesOf("aggregate: count, by: merchant, windows: [1h]")[0].arguments.max_keys == 100);
  CHECK(FeaturesOf("aggregate: count, by: merchant, max_keys: 7, windows: [1h]")[0]
            .arguments.max_keys == 7);
  CHECK(FeaturesOf("aggregate: histogram, of: merchant, windows: [1h]")[0].arguments.max_keys ==
        100);
  CHECK(FeaturesOf("aggregate: top_k, of: merchant, k: 3, windows: [1h]")[0].arguments.exact_to ==
        1024);
  const Feature histogram =
      FeaturesOf("aggregate: histogram, of: amount, bounds: [-1, 0, 1e3], windows: [1h]")[0];
  CHECK(histogram.arguments.bounds == std::vector<double>{-1, 0, 1000});
  CHECK(histogram.arguments.max_keys == 0);
  // Of several fields all are kept side by side, by name whatever their order.
  const auto fields = FeaturesOf("aggregate: last_n, of: [merchant, amount], n: 10");
  CHECK(fields[0].arguments == fields[1].arguments);
  CHECK(fields[0].arguments.of == std::vector<uint32_t>{*fields[1].of, *fields[0].of});
}

TEST_CASE("a count by a field is an empty map where nothing is; lists may be declared so") {
  const auto default_of = [](const std::string& feature) {
    const auto value = FeaturesOf(feature)[0].default_value;
    return value ? PackedToDebugString(std::get<std::string>(*value)) : "none";
  };
  CHECK(default_of("aggregate: count, by: merchant, windows: [1h]") == "{}");
  CHECK(default_of("aggregate: sum, of: amount, by: merchant, windows: [1h]") == "{}");
  CHECK(default_of("aggregate: histogram, of: merchant, windows: [1h]") == "none");
  CHECK(default_of("aggregate: last_n, of: [merchant, at], n: 3, default: []") == "[]");
  CHECK(default_of("aggregate: top_k, of: at, k: 3, counts: true, windows: [1h], default: {}") ==
        "{}");
}

TEST_CASE("a version is of what lists and maps store: not of k and counts, nor the order of `of`") {
  CHECK(VersionOf("aggregate: last_n, of: [merchant, amount], n: 10") ==
        VersionOf("aggregate: last_n, of: [amount, merchant], n: 10"));
  CHECK(VersionOf("aggregate: last_n, of: [merchant], n: 10") ==
        VersionOf("aggregate: last_n, of: merchant, n: 10"));
  CHECK(VersionOf("aggregate: last_n, of: [merchant, amount], n: 10") !=
        VersionOf("aggregate: last_n, of: [merchant, amount, at], n: 10"));
  CHECK(VersionOf("aggregate: last_n, of: merchant, n: 10") !=
        VersionOf("aggregate: last_n, of: merchant, n: 11"));
  CHECK(VersionOf("aggregate: last_n, of: merchant, n: 10") !=
        VersionOf("aggregate: last_distinct_n, of: merchant, n: 10"));
  const std::string top = "aggregate: top_k, of: merchant, windows: [1h], ";
  CHECK(VersionOf(top + "k: 10") == VersionOf(top + "k: 9, counts: true"));
  CHECK(VersionOf(top + "k: 10") != VersionOf(top + "k: 10, exact_to: 100"));
  const std::string count = "aggregate: count, windows: [1h]";
  CHECK(VersionOf(count) != VersionOf(count + ", by: merchant"));
  CHECK(VersionOf(count + ", by: card") != VersionOf(count + ", by: merchant"));
  CHECK(VersionOf(count + ", by: card") == VersionOf(count + ", by: card, max_keys: 100"));
  CHECK(VersionOf(count + ", by: card") != VersionOf(count + ", by: card, max_keys: 99"));
  const std::string histogram = "aggregate: histogram, of: amount, windows: [1h]";
  CHECK(VersionOf(histogram) != VersionOf(histogram + ", bounds: [1]"));
  CHECK(VersionOf(histogram + ", bounds: [1, 2]") == VersionOf(histogram + ", bounds: [1.0, 2.0]"));
  CHECK(VersionOf(histogram + ", bounds: [1, 2]") != VersionOf(histogram + ", bounds: [1, 3]"));
}

TEST_CASE("the catalog says the error of top_k, and validate the bytes of lists and maps") {
  const std::string top = DescriptionOf("aggregate: top_k, of: merchant, k: 3, windows: [1h]");
  CHECK(
      top.find("top_k(merchant, exact to 1024, k 3, then counts within 0.001709 of all values)") !=
      std::string::npos);
  const std::string list = DescriptionOf("aggregate: last_n, of: [merchant, amount], n: 10");
  CHECK(list.find("last_n(amount, merchant) n 10") != std::string::npos);
  const auto bytes = [](const std::string& feature) {
    return Sound(ProjectFiles(With(feature)).Load())->layouts[0]->size().bytes_max;
  };
  CHECK(bytes("aggregate: last_n, of: merchant, n: 1000") >
        bytes("aggregate: last_n, of: merchant, n: 10") + 990 * 20);
  CHECK(bytes("aggregate: count, by: merchant, max_keys: 1000, windows: [1h]") >
        bytes("aggregate: count, by: merchant, max_keys: 10, windows: [1h]") + 25 * 990 * 20);
}

}  // namespace freshet
