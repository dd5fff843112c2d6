// What comes with a request: roles, inputs, derived features, the request's own event.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <functional>

#include "featurestore/serve/lookup.h"
#include "featurestore/serve/plans.h"
#include "tests/support/request_columns.h"
#include "tests/support/served_project.h"

namespace freshet {
namespace {

const Timestamp kNoon = At("2026-01-10T12:00:00Z");

// Transfers between accounts; features of who sends.
std::string BankProject(const std::string& clock = "wall") {
  return "project: bank\nclock: " + clock + R"yaml(
kafka: { brokers: embedded }
storage: { path: ./data, memory: 64MiB }
sources:
  transfers:
    topic: transfers
    timestamp: at
    fields: { at: timestamp, sender_id: string, receiver_id: string, amount: double, memo: string }
    derive: { cents: "cast(amount * 100 as int64)" }
    where: "amount > 0"
entities:
  account: { keys: { account: string } }
feature_views:
  activity:
    source: transfers
    entity: account
    keys: { account: sender_id }
    ttl: 30d
    history: 2h
    where: "memo is distinct from 'test'"
    features:
      sent: { aggregate: sum, of: amount, windows: [1h] }
      transfers: { aggregate: count, windows: [1h] }
      big: { aggregate: count, where: "amount > 100", windows: [1h] }
      average: { aggregate: mean, of: amount, windows: [1h] }
      cents: { aggregate: sum, of: cents, windows: [lifetime] }
      memo: { aggregate: last, of: memo }
  received:
    source: transfers
    entity: account
    keys: { account: receiver_id }
    features: { received: { aggregate: sum, of: amount, windows: [1h] } }
feature_services:
  both:
    open: true
    features:
      - { view: activity, as: sender, keys: { account: sender_id }, features: [sent_1h, memo] }
      - { view: activity, as: receiver, keys: { account: receiver_id }, features: [sent_1h] }
      - { view: activity, as: payer, keys: { account: sender_id }, features: [transfers_1h] }
  inputs:
    features: ["activity:sent_1h", "activity:average_1h", "activity:memo"]
    request: { amount: double, factor: int64, label: string, flag: bool, since: timestamp }
    derive:
      ratio: "amount / sent_1h"
      twice: "ratio * 2"
      greeting: "label || ':' || coalesce(memo, 'none')"
      only_input: "factor + 1"
      old: "extract(epoch from now - since)"
      shout: "upper(greeting)"
      sure: "average_1h is null and flag"
  counted:
    features: ["activity:sent_1h", "activity:transfers_1h", "activity:big_1h", "activity:cents_lifetime", "activity:memo"]
    request: { amount: double, memo: string }
    derive: { share: "amount / sent_1h", again: "request.memo = activity.memo" }
    count_request: transfers
  counted_roles:
    features:
      - { view: activity, as: sender, keys: { account: sender_id }, features: [transfers_1h] }
      - { view: activity, as: receiver, keys: { account: receiver_id }, features: [transfers_1h] }
      - { view: received, as: receiver, keys: { account: receiver_id }, features: [received_1h] }
    request: { amount: double, memo: string }
    count_request: transfers
)yaml";
}

struct Bank {
  explicit Bank(const std::string& clock_kind = "wall")
      : project(BankProject(clock_kind)), plans(project.catalog()) {
    Transfer(-30, "a", "b", 5);
    Transfer(-10, "a", "c", 7);
    Transfer(-20, "b", "a", 100);
  }
  void Transfer(int minute, const char* from, const char* to, double amount) {
    const std::vector<std::pair<std::string, Value>> fields = {
        {"sender_id", Value::Text(from)},
        {"receiver_id", Value::Text(to)},
        {"amount", Value::Double(amount)},
        {"cents", Value::Int64(static_cast<int64_t>(amount * 100))},
        {"memo", Value::Text("rent")}};
    for (const char* view : {"activity", "received"}) {
      project.Apply(view, kNoon + Duration::Minutes(minute), fields);
    }
  }
  Outcome Run(const std::string& service, const Columns& keys, const Columns& inputs = {},
              const std::vector<int64_t>& as_of = {}) {
    if (auto error = plans.Service(service, plan)) return error;
    return lookup.Run(*plan, {keys.get(), as_of, inputs.get()}, options, answer);
  }
  size_t Column(std::string_view name) const {
    for (size_t c = 0; c < plan->columns.size(); ++c) {
      if (plan->columns[c].name == name) return c;
    }
    throw std::runtime_error("no column " + std::string(name));
  }
  Value At(std::string_view name, size_t row = 0) const {
    const size_t c = Column(name);
    return AnswerValue(plan->columns[c].type, answer.columns[c], row);
  }
  double Number(std::string_view name, size_t row = 0) const { return At(name, row).number(); }
  CellStatus Status(std::string_view name, size_t row = 0) const {
    if (answer.statuses.empty()) return CellStatus::kPresent;
    size_t cell = 0;
    const size_t wanted = Column(name);
    for (size_t c = 0; c < wanted; ++c) cell += answer.columns[c].broadcast ? 1 : answer.num_rows;
    return static_cast<CellStatus>(
        answer.statuses[cell + (answer.columns[wanted].broadcast ? 0 : row)]);
  }

