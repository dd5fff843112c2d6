#include <cmath>
#include <cstring>
#include <random>

#include "tests/integration/grpc/grpc_fixture.h"

namespace freshet {
namespace {

double DoubleAt(const std::string& bytes, size_t index) {
  double value = 0;
  std::memcpy(&value, bytes.data() + 8 * index, 8);
  return value;
}

}  // namespace

TEST_CASE("columns come packed, with names and schema for a client that holds none") {
  GrpcServerOptions options;
  options.transport = FOR_BOTH_TRANSPORTS;
  Running running(options);
  v1::GetFeaturesResponse response;
  auto request = Running::Request("all_of_card", {"c1", "nobody"});
  REQUIRE(running.Get(request, response).ok());
  CHECK(response.num_rows() == 2);
  REQUIRE(response.columns_size() == 4);
  CHECK(response.columns(0).name() == "spend_1h");
  CHECK(DoubleAt(response.columns(0).double_le(), 0) == 7.0);
  CHECK(response.columns(1).text().data() == "Łódź");
  CHECK(response.columns(2).bool_u8() == std::string("\1\0", 2));
  CHECK(response.columns(3).int64_le().size() == 16);
  CHECK(response.schema().fields(1).type() == "string");
  CHECK(response.schema().fields(1).view() == 1);
  CHECK(response.views(1).view() == "card_last");
  CHECK(response.evaluated_at_us() == kNoon.us);
  CHECK(response.statuses() == std::string("\1\3\1\3\1\3\1\3", 8));
}

TEST_CASE("names and schema are left out where the client's schema_id matches, and only there") {
  Running running;
  v1::GetFeaturesResponse first;
  auto request = Running::Request("risk", {"c1"});
  REQUIRE(running.Get(request, first).ok());
  REQUIRE(first.schema_id() != 0);
  request.set_schema_id(first.schema_id());
  v1::GetFeaturesResponse second;
  REQUIRE(running.Get(request, second).ok());
  CHECK_FALSE(second.has_schema());
  CHECK(second.columns(0).name().empty());
  CHECK(second.columns(0).double_le() == first.columns(0).double_le());
  request.set_schema_id(first.schema_id() + 1);
  v1::GetFeaturesResponse third;
  REQUIRE(running.Get(request, third).ok());
  CHECK(third.schema().fields_size() == 3);
  CHECK(third.schema_id() == first.schema_id());
}

TEST_CASE("rows for people: keys, features, statuses and event times, int64 beyond 2^53 as text") {
  Running running;
  auto request = Running::Request("all_of_card", {"c1", "nobody"});
  request.set_layout(v1::LAYOUT_ROWS);
  request.set_event_times(true);
  v1::GetFeaturesResponse response;
  REQUIRE(running.Get(request, response).ok());
  REQUIRE(response.rows_size() == 2);
  CHECK(response.columns_size() == 0);
  const auto object = [&](int row, const char* name) {
    return response.rows(row).fields().at(name).struct_value().fields();
  };
  CHECK(object(0, "keys").at("card").string_value() == "c1");
  CHECK(object(0, "features").at("spend_1h").number_value() == 7.0);
  CHECK(object(0, "features").at("cents_lifetime").string_value() == "9007199254740993");
  CHECK(object(0, "features").at("last_shop").string_value() == "Łódź");
  CHECK(object(0, "features").at("last_online").bool_value());
  CHECK(object(0, "statuses").at("spend_1h").string_value() == "PRESENT");
  CHECK(object(0, "event_times").at("card_spend").string_value() == "2026-01-10T11:50:00Z");
  CHECK(object(1, "features").at("last_shop").has_null_value());
  CHECK(object(1, "features").at("spend_1h").number_value() == 0.0);  // the default of a sum
  CHECK(object(1, "statuses").at("spend_1h").string_value() == "NOT_FOUND");
  CHECK(object(1, "event_times").at("card_spend").has_null_value());
}

TEST_CASE("a matrix comes without columns") {
  Running running;
  auto request = Running::Request("risk", {"c1", "nobody"});
  request.set_layout(v1::LAYOUT_MATRIX_FLOAT64);
  v1::GetFeaturesResponse response;
  REQUIRE(running.Get(request, response).ok());
  CHECK(response.columns_size() == 0);
  REQUIRE(response.matrix().size() == 2 * 3 * 8);
  CHECK(DoubleAt(response.matrix(), 2) == 7.0);
  CHECK(DoubleAt(response.matrix(), 3) == 0.0);
  CHECK(std::isnan(DoubleAt(response.matrix(), 5)));
}

TEST_CASE("ten thousand rows with one broadcast key are one call") {
  GrpcServerOptions options;
  options.transport = FOR_BOTH_TRANSPORTS;
  Running running(options);
  auto request = Running::Request("ranking", {"c1"});
  auto& shops = *request.add_keys();
  shops.set_name("shop");
  for (int i = 0; i < 10'000; ++i) shops.mutable_int64s()->add_values(i);
  v1::GetFeaturesResponse response;
  REQUIRE(running.Get(request, response).ok());
  CHECK(response.num_rows() == 10'000);
  CHECK(response.columns(0).broadcast());
  CHECK(response.columns(0).double_le().size() == 8);
  CHECK(DoubleAt(response.columns(1).double_le(), 9) == 7.0);
  CHECK(response.statuses().size() == 20'001);
}

TEST_CASE("null keys are NOT_FOUND, not an error") {
  Running running;
  auto request = Running::Request("risk", {"c1", "c1"});
  request.mutable_keys(0)->set_nulls(std::string("\0\1", 2));
  v1::GetFeaturesResponse response;
  REQUIRE(running.Get(request, response).ok());
  CHECK(response.statuses() == std::string("\1\3\1\3\1\3", 6));
}

TEST_CASE("errors carry reason, domain, metadata and the field") {
  GrpcServerOptions options;
  options.transport = FOR_BOTH_TRANSPORTS;
  Running running(options);
  v1::GetFeaturesResponse response;
  const auto refused = [&](const v1::GetFeaturesRequest& request, grpc::StatusCode code) {
    const grpc::Status status = running.Get(request, response);
    CHECK(status.error_code() == code);
    return DetailsOf(status);
  };
  auto details = refused(Running::Request("rsk", {"c1"}), grpc::StatusCode::NOT_FOUND);
  CHECK(details.info.reason() == "UNKNOWN_FEATURE_SERVICE");
  CHECK(details.info.metadata().at("nearest") == "risk");

  v1::GetFeaturesRequest list;
  list.mutable_features()->add_names("card_spend:spend");
  details = refused(list, grpc::StatusCode::NOT_FOUND);
  CHECK(details.info.reason() == "UNKNOWN_FEATURE");

  auto request = Running::Request("risk", {"c1"});
  request.mutable_keys(0)->set_name("crd");
  details = refused(request, grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(details.info.reason() == "UNKNOWN_KEY");
  CHECK(details.bad_request.field_violations(0).field() == "keys[0]");

  details = refused(v1::GetFeaturesRequest(), grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(details.info.reason() == "MISSING_SELECTION");
  CHECK(details.bad_request.field_violations(0).field() == "selection");

  request = Running::Request("risk", {});
  request.mutable_keys(0)->set_double_le(std::string(8, '\0'));
  details = refused(request, grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(details.info.reason() == "WRONG_TYPE");

  request = Running::Request("all_of_card", {"c1"});
  request.set_layout(v1::LAYOUT_MATRIX_FLOAT32);
  details = refused(request, grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(details.info.reason() == "NOT_NUMERIC");

  request = Running::Request("risk", std::vector<std::string>(10'001, "c1"));
  details = refused(request, grpc::StatusCode::INVALID_ARGUMENT);
  CHECK(details.info.reason() == "TOO_MANY_ROWS");

  running.project.status("card_spend").complete = false;
  details = refused(Running::Request("risk", {"c1"}), grpc::StatusCode::UNAVAILABLE);
  CHECK(details.info.reason() == "VIEW_REBUILDING");
  CHECK(details.has_retry);
}

TEST_CASE("what could do nothing is refused, not ignored") {
  Running running;
  v1::GetFeaturesResponse response;
  auto event_id = Running::Request("risk", {"c1"});
  event_id.set_event_id("x");
  CHECK(DetailsOf(running.Get(event_id, response)).info.reason() == "BAD_EVENT_ID");
  auto layout = Running::Request("risk", {"c1"});
  layout.set_layout(static_cast<v1::Layout>(77));
  CHECK(DetailsOf(running.Get(layout, response)).info.reason() == "NOT_SUPPORTED");
}

TEST_CASE("an answer that is too large says how many rows fit, and as many are answered") {
  const auto layout = GENERATE(v1::LAYOUT_COLUMNS, v1::LAYOUT_ROWS, v1::LAYOUT_MATRIX_FLOAT64);
  Running running({}, ShopProject(),
                  [](Catalog& catalog) { catalog.server.max_response_bytes = 20'000; });
  auto request = Running::Request("risk", std::vector<std::string>(2'000, "c1"));
  request.set_layout(layout);
  v1::GetFeaturesResponse response;
  const Details details = DetailsOf(running.Get(request, response));
  REQUIRE(details.info.reason() == "RESPONSE_TOO_LARGE");
  const int fit = std::stoi(details.info.metadata().at("rows_fit"));
  REQUIRE(fit > 10);
  request = Running::Request("risk", std::vector<std::string>(static_cast<size_t>(fit), "c1"));
  request.set_layout(layout);
  REQUIRE(running.Get(request, response).ok());
  CHECK(response.ByteSizeLong() <= 20'000);
}

TEST_CASE("objects of thousands of rows that do not fit are told by the server's own limit") {
  Running running({}, ShopProject(),
                  [](Catalog& catalog) { catalog.server.max_response_bytes = 2'000; });
  auto request = Running::Request("risk", std::vector<std::string>(9'000, "c1"));
  request.set_layout(v1::LAYOUT_ROWS);
  v1::GetFeaturesResponse response;
  const grpc::Status status = running.Get(request, response);
  const Details details = DetailsOf(status);
  REQUIRE(details.info.reason() == "RESPONSE_TOO_LARGE");
  CHECK(status.error_message().find("9000 rows") != std::string::npos);
  CHECK(status.error_message().find("(2000 bytes)") != std::string::npos);
  const int fit = std::stoi(details.info.metadata().at("rows_fit"));
  CHECK(fit > 2);
  request = Running::Request("risk", std::vector<std::string>(static_cast<size_t>(fit), "c1"));
  request.set_layout(v1::LAYOUT_ROWS);
  CHECK(running.Get(request, response).ok());
}

TEST_CASE("a long message stays within what clients take as trailers") {
  Running running;
  v1::GetFeaturesRequest request;
  std::string name;
  for (int i = 0; i < 100'000; ++i) name += "ł";
  request.mutable_features()->add_names(name);
  v1::GetFeaturesResponse response;
  const grpc::Status status = running.Get(request, response);
  CHECK(status.error_code() == grpc::StatusCode::NOT_FOUND);
  CHECK(DetailsOf(status).info.reason() == "UNKNOWN_FEATURE");
}

TEST_CASE("a call without a deadline gets default_deadline") {
  Running running({}, ShopProject(),
                  [](Catalog& catalog) { catalog.server.default_deadline = Duration{0}; });
  grpc::ClientContext context;  // no deadline
  v1::GetFeaturesResponse response;
  const auto status =
      running.stub->GetFeatures(&context, Running::Request("risk", {"c1"}), &response);
  CHECK(status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED);
  CHECK(DetailsOf(status).info.reason() == "DEADLINE_EXCEEDED");
}

TEST_CASE("random bytes are answered with an error or an answer, never with an end") {
  Running running;
  const auto seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  auto valid = Running::Request("ranking", {"c1", "c2"});
  auto& shops = *valid.add_keys();
  shops.set_name("shop");
  shops.mutable_text()->set_offsets(std::string(12, '\0'));
  valid.add_as_of_us(kNoon.us);
  const std::string bytes = valid.SerializeAsString();
  int answered = 0;
  for (int i = 0; i < 20'000 && answered < 500; ++i) {
    std::string mutated = bytes;
    const size_t changes = 1 + random() % 4;
    for (size_t c = 0; c < changes; ++c) {
      switch (random() % 3) {
        case 0:
          mutated[random() % mutated.size()] = static_cast<char>(random());
          break;
        case 1:
          mutated.insert(random() % mutated.size(), 1, static_cast<char>(random()));
          break;
        default:
          mutated.erase(random() % mutated.size(), 1);
      }
    }
    v1::GetFeaturesRequest request;
    if (!request.ParsePartialFromString(mutated)) continue;  // gRPC refuses it before us
    v1::GetFeaturesResponse response;
    const grpc::Status status = running.Get(request, response);
    INFO(request.ShortDebugString());
    INFO(status.error_message());
    const bool fine = status.ok() || status.error_code() == grpc::StatusCode::INVALID_ARGUMENT ||
                      status.error_code() == grpc::StatusCode::NOT_FOUND;
    CHECK(fine);
    ++answered;
  }
  CHECK(answered > 100);
  v1::GetFeaturesResponse response;
  CHECK(running.Get(Running::Request("risk", {"c1"}), response).ok());
}

}  // namespace freshet
