// Views of latest values, and fields of lists and vectors.
#include "featurestore/declare/describe.h"
#include "featurestore/declare/version.h"
#include "project_files.h"

namespace freshet {
namespace {

const std::string kProfiles = R"(project: shop
kafka: { brokers: embedded }
sources:
  profiles:
    topic: profiles
    timestamp: at
    fields:
      at: timestamp
      card: string
      tier: string
      credit_limit: int64
      tags: list<string>
      taste: { type: "list<float>[4]", required: true }
entities:
  card: { keys: { card: string } }
feature_views:
  card_profile:
    source: profiles
    entity: card
    ttl: 365d
    fields: [tier, { credit_limit: { default: 0 } }, { tags: { default: [] } }, taste]
feature_services:
  model: { features: ["card_profile:taste", "card_profile:credit_limit"] }
)";

std::string FirstError(const std::string& yaml) {
  const auto project = ProjectFiles(yaml).Load();
  REQUIRE_FALSE(project.errors.empty());
  return Shown(project.errors).front();
}

std::string VersionOf(const std::string& text) {
  return Sound(ProjectFiles(text).Load())->views[0].version;
}

}  // namespace

TEST_CASE("a view with fields serves the latest value of each, under the field's name and type") {
  const Project project = ProjectFiles(kProfiles).Load();
  const auto catalog = Sound(project);
  CHECK(Shown(project.warnings).empty());
  const FeatureView& view = catalog->views[0];
  CHECK(view.latest_values);
  REQUIRE(view.features.size() == 4);
  CHECK(view.features[0].name == "tier");
  CHECK(view.features[0].type == Type::kString);
  CHECK_FALSE(view.features[0].default_value.has_value());
  CHECK(view.features[1].default_value == DefaultValue(int64_t{0}));
  CHECK(view.features[2].type == ListOf(Type::kString));
  CHECK(view.features[2].default_value.has_value());
  CHECK(view.features[3].type == kFloatVector);
  CHECK(view.features[3].vector_size == 4);
  const std::string described = DescribeProject(*catalog);
  CHECK(described.find("field    taste         list<float>[4]") != std::string::npos);
  CHECK(catalog->layouts[0]->size().bytes_max > 4 * 4);
}

TEST_CASE("mistakes of a view of latest values are told at their places") {
  const auto wrong = [](const std::string& from, const std::string& to) {
    return FirstError(Replaced(kProfiles, from, to));
  };
  CHECK(wrong("    ttl: 365d\n", "").find("view card_profile needs a ttl") != std::string::npos);
  CHECK(wrong("[tier,", "[teir,").find("21:14: unknown field teir") != std::string::npos);
  CHECK(wrong("default: []", "default: [a]").find("write [], the empty list") != std::string::npos);
  CHECK(wrong("taste]", "{ taste: { default: 0 } }]").find("a vector without a value is NaN") !=
        std::string::npos);
  CHECK(wrong("    ttl: 365d\n",
              "    ttl: 365d\n    features: { n: { aggregate: count, windows: [1h] } }\n")
            .find("view card_profile has features and fields") != std::string::npos);
  CHECK(wrong("{ default: 0 }", "{ defualt: 0 }").find("unknown key defualt") != std::string::npos);
}

TEST_CASE("lists have elements of a scalar type, vectors a length, and neither is a key") {
  const auto wrong = [](const std::string& type) {
    return FirstError(Replaced(kProfiles, "list<string>", type));
  };
  CHECK(wrong("list<strng>").find("did you mean list<string>?") != std::string::npos);
  CHECK(wrong("list<list<int64>>").find("unknown type \"list<list<int64>>\"") != std::string::npos);
  CHECK(wrong("list<float>[0]").find("N being 1 to 16384") != std::string::npos);
  CHECK(wrong("list<double>[3]").find("list<float>[N]") != std::string::npos);
  CHECK(wrong("map<string, int64>").find("`map` is not supported yet") != std::string::npos);
  CHECK(FirstError(Replaced(kProfiles, "keys: { card: string }", "keys: { card: list<string> }"))
            .find("cannot be a key") != std::string::npos);
  CHECK(FirstError(Replaced(kProfiles, "tags: list<string>",
                            "tags: { type: list<string>, path: $headers.tags }"))
            .find("$headers.tags is plain text") != std::string::npos);
}

TEST_CASE("expressions and aggregations refuse lists by name") {
  const std::string with_where =
      Replaced(kProfiles, "    ttl: 365d\n", "    ttl: 365d\n    where: \"tags is not null\"\n");
  CHECK(FirstError(with_where).find("tags is a list, which expressions cannot read yet") !=
        std::string::npos);
  const std::string fields =
      "    fields: [tier, { credit_limit: { default: 0 } }, { tags: { default: [] } }, taste]";
  const auto with = [&](const std::string& feature) {
    return FirstError(Replaced(kProfiles, fields, "    features: { n: { " + feature + " } }"));
  };
  CHECK(with("aggregate: last, of: taste").find("which is a list<float>[4]") != std::string::npos);
  CHECK(with("aggregate: max_by, of: tier, order_by: tags, windows: [1h]").find("has no order") !=
        std::string::npos);
}

TEST_CASE(
    "a view of latest values has a version of its fields and ttl, not of their order or defaults") {
  const std::string before = VersionOf(kProfiles);
  CHECK(VersionOf(Replaced(kProfiles, "{ default: 0 }", "{ default: 5 }")) == before);
  CHECK(VersionOf(Replaced(kProfiles, "[tier, { credit_limit: { default: 0 } }",
                           "[credit_limit, tier")) == before);
  CHECK(VersionOf(Replaced(kProfiles, "[tier, ", "[")) != before);
  CHECK(VersionOf(Replaced(kProfiles, "ttl: 365d", "ttl: 366d")) != before);
  CHECK(VersionOf(Replaced(kProfiles, "list<float>[4]", "list<float>[5]")) != before);
}

}  // namespace freshet
