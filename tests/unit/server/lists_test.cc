// Lists, vectors and maps from an answer to the wire, and from there to `freshet get` and to rows for people.
#include <catch2/catch.hpp>

#include "featurestore/model/packed.h"
#include "featurestore/serve/answer_lists.h"
#include "server/commands/feature_answer.h"
#include "server/proto_conversion.h"
#include "server/proto_rows.h"

namespace freshet {
namespace {

constexpr Type kTexts = ListOf(Type::kString);
constexpr Type kTotals = MapOf(Type::kInt64, true);

std::shared_ptr<const Catalog> OneView() {
  auto catalog = std::make_shared<Catalog>();
  catalog->views.emplace_back().name = "card";
  return catalog;
}

struct Made {
  Made() {
    plan.catalog = OneView();
    plan.views.emplace_back();
    plan.keys.push_back({"card", Type::kString});
    plan.columns = {{.name = "shops", .type = kTexts},
                    {.name = "totals", .type = kTotals},
                    {.name = "vector", .type = kFloatVector, .vector_size = 2}};
    plan.schema_id = 1;
    answer.num_rows = 2;
    answer.rows_filled = 2;
    answer.columns.resize(3);
    answer.views.resize(1);
    answer.views[0].event_times.assign(16, '\0');
    std::string list;
    PackedWriter texts(kTexts, 3, list);
    for (const Value& text : {Value::Text("b"), Value(), Value::Text("a")}) texts.Add(text);
    std::string map;
    PackedWriter totals(kTotals, 2, map);
    totals.AddEntry(Value::Int64(-7), Value::Double(0.5));
    totals.AddEntry(Value::Int64(int64_t{1} << 60), Value::Double(2));
    std::string vector;
    PackedWriter floats(kFloatVector, 2, vector);
    floats.Add(Value::Double(0.1));
    floats.Add(Value::Double(-1));
    Put(0, kTexts, Value::Packed(list));
    Put(1, kTotals, Value::Packed(map));
    answer.columns[2].values.resize(16);
    PutVector(Value::Packed(vector), 2, answer.columns[2].values.data());
    PutVector(Value(), 2, answer.columns[2].values.data() + 8);
    answer.statuses = std::string("\1\3\1\3\1\3");
  }

  // The value, then none.
  void Put(size_t c, Type type, const Value& value) {
    AnswerColumn& column = answer.columns[c];
    column.offsets.assign(4, '\0');
    if (IsText(ElementOf(type))) column.element_offsets.assign(4, '\0');
    REQUIRE(AppendPacked(type, value, column));
    REQUIRE(AppendPacked(type, Value(), column));
  }

  v1::GetFeaturesResponse Response() {
    v1::GetFeaturesResponse response;
    PutHeader(plan, answer, {}, response);
    PutValues(plan, answer, true, response);
    return response;
  }

  Plan plan;
  Answer answer;
};

const std::vector<RequestKey> kKeys = {{"card", Type::kString}};

std::vector<RequestRow> Asked() {
  std::vector<RequestRow> rows(2);
  rows[0].keys = {"c1"};
  rows[1].keys = {"c2"};
  return rows;
}

}  // namespace

TEST_CASE("the schema names the types of lists, vectors and maps") {
  const auto response = Made().Response();
  CHECK(response.schema().fields(0).type() == "list<string>");
  CHECK(response.schema().fields(1).type() == "map<int64, double>");
  CHECK(response.schema().fields(2).type() == "list<float>[2]");
  CHECK(response.columns(2).fixed_list().size() == 2);
}

TEST_CASE("lists and vectors are JSON arrays, maps objects, and null where there is no value") {
  const auto answer = DecodeAnswer(Made().Response());
  REQUIRE(answer.ok());
  const auto asked = Asked();
  const std::string first = RowAsJson(*answer, 0, kKeys, asked[0]);
  CHECK(
      first.find(
          R"("features":{"shops":["b",null,"a"],"totals":{"-7":0.5,"1152921504606846976":2.0},"vector":[0.1,-1.0]})") !=
      std::string::npos);
  const std::string second = RowAsJson(*answer, 1, kKeys, asked[1]);
  CHECK(second.find(R"("features":{"shops":null,"totals":null,"vector":null})") !=
        std::string::npos);
  CHECK(AnswerAsTable(*answer, kKeys, asked).find(R"(["b",null,"a"]  {"-7":0.5,)") !=
        std::string::npos);
}

TEST_CASE("a list of a default is the empty one beside NOT_FOUND") {
  Made made;
  made.plan.columns[0].has_default = true;
  const auto answer = DecodeAnswer(made.Response());
  REQUIRE(answer.ok());
  CHECK(answer->rows[1].cells[0].value.dump() == "[]");
}

TEST_CASE("rows for people hold arrays and objects") {
  Made made;
  BoundKeys keys;
  const std::vector<std::string> names = {"c1", "c2"};
  const std::vector<const std::string*> pointers = {names.data(), names.data() + 1};
  RequestColumn column;
  column.form = RequestColumn::Form::kStrings;
  column.strings = pointers;
  keys.num_rows = 2;
  keys.columns = {&column};
  v1::GetFeaturesResponse response;
  REQUIRE(PutRows(made.plan, keys, made.answer, false, 1 << 20, response) == 2);
  const auto& features = response.rows(0).fields().at("features").struct_value().fields();
  const auto& shops = features.at("shops").list_value();
  REQUIRE(shops.values_size() == 3);
  CHECK(shops.values(0).string_value() == "b");
  CHECK(shops.values(1).has_null_value());
  const auto& totals = features.at("totals").struct_value().fields();
  CHECK(totals.at("-7").number_value() == 0.5);
  CHECK(totals.at("1152921504606846976").number_value() == 2);
  CHECK(features.at("vector").list_value().values(1).number_value() == -1);
  CHECK(response.rows(1)
            .fields()
            .at("features")
            .struct_value()
            .fields()
            .at("shops")
            .has_null_value());
}

TEST_CASE("lists, vectors and maps that are not whole are an error, never a crash") {
  const auto broken = [](const std::function<void(v1::GetFeaturesResponse&)>& damage) {
    v1::GetFeaturesResponse response = Made().Response();
    damage(response);
    return !DecodeAnswer(response).ok();
  };
  CHECK_FALSE(broken([](auto&) {}));
  CHECK(broken([](auto& r) { r.mutable_columns(0)->mutable_list()->set_offsets("abc"); }));
  CHECK(broken([](auto& r) {
    r.mutable_columns(0)->mutable_list()->mutable_offsets()->assign(12, '\x7f');
  }));
  CHECK(broken(
      [](auto& r) { r.mutable_columns(0)->mutable_list()->mutable_elements()->set_nulls("a"); }));
  CHECK(broken(
      [](auto& r) { r.mutable_columns(0)->mutable_list()->mutable_elements()->mutable_list(); }));
  CHECK(broken([](auto& r) { r.mutable_columns(0)->mutable_list()->clear_elements(); }));
  CHECK(broken([](auto& r) {
    r.mutable_columns(1)->mutable_map()->mutable_values()->set_double_le("short");
  }));
  CHECK(broken([](auto& r) { r.mutable_columns(2)->mutable_fixed_list()->set_size(3); }));
  CHECK(broken([](auto& r) { r.mutable_columns(2)->mutable_fixed_list()->set_size(UINT32_MAX); }));
  CHECK(broken([](auto& r) { r.mutable_columns(2)->mutable_list(); }));
  CHECK(broken([](auto& r) { r.mutable_schema()->mutable_fields(0)->set_type("string"); }));
}

}  // namespace freshet