  ServedProject project;
  Plans plans;
  ManualClock clock{kNoon};
  Lookup lookup{project.store(), clock};
  LookupOptions options;
  std::shared_ptr<const Plan> plan;
  Answer answer;
};

Columns Account(const std::vector<std::string>& accounts) {
  return std::move(Columns().Text("account", accounts));
}

// All inputs of service `inputs`, for one row.
Columns Inputs(double amount = 6) {
  Columns inputs;
  inputs.Doubles("amount", {amount});
  inputs.Packed<int64_t>("factor", RequestColumn::Form::kInt64, {41});
  inputs.Text("label", {"Zoë"});
  inputs.Packed<char>("flag", RequestColumn::Form::kBool, {1});
  inputs.Packed<int64_t>("since", RequestColumn::Form::kTimestamp,
                         {(kNoon - Duration::Minutes(1)).us});
  return inputs;
}

TEST_CASE(
    "roles are explained by their names, and a view that the request's event joined says so") {
  Bank bank;
  Explanation why;
  bank.options.explanation = &why;
  REQUIRE_FALSE(bank.Run("counted_roles",
                         Columns().Text("sender_id", {"a"}).Text("receiver_id", {"b"}),
                         Columns().Doubles("amount", {20}).Text("memo", {"rent"})));
  REQUIRE(why.views.size() == 3);
  CHECK(why.views[0].name == "sender:activity");
  CHECK(why.views[0].joined);
  CHECK(why.views[0].newest == kNoon);
  CHECK(why.views[1].name == "receiver:activity");
  CHECK_FALSE(why.views[1].joined);
  CHECK(why.views[2].name == "receiver:received");
  CHECK(why.views[2].joined);
  CHECK(why.features[1].name == "receiver:transfers_1h");
  CHECK(why.features[1].view == 1);
}

TEST_CASE("every column is explained, derived ones by their SQL and what they read") {
  Bank bank;
  Explanation why;
  bank.options.explanation = &why;
  REQUIRE_FALSE(bank.Run("counted", Columns().Text("account", {"nobody"}),
                         Columns().Doubles("amount", {-1}).Text("memo", {"test"})));
  REQUIRE(why.features.size() == bank.plan->columns.size());
  for (size_t c = 0; c < why.features.size(); ++c) {
    CHECK(why.features[c].name == bank.plan->columns[c].name);
    CHECK_FALSE(why.features[c].why.empty());
  }
  const FeatureExplanation& share = why.features[bank.Column("share")];
  CHECK(share.view == kNoIndex);
  CHECK(share.declared == "amount / sent_1h");
  CHECK(share.why ==
        "of sent_1h = 0 (NOT_FOUND: its default), amount = -1 (input); the expression failed: "
        "division by zero");
  const FeatureExplanation& again = why.features[bank.Column("again")];
  CHECK(again.status == CellStatus::kNullValue);
  CHECK(again.why == "of memo = NULL (NOT_FOUND), memo = \"test\" (input); the expression is NULL");
}

}  // namespace

