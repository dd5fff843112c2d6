#include "server/commands/feature_answer.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

namespace freshet {
namespace {

template <typename Number>
std::string Packed(std::initializer_list<Number> numbers) {
  std::string bytes;
  for (const Number number : numbers)
    bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
  return bytes;
}

void AddField(v1::GetFeaturesResponse& response, const std::string& name, const std::string& type,
              bool has_default) {
  auto* field = response.mutable_schema()->add_fields();
  field->set_name(name);
  field->set_type(type);
  field->set_has_default(has_default);
}

// Two rows: count (with a default), mean and a text that stands for both rows.
v1::GetFeaturesResponse TwoRows() {
  v1::GetFeaturesResponse response;
  response.set_num_rows(2);
  response.set_evaluated_at_us(1'000'000);
  AddField(response, "trips", "int64", true);
  AddField(response, "delay", "double", false);
  AddField(response, "carrier", "string", false);
  response.add_columns()->set_int64_le(Packed<int64_t>({std::numeric_limits<int64_t>::max(), 0}));
  response.add_columns()->set_double_le(
      Packed<double>({0.1, std::numeric_limits<double>::quiet_NaN()}));
  auto* carrier = response.add_columns();
  carrier->set_broadcast(true);
  carrier->mutable_text()->set_offsets(Packed<uint32_t>({0, 2}));
  carrier->mutable_text()->set_data("UA");
  response.set_statuses(
      std::string({v1::PRESENT, v1::NOT_FOUND, v1::PRESENT, v1::NOT_FOUND, v1::PRESENT}));
  auto* view = response.add_views();
  view->set_view("airport");
  view->set_event_times_us_le(Packed<int64_t>({500'000, std::numeric_limits<int64_t>::min()}));
  return response;
}

const std::vector<RequestKey> kKeys = {{"origin", Type::kString}};

std::vector<RequestRow> Asked() {
  std::vector<RequestRow> rows(2);
  rows[0].keys = {"JFK"};
  rows[1].keys = {"XXX"};
  return rows;
}

TEST_CASE("a table cuts what is long at a whole character, and says where all of it is") {
  auto response = TwoRows();
  std::string name;
  for (int i = 0; i < 100; ++i) name += "ł";
  auto& carrier = *response.mutable_columns(2)->mutable_text();
  carrier.set_offsets(Packed<uint32_t>({0, static_cast<uint32_t>(name.size())}));
  carrier.set_data(name);
  const auto answer = DecodeAnswer(response);
  REQUIRE(answer.ok());
  const std::string table = AnswerAsTable(*answer, kKeys, Asked());
  CHECK(table.find(name.substr(0, 2 * 59) + "…") != std::string::npos);
  CHECK(table.find(name.substr(0, 2 * 60)) == std::string::npos);
  CHECK(table.find("--output json") != std::string::npos);
  CHECK(RowAsJson(*answer, 0, kKeys, Asked()[0]).find(name) != std::string::npos);
}

TEST_CASE(
    "JSON is one object a row: exact integers, shortest doubles, null where there is no value") {
  const auto answer = DecodeAnswer(TwoRows());
  REQUIRE(answer.ok());
  const auto asked = Asked();
  CHECK(
      RowAsJson(*answer, 0, kKeys, asked[0]) ==
      R"({"keys":{"origin":"JFK"},"features":{"trips":9223372036854775807,"delay":0.1,"carrier":"UA"},)"
      R"("statuses":{"trips":"PRESENT","delay":"PRESENT","carrier":"PRESENT"},)"
      R"("event_times":{"trips":"1970-01-01T00:00:00.500Z","delay":"1970-01-01T00:00:00.500Z",)"
      R"("carrier":"1970-01-01T00:00:00.500Z"}})");
}

TEST_CASE("a default stands beside NOT_FOUND; a 0 without one is null") {
  const auto answer = DecodeAnswer(TwoRows());
  REQUIRE(answer.ok());
  const auto line = nlohmann::json::parse(RowAsJson(*answer, 1, kKeys, Asked()[1]));
  CHECK(line["features"]["trips"] == 0);
  CHECK(line["statuses"]["trips"] == "NOT_FOUND");
  CHECK(line["features"]["delay"].is_null());
  CHECK(line["features"]["carrier"] == "UA");
  CHECK(line["event_times"]["delay"].is_null());
}

// "Its event time is the newest of those of the views that it is computed of."
TEST_CASE("a derived feature's event time is the newest of those of its views") {
  auto response = TwoRows();
  auto* shop = response.add_views();
  shop->set_view("shop");
  shop->set_event_times_us_le(Packed<int64_t>({400'000, 700'000}));
  response.mutable_schema()->mutable_fields(0)->set_derived(true);
  response.mutable_schema()->mutable_fields(0)->add_derived_from(0);
  response.mutable_schema()->mutable_fields(0)->add_derived_from(1);
  const auto answer = DecodeAnswer(response);
  REQUIRE(answer.ok());
  const auto times = [&](size_t row) {
    return nlohmann::json::parse(RowAsJson(*answer, row, kKeys, Asked()[row]))["event_times"];
  };
  CHECK(times(0)["trips"] == "1970-01-01T00:00:00.500Z");
  CHECK(times(1)["trips"] == "1970-01-01T00:00:00.700Z");  // the other view has no such row
  CHECK(times(1)["delay"].is_null());
}

TEST_CASE("a float is its shortest text; what JSON has no number for is text; bytes are base64") {
  v1::GetFeaturesResponse response;
  response.set_num_rows(1);
  AddField(response, "f", "float", false);
  AddField(response, "inf", "double", false);
  AddField(response, "b", "bytes", false);
  AddField(response, "t", "timestamp", false);
  AddField(response, "y", "bool", false);
  response.add_columns()->set_float_le(Packed<float>({0.1F}));
  response.add_columns()->set_double_le(Packed<double>({std::numeric_limits<double>::infinity()}));
  auto* bytes = response.add_columns()->mutable_text();
  bytes->set_offsets(Packed<uint32_t>({0, 2}));
  bytes->set_data("\xff\x00", 2);
  response.add_columns()->set_timestamp_us_le(Packed<int64_t>({0}));
  response.add_columns()->set_bool_u8(std::string(1, '\1'));
  response.add_views()->set_event_times_us_le(Packed<int64_t>({0}));
  const auto answer = DecodeAnswer(response);
  REQUIRE(answer.ok());
  RequestRow asked;
  asked.keys = {"x"};
  const auto line = nlohmann::json::parse(RowAsJson(*answer, 0, kKeys, asked));
  CHECK(line["features"].dump() ==
        R"({"b":"/wA=","f":0.1,"inf":"Infinity","t":"1970-01-01T00:00:00Z","y":true})");
}

TEST_CASE("an answer that is not whole is an error, never a crash") {
  const auto broken = [](const std::function<void(v1::GetFeaturesResponse&)>& damage) {
    v1::GetFeaturesResponse response = TwoRows();
    damage(response);
    return !DecodeAnswer(response).ok();
  };
  CHECK(broken([](auto& r) { r.mutable_schema()->mutable_fields()->RemoveLast(); }));
  CHECK(broken([](auto& r) { r.mutable_columns(0)->set_int64_le("short"); }));
  CHECK(broken([](auto& r) {
    r.mutable_columns(2)->mutable_text()->set_offsets(Packed<uint32_t>({0, 3}));
  }));
  CHECK(broken([](auto& r) {
    r.mutable_columns(2)->mutable_text()->set_offsets(Packed<uint32_t>({2, 0}));
  }));
  CHECK(broken([](auto& r) { r.set_statuses("\1"); }));
  CHECK(broken([](auto& r) { r.mutable_schema()->mutable_fields(0)->set_view(9); }));
  CHECK(broken([](auto& r) { r.mutable_views(0)->set_event_times_us_le("x"); }));
  CHECK(broken([](auto& r) { r.set_num_rows(3); }));
}

TEST_CASE("one row is a table of features, several are a table of rows") {
  const auto answer = DecodeAnswer(TwoRows());
  REQUIRE(answer.ok());
  CHECK(AnswerAsTable(*answer, kKeys, Asked()) ==
        "evaluated at 1970-01-01T00:00:01Z; airport: watermark –\n"
        "origin  trips                delay      carrier\n"
        "──────  ───────────────────  ─────────  ───────\n"
        "JFK     9223372036854775807  0.1        UA\n"
        "XXX     0 NOT_FOUND          NOT_FOUND  UA\n");
  FeatureAnswer one = *answer;
  one.rows.resize(1);
  const auto asked = Asked();
  CHECK(AnswerAsTable(one, kKeys, std::span(asked).first(1)) ==
        "evaluated at 1970-01-01T00:00:01Z; airport: watermark –\n"
        "feature  value                status   event time\n"
        "───────  ───────────────────  ───────  ────────────────────────\n"
        "trips    9223372036854775807  PRESENT  1970-01-01T00:00:00.500Z\n"
        "delay    0.1                  PRESENT  1970-01-01T00:00:00.500Z\n"
        "carrier  UA                   PRESENT  1970-01-01T00:00:00.500Z\n");
}

}  // namespace
}  // namespace freshet
