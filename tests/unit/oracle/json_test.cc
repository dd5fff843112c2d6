#include <catch2/catch.hpp>

#include "featurestore/oracle/oracle.h"

namespace freshet::oracle {
namespace {

Source Payments() {
  Source source;
  source.name = "payments";
  source.fields = {{"at", Type::kTimestamp, {}, {}},
                   {"card", Type::kString, {}, {}},
                   {"amount", Type::kDouble, {}, {}},
                   {"count", Type::kInt64, {}, {}},
                   {"merchant", Type::kString, {"merchant", "id"}, {}}};
  source.time_field = 0;
  return source;
}

// What the oracle says of one record.
std::string Says(const std::string& value, const Source& source = Payments()) {
  FeatureView view;
  view.key_fields = {1};
  Oracle oracle(source, {Entity{}}, {view});
  const auto refusal = oracle.Offer({.key = {}, .value = value, .record_time = {}}, {});
  return refusal ? std::string(RefusalName(*refusal)) : "accepted";
}

const std::string kStart = R"({"at":"2013-01-01T10:15:00Z","card":"a")";

}  // namespace

TEST_CASE("a field that is absent or null is null") {
  CHECK(Says(kStart + "}") == "accepted");
  CHECK(Says(kStart + R"(,"amount":null,"merchant":null})") == "accepted");
  CHECK(Says(kStart + R"(,"merchant":{"id":null}})") == "accepted");
  CHECK(Says(kStart + R"(,"merchant":{"id":"x"}})") == "accepted");
}

TEST_CASE("the text is valid to its end") {
  CHECK(Says("") == "malformed");
  CHECK(Says(kStart) == "malformed");
  CHECK(Says(kStart + "} x") == "malformed");
  CHECK(Says(kStart + R"(,"other":[1,2})") == "malformed");
  CHECK(Says(kStart + ",\"other\":\"\xff\"}") == "malformed");
  CHECK(Says("[]") == "malformed");
}

TEST_CASE("an absent timestamp is incomplete") {
  CHECK(Says(R"({"card":"a"})") == "incomplete");
  CHECK(Says(R"({"at":null,"card":"a"})") == "incomplete");
}

TEST_CASE("a wrong type of any declared field is mistyped") {
  CHECK(Says(R"({"at":5,"card":"a"})") == "mistyped");
  CHECK(Says(R"({"at":"yesterday","card":"a"})") == "mistyped");
  CHECK(Says(R"({"at":"2013-01-01T10:15:00Z","card":7})") == "mistyped");
  CHECK(Says(kStart + R"(,"amount":"7"})") == "mistyped");
  CHECK(Says(kStart + R"(,"merchant":5})") == "mistyped");
}

TEST_CASE("an int64 takes only numbers without fraction or exponent") {
  CHECK(Says(kStart + R"(,"count":-9223372036854775808})") == "accepted");
  CHECK(Says(kStart + R"(,"count":9223372036854775807})") == "accepted");
  CHECK(Says(kStart + R"(,"count":9223372036854775808})") == "mistyped");
  CHECK(Says(kStart + R"(,"count":1.0})") == "mistyped");
  CHECK(Says(kStart + R"(,"count":1e2})") == "mistyped");
}

TEST_CASE("infinities are mistyped where a field is declared") {
  CHECK(Says(kStart + R"(,"amount":1e999})") == "mistyped");
  CHECK(Says(kStart + R"(,"amount":-1e999, "other":1})") == "mistyped");
  CHECK(Says(kStart + R"(,"other":[1e999,{"a":-1e999}],"amount":2})") == "accepted");
  CHECK(Says(kStart + R"(,"amount":NaN})") == "malformed");
}

TEST_CASE("a declared name that occurs twice is malformed") {
  CHECK(Says(kStart + R"(,"amount":1,"amount":1})") == "malformed");
  CHECK(Says(kStart + R"(,"merchant":{"id":"a","id":"b"}})") == "malformed");
  CHECK(Says(kStart + R"(,"other":1,"other":2})") == "accepted");
}

TEST_CASE("an event whose key is null for every view is accepted and no_key") {
  FeatureView view;
  view.key_fields = {1};
  Oracle oracle(Payments(), {Entity{}}, {view});
  const std::string value = R"({"at":"2013-01-01T10:15:00Z"})";
  const auto refusal = oracle.Offer({.key = {}, .value = value, .record_time = {}}, {});
  CHECK(refusal == Refusal::kNoKey);
  CHECK(oracle.now_event_time() == ParseTimestamp("2013-01-01T10:15:00Z"));
  CHECK(oracle.entities(0).empty());
}

TEST_CASE(
    "an event later than max_future_skew after what it was seen at is refused and does not move "
    "now") {
  FeatureView view;
  view.key_fields = {1};
  Oracle oracle(Payments(), {Entity{}}, {view});
  const std::string value = kStart + "}";
  const Timestamp time = *ParseTimestamp("2013-01-01T10:15:00Z");
  const Record just{{}, value, {}, time - Duration::Minutes(5), {}};
  const Record beyond{{}, value, {}, time - Duration::Minutes(5) - Duration::Micros(1), {}};
  CHECK(oracle.Offer(beyond, {}) == Refusal::kFuture);
  CHECK(!oracle.now_event_time());
  CHECK(!oracle.Offer(just, {}));
}

}  // namespace freshet::oracle
