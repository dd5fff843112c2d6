// Roles, inputs, derived features and the request's own event over the wire.
#include <cstring>

#include "grpc_fixture.h"

namespace freshet {
namespace {

std::string LiveShop() {
  return ShopProject() + R"yaml(
  live:
    features:
      - "card_spend:spend_1h"
      - { view: shop_sales, as: store, keys: { shop: store_id }, features: [sales_1h] }
    request: { amount: double, merchant: string }
    derive: { share: "amount / spend_1h", odd: "1 / (amount - amount)", text: "merchant || '!'" }
    count_request: payments
)yaml";
}

v1::GetFeaturesRequest Live(const std::vector<std::string>& cards,
                            const std::vector<double>& amounts) {
  v1::GetFeaturesRequest request = Running::Request("live", cards);
  auto& store = *request.add_keys();
  store.set_name("store_id");
  store.mutable_int64s()->add_values(9);
  auto& amount = *request.add_inputs();
  amount.set_name("amount");
  amount.mutable_double_le()->assign(reinterpret_cast<const char*>(amounts.data()),
                                     amounts.size() * sizeof(double));
  auto& merchant = *request.add_inputs();
  merchant.set_name("merchant");
  merchant.mutable_strings()->add_values("Łódź");
  return request;
}

double DoubleAt(const v1::Column& column, size_t row) {
  double value = 0;
  std::memcpy(&value, column.double_le().data() + 8 * row, 8);
  return value;
}

}  // namespace

TEST_CASE("inputs go in, derived features come out, and the request's own event is counted") {
  GrpcServerOptions options;
  options.transport = FOR_BOTH_TRANSPORTS;
  Running running(options, LiveShop());
  v1::GetFeaturesRequest request = Live({"c1", "nobody"}, {7, 8});
  request.set_event_times(true);
  v1::GetFeaturesResponse response;
  const grpc::Status status = running.Get(request, response);
  INFO(status.error_message());
  REQUIRE(status.ok());
  REQUIRE(response.columns_size() == 5);
  CHECK(response.columns(0).name() == "spend_1h");
  CHECK(DoubleAt(response.columns(0), 0) == 14);  // 7 of the log, 7 of the request
  CHECK(DoubleAt(response.columns(0), 1) == 8);
  CHECK(response.columns(1).name() == "store:sales_1h");
  CHECK(DoubleAt(response.columns(1), 0) == 14);
  CHECK(DoubleAt(response.columns(1), 1) == 15);
  CHECK(DoubleAt(response.columns(2), 0) == 0.5);
  CHECK(response.columns(4).text().data() == "Łódź!");
  CHECK(response.columns(4).broadcast());
  // spend, store, share, odd: two values each, text: one.
  REQUIRE(response.statuses().size() == 9);
  CHECK(response.statuses()[0] == v1::PRESENT);
  CHECK(response.statuses()[1] == v1::PRESENT);  // NOT_FOUND but for its own event
  CHECK(response.statuses()[6] == v1::ERROR);
  const v1::Schema& schema = response.schema();
  CHECK_FALSE(schema.fields(1).derived());
  CHECK(schema.fields(2).derived());
  REQUIRE(schema.fields(2).derived_from_size() == 1);
  CHECK(schema.fields(2).derived_from(0) == 0);
  CHECK(schema.fields(4).derived_from_size() == 0);
  REQUIRE(response.views_size() == 2);
  CHECK(response.views(1).view() == "shop_sales");
  CHECK(response.views(1).role() == "store");
}

TEST_CASE("rows for people name roles, hold derived features and repeat no inputs") {
  Running running({}, LiveShop());
  v1::GetFeaturesRequest request = Live({"c1"}, {7});
  request.set_layout(v1::LAYOUT_ROWS);
  request.set_event_times(true);
  v1::GetFeaturesResponse response;
  REQUIRE(running.Get(request, response).ok());
  REQUIRE(response.rows_size() == 1);
  const auto& fields = response.rows(0).fields();
  CHECK(fields.at("keys").struct_value().fields().size() == 2);
  const auto& features = fields.at("features").struct_value().fields();
  CHECK(features.at("share").number_value() == 0.5);
  CHECK(features.at("odd").has_null_value());
  CHECK(features.at("text").string_value() == "Łódź!");
  CHECK(fields.at("statuses").struct_value().fields().at("odd").string_value() == "ERROR");
  CHECK(fields.at("event_times").struct_value().fields().contains("store:shop_sales"));
  CHECK(fields.size() == 4);
}

TEST_CASE(
    "an input that is missing, unknown or of a wrong type is refused, and errors are counted") {
  Running running({}, LiveShop());
  v1::GetFeaturesResponse response;
  v1::GetFeaturesRequest request = Live({"c1"}, {7});
  request.mutable_inputs(0)->set_name("amuont");
  Details details = DetailsOf(running.Get(request, response));
  CHECK(details.info.reason() == "UNKNOWN_INPUT");
  CHECK(details.info.metadata().at("nearest") == "amount");
  CHECK(details.bad_request.field_violations(0).field() == "inputs[0]");
  request = Live({"c1"}, {7});
  request.mutable_inputs()->RemoveLast();
  CHECK(DetailsOf(running.Get(request, response)).info.reason() == "MISSING_INPUT");
  request = Live({"c1"}, {7});
  request.mutable_inputs(0)->set_bool_u8("\1");
  CHECK(DetailsOf(running.Get(request, response)).info.reason() == "WRONG_TYPE");
  REQUIRE(running.Get(Live({"c1"}, {7}), response).ok());
  const std::string text = running.metrics.Expose();
  CHECK(text.find("freshet_serve_expression_errors_total{feature_service=\"live\"} 1") !=
        std::string::npos);
}

TEST_CASE("DescribeCatalog tells a service's inputs, derived features, roles and count_request") {
  Running running({}, LiveShop());
  const auto stub = v1::CatalogService::NewStub(running.channel);
  v1::DescribeCatalogRequest request;
  request.set_feature_service("live");
  v1::DescribeCatalogResponse response;
  grpc::ClientContext context;
  REQUIRE(stub->DescribeCatalog(&context, request, &response).ok());
  const v1::FeatureServiceInfo& service = response.services(0);
  REQUIRE(service.inputs_size() == 2);
  CHECK(service.inputs(0).name() == "amount");
  CHECK(service.inputs(0).type() == "double");
  CHECK(service.features_size() == 5);
  REQUIRE(service.derived_size() == 3);
  CHECK(service.derived(0).expression() == "amount / spend_1h");
  REQUIRE(service.roles_size() == 1);
  CHECK(service.roles(0).role() == "store");
  CHECK(service.roles(0).view() == "shop_sales");
  CHECK(service.roles(0).keys(0) == "store_id");
  CHECK(service.keys_size() == 2);
  CHECK(service.count_request() == "payments");
}

}  // namespace freshet
