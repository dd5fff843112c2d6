// What one request may cost: time until its deadline, bytes of its answer, and no expression computed twice.
#include <catch2/catch.hpp>

#include "featurestore/serve/lookup.h"
#include "featurestore/serve/plans.h"
#include "tests/support/request_columns.h"
#include "tests/support/served_project.h"

namespace freshet {
namespace {

struct Bank {
  static constexpr const char* kProject = R"yaml(project: bank
kafka: { brokers: embedded }
storage: { path: ./data, memory: 64MiB }
sources:
  transfers:
    topic: transfers
    timestamp: at
    fields: { at: timestamp, from: string, to: string, amount: double }
    derive: { cents: "cast(amount * 100 as int64)" }
entities:
  account: { keys: { account: string } }
feature_views:
  sent:
    source: transfers
    entity: account
    keys: { account: from }
    features: { n: { aggregate: count, windows: [1h] }, cents: { aggregate: sum, of: cents, windows: [1h] } }
  got:
    source: transfers
    entity: account
    keys: { account: to }
    features: { n: { aggregate: count, windows: [1h] } }
feature_services:
  texts:
    features: ["sent:n_1h"]
    request: { label: string, small: string }
    derive: { once: "small || small", twice: "label || label", last: "small || ''" }
  compared:
    features: ["sent:n_1h"]
    request: { label: string, pattern: string }
    derive: { hit: "label like pattern and n_1h >= 0" }
  counted:
    features:
      - { view: sent, as: from, keys: { account: from }, features: [n_1h, cents_1h] }
      - { view: sent, as: to, keys: { account: to }, features: [n_1h] }
      - { view: got, as: payee, keys: { account: to }, features: [n_1h] }
    request: { amount: double }
    count_request: transfers
)yaml";

  Outcome Run(const std::string& service, const Columns& keys, const Columns& inputs) {
    if (auto error = plans.Service(service, plan)) return error;
    return lookup.Run(*plan, {keys.get(), {}, inputs.get()}, options, answer);
  }
  int64_t Whole(size_t column, size_t row) const {
    return AnswerValue(Type::kInt64, answer.columns[column], row).as_int64();
  }

  ServedProject project{kProject};
  Plans plans{project.catalog()};
  ManualClock clock{At("2026-01-10T12:00:00Z")};
  Lookup lookup{project.store(), clock};
  LookupOptions options;
  std::shared_ptr<const Plan> plan;
  Answer answer;
};

std::vector<std::string> Names(size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) names.push_back("a" + std::to_string(i));
  return names;
}

size_t RowsFit(const ServeError& error) {
  REQUIRE(error.reason == "RESPONSE_TOO_LARGE");
  for (const auto& [name, value] : error.metadata) {
    if (name == "rows_fit") return std::stoul(value);
  }
  FAIL("no rows_fit");
  return 0;
}

Columns Accounts(size_t count) { return std::move(Columns().Text("account", Names(count))); }

Columns Labels(size_t count) {
  Columns inputs;
  inputs.Text("label", std::vector<std::string>(count, std::string(5000, 'x')));
  inputs.Text("small", std::vector<std::string>(count, std::string(200, 's')));
  return inputs;
}

}  // namespace

TEST_CASE("rows of derived text that fit are answered, and one more is not") {
  Bank bank;
  bank.options.max_response_bytes = 1 << 20;
  const Outcome error = bank.Run("texts", Accounts(1000), Labels(1000));
  REQUIRE(error);
  CHECK(error->message.find("(1048576 bytes)") != std::string::npos);
  const size_t fit = RowsFit(*error);
  INFO(fit);
  CHECK(fit > 90);  // 10,600 bytes a row: the columns that are filled last count, too
  REQUIRE_FALSE(bank.Run("texts", Accounts(fit), Labels(fit)));
  CHECK(PayloadBytes(*bank.plan, bank.answer, fit) + FrameBytes(*bank.plan) <= 1 << 20);
  const Outcome more = bank.Run("texts", Accounts(fit + 1), Labels(fit + 1));
  CHECK(
      (more || PayloadBytes(*bank.plan, bank.answer, fit + 1) + FrameBytes(*bank.plan) > 1 << 20));
}

TEST_CASE("an answer may be cut to the rows that fit, each of them whole") {
  Bank bank;
  bank.options.max_response_bytes = 1 << 20;
  bank.options.cut_to_fit = true;
  REQUIRE_FALSE(bank.Run("texts", Accounts(1000), Labels(1000)));
  CHECK(bank.answer.rows_asked == 1000);
  CHECK(bank.answer.rows_filled > 90);
  CHECK(bank.answer.rows_filled < 105);
  const size_t last = bank.answer.rows_filled - 1;
  CHECK(AnswerValue(Type::kString, bank.answer.columns[3], last).as_text() ==
        std::string(200, 's'));

  // By widths alone, before a row is read.
  bank.options.max_response_bytes = 1000;
  REQUIRE_FALSE(bank.Run("texts", Accounts(1000), Labels(1000)));
  CHECK(bank.answer.rows_asked == 1000);
  CHECK(bank.answer.num_rows == 1000 / (8 + 3));
}

TEST_CASE("a slow expression is not evaluated once more behind the deadline") {
  Bank bank;
  const std::string pattern = "%" + std::string(2000, 'a') + "b";
  Columns inputs;
  inputs.Text("label", {std::string(10'000, 'a')}).Text("pattern", {pattern});
  size_t looks = 0;
  bank.options.expired = [&] { return ++looks > 5; };
  const Outcome error = bank.Run("compared", Accounts(60), inputs);
  REQUIRE(error);
  CHECK(error->reason == "DEADLINE_EXCEEDED");
}

TEST_CASE("an expression of the request's event that fails is one error, however many read it") {
  Bank bank;
  Columns keys;
  keys.Text("from", {"a", "b"}).Text("to", {"b", "b"});
  REQUIRE_FALSE(bank.Run("counted", keys, Columns().Doubles("amount", {1e300, 2})));
  CHECK(bank.answer.expression_errors == 1);
  // Each row's event is its own all the same, and in every role.
  CHECK(bank.Whole(1, 1) == 200);
  CHECK(bank.Whole(0, 0) == 1);
  CHECK(bank.Whole(2, 0) == 0);
  CHECK(bank.Whole(2, 1) == 1);
  CHECK(bank.Whole(3, 0) == 1);
}

TEST_CASE("a request's event that is one for all rows is computed once") {
  Bank bank;
  Columns keys;
  keys.Text("from", {"a"}).Text("to", {"b"});
  bank.options.event_times = true;
  REQUIRE_FALSE(bank.Run("counted", keys, Columns().Doubles("amount", {1e300})));
  CHECK(bank.answer.expression_errors == 1);
}

}  // namespace freshet