TEST_CASE("a view in two roles is asked by two keys, and answered as role:feature") {
  Bank bank;
  Columns keys;
  keys.Text("sender_id", {"a", "b"}).Text("receiver_id", {"b", "nobody"});
  bank.options.event_times = true;
  REQUIRE_FALSE(bank.Run("both", keys));
  CHECK(bank.Number("sender:sent_1h", 0) == 12);
  CHECK(bank.Number("sender:sent_1h", 1) == 100);
  CHECK(bank.Number("receiver:sent_1h", 0) == 100);
  CHECK(bank.Status("receiver:sent_1h", 1) == CellStatus::kNotFound);
  CHECK(bank.Number("payer:transfers_1h", 0) == 2);
  REQUIRE(bank.answer.views.size() == 3);
  CHECK(bank.plan->view_label(1) == "receiver:activity");
  // The sender's and the payer's keys are one, and so is the row.
  CHECK(bank.plan->views[2].same_rows == 0u);
  CHECK(bank.answer.views[0].event_times == bank.answer.views[2].event_times);
  CHECK(bank.answer.views[0].event_times != bank.answer.views[1].event_times);
  REQUIRE(bank.plan->keys.size() == 2);
}

TEST_CASE(
    "derived features see the service's features, inputs and now, and earlier ones of theirs") {
  Bank bank;
  REQUIRE_FALSE(bank.Run("inputs", Account({"a"}), Inputs()));
  CHECK(bank.Number("ratio") == 0.5);
  CHECK(bank.Number("twice") == 1.0);
  CHECK(bank.At("greeting").as_text() == "Zoë:rent");
  CHECK(bank.At("shout").as_text() == "ZOË:RENT");
  CHECK(bank.At("only_input").as_int64() == 42);
  CHECK(bank.Number("old") == 60);
  CHECK_FALSE(bank.At("sure").as_bool());
  CHECK(bank.answer.statuses.empty());
  CHECK(bank.answer.expression_errors == 0);
}

TEST_CASE("a cell without a value is NULL to a derived feature, and a default is its value") {
  Bank bank;
  REQUIRE_FALSE(bank.Run("inputs", Account({"nobody"}), Inputs()));
  CHECK(bank.Status("sent_1h") == CellStatus::kNotFound);
  CHECK(bank.Status("ratio") == CellStatus::kError);  // divided by the default of sum, 0
  CHECK(std::isnan(bank.Number("ratio")));
  CHECK(bank.Status("twice") == CellStatus::kNullValue);  // an error is null to others
  CHECK(bank.At("greeting").as_text() == "Zoë:none");
  CHECK(bank.At("sure").as_bool());
  CHECK(bank.answer.expression_errors == 1);
}

TEST_CASE("now is the read's time, as_of where it is given") {
  Bank bank;
  const std::vector<int64_t> as_of = {kNoon.us, (kNoon + Duration::Minutes(4)).us};
  REQUIRE_FALSE(bank.Run("inputs", Account({"a"}), Inputs(), as_of));
  CHECK(bank.Number("old", 0) == 60);
  CHECK(bank.Number("old", 1) == 300);
  CHECK(bank.answer.columns[bank.Column("only_input")].broadcast);
}

TEST_CASE("a derived column is broadcast only if all that it is derived of is") {
  Bank bank;
  Columns inputs = Inputs();
  Columns many;
  many.Doubles("amount", {6, 12, 24});
  std::vector<RequestColumn> columns(inputs.get().begin(), inputs.get().end());
  columns[0] = many.get()[0];
  REQUIRE_FALSE(bank.plans.Service("inputs", bank.plan));
  const Columns keys = Account({"a"});
  REQUIRE_FALSE(bank.lookup.Run(*bank.plan, {keys.get(), {}, columns}, bank.options, bank.answer));
  CHECK(bank.answer.num_rows == 3);
  CHECK(bank.Number("ratio", 2) == 2);
  CHECK(bank.Number("twice", 1) == 2);
  CHECK(bank.answer.columns[bank.Column("sent_1h")].broadcast);
  CHECK(bank.answer.columns[bank.Column("greeting")].broadcast);
  CHECK_FALSE(bank.answer.columns[bank.Column("twice")].broadcast);
}

