// derive and where: SQL in a declaration.
#include <catch2/catch.hpp>

#include "featurestore/declare/describe.h"
#include "project_files.h"

namespace freshet {
namespace {

std::string WithSql(const std::string& derive, const std::string& source, const std::string& view,
                    const std::string& feature) {
  const auto where = [](const std::string& sql) {
    return sql.empty() ? "" : "where: \"" + sql + "\"";
  };
  return R"(
project: p
kafka: { brokers: embedded }
sources:
  tx:
    topic: tx
    timestamp: at
    fields: { at: timestamp, card: string, amount: double }
    derive: { )" +
         derive + R"( }
    )" + where(source) +
         R"(
entities: { card: { keys: { card: string } } }
feature_views:
  spend:
    source: tx
    entity: card
    )" + where(view) +
         R"(
    features:
      n: { aggregate: count, windows: [1h], )" +
         where(feature) + R"( }
      all: { aggregate: count, windows: [1h] }
)";
}

std::string VersionOf(const std::string& yaml) {
  const ProjectFiles files(yaml);
  const Project project = LoadProject(files.folder());
  for (const Diagnostic& error : project.errors) UNSCOPED_INFO(ToString(error));
  REQUIRE(project.catalog != nullptr);
  return project.catalog->views[0].version;
}

}  // namespace

TEST_CASE("derived fields are fields, and each distinct where is one more that no name reaches") {
  const ProjectFiles files(
      WithSql(R"(eur: "amount * 2", big: "eur > 10")", "amount > 0", "big", "amount > 0"));
  const Project project = LoadProject(files.folder());
  REQUIRE(project.catalog != nullptr);
  const Source& source = project.catalog->sources[0];
  CHECK(source.named_fields == 5);
  CHECK(source.fields[3].type == Type::kDouble);
  CHECK(source.fields[4].type == Type::kBool);
  // The source's and the feature's where are one.
  REQUIRE(source.fields.size() == 7);
  const FeatureView& view = project.catalog->views[0];
  CHECK(source.where == 5u);
  CHECK(view.features[0].where == 5u);
  CHECK_FALSE(view.features[1].where);
  CHECK(view.where == 6u);

  std::vector<Value> event(7);
  event[2] = Value::Double(7);
  Scratch scratch;
  CHECK(project.catalog->derived[0]->Compute(event, scratch) == 0);
  CHECK(event[3] == Value::Double(14));
  CHECK(event[5] == Value::Bool(true));
  CHECK(event[6] == Value::Bool(true));
  event[2] = Value();
  CHECK(project.catalog->derived[0]->Compute(event, scratch) == 0);
  CHECK(event[5].is_null());
}

TEST_CASE("validate shows SQL as it was written") {
  const ProjectFiles files(WithSql("", "amount  >\n      0", "amount is not null", "amount <> 7"));
  const std::string described = DescribeProject(*Sound(files.Load()));
  for (const char* line : {"  where    amount  > 0\n", "  where    amount is not null\n",
                           "count(), sliding 1h, hop 1m, where amount <> 7\n"}) {
    INFO(described);
    CHECK(described.find(line) != std::string::npos);
  }
}

TEST_CASE("what an expression says is part of the version, how it is written is not") {
  const std::string plain = VersionOf(WithSql("", "amount > 0", "", ""));
  CHECK(VersionOf(WithSql("", "AMOUNT   >  (0)", "", "")) == plain);
  CHECK(VersionOf(WithSql("", "amount > 1", "", "")) != plain);
  CHECK(VersionOf(WithSql("", "amount > 0", "amount > 0", "")) != plain);
  CHECK(VersionOf(WithSql("", "amount > 0", "", "amount > 0")) != plain);
  CHECK(VersionOf(WithSql(R"(x: "amount")", "amount > 0", "", "")) != plain);
}

}  // namespace freshet
