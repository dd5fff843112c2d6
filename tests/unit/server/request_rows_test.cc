#include "server/commands/request_rows.h"

#include <catch2/catch.hpp>
#include <sstream>

namespace freshet {
namespace {

const std::vector<RequestKey> kCard = {{"card", Type::kString}, {"shop", Type::kInt64}};

Status ErrorOfRows(const std::string& text) {
  std::istringstream lines(text);
  return ReadRows("spend", kCard, lines, "rows.jsonl").status();
}

TEST_CASE("keys on the command line are typed as the service's keys are") {
  const std::vector<std::string> arguments = {"shop=42", "card=a=b"};
  const auto row = ParseKeyArguments("spend", kCard, arguments);
  REQUIRE(row.ok());
  CHECK(row->keys[0] == "a=b");
  CHECK(row->keys[1] == 42);
}

TEST_CASE("a key that is wrong, unknown, missing or given twice is named") {
  const auto error = [](std::vector<std::string> arguments) {
    return std::string(MessageOf(ParseKeyArguments("spend", kCard, arguments).status()));
  };
  CHECK(error({"card=x", "shop=4.5"}) ==
        "service spend: key shop is int64, and \"4.5\" is not one; write shop=42");
  CHECK(error({"crad=x"}) == "service spend: there is no key \"crad\"; did you mean card?");
  CHECK(error({"card=x"}) == "service spend: key shop is missing; add shop=…");
  CHECK(error({"card=x", "card=y", "shop=1"}) ==
        "service spend: key card is given twice; several rows come with --rows");
  CHECK(error({"card"}) ==
        "service spend: \"card\" is not key=value, or key:null; keys: card, shop");
}

TEST_CASE(
    "rows of a file keep their order, may have a time of their own, and a null key is no entity") {
  std::istringstream lines(
      "{\"card\": \"a\", \"shop\": 1}\n\n"
      "{\"shop\": -9223372036854775808, \"card\": null, \"as_of\": \"2013-01-01T00:00:00Z\"}\r\n");
  const auto rows = ReadRows("spend", kCard, lines, "rows.jsonl");
  REQUIRE(rows.ok());
  REQUIRE(rows->size() == 2);
  CHECK((*rows)[0].keys[0] == "a");
  CHECK_FALSE((*rows)[0].as_of_us.has_value());
  CHECK((*rows)[1].keys[0].is_null());
  CHECK((*rows)[1].keys[1] == std::numeric_limits<int64_t>::min());
  CHECK((*rows)[1].as_of_us == 1'356'998'400'000'000);
}

TEST_CASE("null is said of an argument, and is not the text null") {
  const auto row =
      ParseKeyArguments("spend", kCard, std::vector<std::string>{"card=null", "shop:null"});
  REQUIRE(row.ok());
  CHECK(row->keys[0] == "null");
  CHECK(row->keys[1].is_null());
}

TEST_CASE("a row has a time of its own even where a key is named as_of") {
  const std::vector<RequestKey> keys = {{"as_of", Type::kString}};
  std::istringstream lines(R"({"as_of": "Monday", "--as-of": "2013-01-01T00:00:00Z"})");
  const auto rows = ReadRows("spend", keys, lines, "rows.jsonl");
  REQUIRE(rows.ok());
  CHECK(rows->at(0).keys[0] == "Monday");
  CHECK(rows->at(0).as_of_us == 1'356'998'400'000'000);
}

TEST_CASE("a mistake in a rows file is named with its line") {
  CHECK(MessageOf(ErrorOfRows("{\"card\": \"a\", \"shop\": 1}\n{\"card\": \"b\"}")) ==
        "rows.jsonl:2: key shop is missing (null where there is no entity)");
  CHECK(MessageOf(ErrorOfRows("{\"card\": 7, \"shop\": 1}")) ==
        "rows.jsonl:1: key card is string, and 7 is not one; write text in quotes");
  CHECK(MessageOf(ErrorOfRows("{\"card\": \"a\", \"shop\": 1, \"sopp\": 2}")) ==
        "rows.jsonl:1: \"sopp\" is not a key of service spend; did you mean shop?");
  CHECK(MessageOf(ErrorOfRows("[1]")) ==
        "rows.jsonl:1: not a JSON object; write one a line: {\"card\": …}");
  CHECK_FALSE(ErrorOfRows("{\"card\": \"a\", \"shop\": 9223372036854775808}").ok());
  CHECK_FALSE(ErrorOfRows("{\"card\": \"a\", \"shop\": 1.0}").ok());
  CHECK_FALSE(ErrorOfRows("{\"card\": \"a\", \"shop\": 1, \"as_of\": \"soon\"}").ok());
  CHECK_FALSE(ErrorOfRows(std::string(100'000, '[')).ok());
}

TEST_CASE("a member as_of is the row's time unless a key is named so") {
  const std::vector<RequestKey> keys = {{"as_of", Type::kString}};
  std::istringstream lines("{\"as_of\": \"x\"}");
  const auto rows = ReadRows("s", keys, lines, "f");
  REQUIRE(rows.ok());
  CHECK_FALSE(rows->front().as_of_us.has_value());
  CHECK(rows->front().keys[0] == "x");
}

TEST_CASE("a time is RFC 3339 or microseconds") {
  CHECK(*ParseAsOf("1970-01-01T00:00:01Z") == 1'000'000);
  CHECK(*ParseAsOf("1000000") == 1'000'000);
  CHECK_FALSE(ParseAsOf("yesterday").ok());
}

TEST_CASE("rows with and without a time are refused unless --as-of fills them") {
  std::vector<RequestRow> rows(2);
  rows[0].as_of_us = 5;
  CHECK_FALSE(FillAsOf(std::nullopt, rows).ok());
  REQUIRE(FillAsOf(7, rows).ok());
  CHECK(rows[0].as_of_us == 5);
  CHECK(rows[1].as_of_us == 7);
}

TEST_CASE(
    "a request holds each key as one packed column, nulls marked, and one time where all are "
    "equal") {
  std::vector<RequestRow> rows(2);
  rows[0].keys = {"ab", 1};
  rows[1].keys = {nullptr, 2};
  rows[0].as_of_us = rows[1].as_of_us = 5;
  v1::GetFeaturesRequest request;
  FillRequest(kCard, rows, request);
  REQUIRE(request.keys_size() == 2);
  CHECK(request.keys(0).text().data() == "ab");
  CHECK(request.keys(0).text().offsets() == std::string("\0\0\0\0\2\0\0\0\2\0\0\0", 12));
  CHECK(request.keys(0).nulls() == std::string("\0\1", 2));
  CHECK(request.keys(1).int64_le() == std::string("\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", 16));
  CHECK(request.keys(1).nulls().empty());
  CHECK(request.as_of_us_size() == 1);
  rows[1].as_of_us = 6;
  request.Clear();
  FillRequest(kCard, rows, request);
  CHECK(request.as_of_us_size() == 2);
}

TEST_CASE("inputs come as keys do, fractions too, and fill the request's inputs") {
  const std::vector<RequestKey> names = {
      {"card", Type::kString}, {"amount", Type::kDouble, true}, {"online", Type::kBool, true}};
  const std::vector<std::string> arguments = {"amount=12.5", "card=a", "online=true"};
  const auto row = ParseKeyArguments("spend", names, arguments);
  REQUIRE(row.ok());
  v1::GetFeaturesRequest request;
  FillRequest(names, {&*row, 1}, request);
  REQUIRE(request.keys_size() == 1);
  REQUIRE(request.inputs_size() == 2);
  CHECK(request.inputs(0).name() == "amount");
  CHECK(request.inputs(0).double_le().size() == 8);
  CHECK(request.inputs(1).bool_u8() == "\1");
  std::istringstream lines("{\"card\": \"a\", \"amount\": 3, \"online\": null}\n");
  const auto rows = ReadRows("spend", names, lines, "rows.jsonl");
  REQUIRE(rows.ok());
  CHECK((*rows)[0].keys[1] == 3.0);
  const auto error = [&](std::vector<std::string> given) {
    return std::string(MessageOf(ParseKeyArguments("spend", names, given).status()));
  };
  CHECK(error({"card=x", "amount=much", "online=true"}) ==
        "service spend: input amount is double, and \"much\" is not one; write amount=12.5");
  CHECK(error({"card=x", "amount=1"}) == "service spend: input online is missing; add online=…");
  CHECK(error({"card=x", "amuont=1"}) ==
        "service spend: there is no key or input \"amuont\"; did you mean amount?");
}

}  // namespace
}  // namespace freshet