TEST_CASE(
    "an input may be null, NaN is null, and whole numbers are doubles where a double is asked "
    "for") {
  Bank bank;
  const auto with_amount = [&](const std::function<void(Columns&)>& amount) {
    Columns first;
    amount(first);
    const Columns others = Inputs();
    std::vector<RequestColumn> columns(others.get().begin(), others.get().end());
    columns[0] = first.get()[0];
    REQUIRE_FALSE(bank.plans.Service("inputs", bank.plan));
    const Columns keys = Account({"a"});
    return bank.lookup.Run(*bank.plan, {keys.get(), {}, columns}, bank.options, bank.answer);
  };
  using Form = RequestColumn::Form;
  REQUIRE_FALSE(with_amount([](Columns& c) { c.Doubles("amount", {6}).Nulls({1}); }));
  CHECK(bank.Status("ratio") == CellStatus::kNullValue);
  REQUIRE_FALSE(with_amount([](Columns& c) { c.Text("amount", {""}).Nulls({1}); }));
  CHECK(bank.Status("ratio") == CellStatus::kNullValue);
  REQUIRE_FALSE(with_amount([](Columns& c) { c.Doubles("amount", {std::nan("")}); }));
  CHECK(bank.Status("ratio") == CellStatus::kNullValue);
  REQUIRE_FALSE(with_amount([](Columns& c) { c.Packed<int64_t>("amount", Form::kInt64, {24}); }));
  CHECK(bank.Number("ratio") == 2);
  REQUIRE_FALSE(with_amount([](Columns& c) { c.Packed<float>("amount", Form::kFloat, {24}); }));
  CHECK(bank.Number("ratio") == 2);
  auto error = with_amount([](Columns& c) { c.Doubles("amount", {INFINITY}); });
  REQUIRE(error);
  CHECK(error->reason == "WRONG_TYPE");
  error = with_amount([](Columns& c) { c.Text("amount", {"6"}); });
  REQUIRE(error);
  CHECK(error->reason == "WRONG_TYPE");
  CHECK(error->violations[0].field == "inputs[0]");
  error = with_amount([](Columns& c) { c.Doubles("amount", {1, 2}); });
  CHECK_FALSE(error);
  CHECK(bank.answer.num_rows == 2);
  error = with_amount([](Columns& c) { c.Packed<char>("amount", Form::kDouble, {1, 2, 3}); });
  REQUIRE(error);
  CHECK(error->message.find("no multiple of 8") != std::string::npos);
}

TEST_CASE("missing, unknown, doubled inputs and keys in the other's place are refused by name") {
  Bank bank;
  const auto refusal = [&](const Columns& keys, const Columns& inputs) {
    const Outcome error = bank.Run("counted", keys, inputs);
    REQUIRE(error);
    CHECK(error->code == absl::StatusCode::kInvalidArgument);
    return error->reason + ": " + error->message;
  };
  Columns only_amount;
  only_amount.Doubles("amount", {1});
  CHECK(refusal(Account({"a"}), only_amount) ==
        "MISSING_INPUT: inputs: feature service counted needs input memo; send null where there is "
        "none");
  Columns misspelt;
  misspelt.Doubles("amuont", {1}).Text("memo", {""});
  CHECK(refusal(Account({"a"}), misspelt) ==
        "UNKNOWN_INPUT: inputs[0]: feature service counted has no input \"amuont\"; did you mean "
        "amount?");
  Columns twice;
  twice.Doubles("amount", {1}).Text("memo", {""}).Doubles("amount", {1});
  CHECK(refusal(Account({"a"}), twice) ==
        "DUPLICATE_INPUT: inputs[2]: input amount is given twice");
  Columns key;
  key.Text("account", {"a"}).Doubles("amount", {1});
  CHECK(refusal(Account({"a"}), key) ==
        "UNKNOWN_INPUT: inputs[0]: feature service counted has no input \"account\"; it is a key: "
        "send it in keys");
  CHECK(refusal(key, {}) ==
        "UNKNOWN_KEY: keys[1]: feature service counted has no key \"amount\"; it is an input: send "
        "it in inputs");
  const Outcome none =
      bank.Run("both", Columns().Text("sender_id", {"a"}).Text("receiver_id", {"a"}), only_amount);
  REQUIRE(none);
  CHECK(none->message == "inputs[0]: feature service both has no input \"amount\"; it takes none");
}

TEST_CASE("the request's own event is counted, and is not stored") {
  Bank bank;
  Columns inputs;
  inputs.Doubles("amount", {8}).Text("memo", {"gift"});
  for (int again = 0; again < 2; ++again) {
    REQUIRE_FALSE(bank.Run("counted", Account({"a"}), inputs));
    CHECK(bank.Number("sent_1h") == 20);
    CHECK(bank.Number("transfers_1h") == 3);
    CHECK(bank.Number("big_1h") == 0);
    CHECK(bank.Number("cents_lifetime") == 2000);  // of a field that the source derives
    CHECK(bank.At("memo").as_text() == "gift");
    CHECK(bank.Number("share") == 0.4);
    CHECK(bank.At("again").as_bool());
  }
}

TEST_CASE("the request's own event turns NOT_FOUND into PRESENT, and its time is the read's") {
  Bank bank;
  Columns inputs;
  inputs.Doubles("amount", {8, 800}).Text("memo", {"gift"});
  bank.options.event_times = true;
  REQUIRE_FALSE(bank.Run("counted", Account({"nobody"}), inputs));
  CHECK(bank.answer.statuses.empty());
  CHECK(bank.Number("sent_1h", 0) == 8);
  CHECK(bank.Number("sent_1h", 1) == 800);  // one key, two events: two answers
  CHECK(bank.Number("big_1h", 1) == 1);
  int64_t us = 0;
  std::memcpy(&us, bank.answer.views[0].event_times.data() + 8, 8);
  CHECK(us == kNoon.us);
}

TEST_CASE("an event that a where refuses is not counted, as a stored one would not be") {
  Bank bank;
  Columns by_source;
  by_source.Doubles("amount", {-8}).Text("memo", {"gift"});
  REQUIRE_FALSE(bank.Run("counted", Account({"a", "nobody"}), by_source));
  CHECK(bank.Number("transfers_1h", 0) == 2);
  CHECK(bank.Status("transfers_1h", 1) == CellStatus::kNotFound);
  Columns by_view;
  by_view.Doubles("amount", {8}).Text("memo", {"test"});
  REQUIRE_FALSE(bank.Run("counted", Account({"a"}), by_view));
  CHECK(bank.Number("transfers_1h") == 2);
}

TEST_CASE("a null key has no row that the request's event could join") {
  Bank bank;
  Columns keys;
  keys.Text("account", {"a"}).Nulls({1});
  Columns inputs;
  inputs.Doubles("amount", {8}).Text("memo", {"gift"});
  REQUIRE_FALSE(bank.Run("counted", keys, inputs));
  CHECK(bank.Status("transfers_1h") == CellStatus::kNotFound);
}

TEST_CASE("in roles the request's event joins the rows whose key it has, and no other") {
  Bank bank;
  Columns keys;
  keys.Text("sender_id", {"a", "b"}).Text("receiver_id", {"b", "b"});
  Columns inputs;
  inputs.Doubles("amount", {8}).Text("memo", {"gift"});
  REQUIRE_FALSE(bank.Run("counted_roles", keys, inputs));
  CHECK(bank.Number("sender:transfers_1h", 0) == 3);
  CHECK(bank.Number("receiver:transfers_1h", 0) == 1);  // b sent nothing with this request
  CHECK(bank.Number("receiver:received_1h", 0) == 13);
  CHECK(bank.Number("sender:transfers_1h", 1) == 2);
  CHECK(bank.Number("receiver:transfers_1h", 1) == 2);  // b sends to itself
}

TEST_CASE("with as_of the request's event happens then") {
  Bank bank;
  Columns inputs;
  inputs.Doubles("amount", {8}).Text("memo", {"gift"});
  const std::vector<int64_t> later = {(kNoon + Duration::Minutes(45)).us};
  REQUIRE_FALSE(bank.Run("counted", Account({"a"}), inputs, later));
  CHECK(bank.Number("sent_1h") == 15);  // 7 of 11:50, and 8
}

TEST_CASE("a matrix holds derived features beside the others, in every row") {
  Bank bank;
  bank.options.form = AnswerForm::kMatrixFloat64;
  Columns keys;
  keys.Text("sender_id", {"a"}).Text("receiver_id", {"b", "c"});
  Columns inputs;
  inputs.Doubles("amount", {8}).Text("memo", {"gift"});
  REQUIRE_FALSE(bank.Run("counted_roles", keys, inputs));
  REQUIRE(bank.answer.matrix.size() == 2 * 3 * 8);
  std::array<double, 6> m{};
  std::memcpy(m.data(), bank.answer.matrix.data(), sizeof m);
  CHECK(m == std::array<double, 6>{3, 1, 13, 3, 0, 15});
}

TEST_CASE("a role is none of a list of features, and the answer says where it is one") {
  Bank bank;
  const std::string name = "sender:sent_1h";
  const std::string* names[] = {&name};
  const Outcome error = bank.plans.Features(names, bank.plan);
  REQUIRE(error);
  CHECK(error->reason == "UNKNOWN_FEATURE");
  CHECK(error->message ==
        "features.names[0]: sender is a role of feature service both, and a list of features has "
        "none; ask for the "
        "service, or for view activity");
}

}  // namespace freshet
