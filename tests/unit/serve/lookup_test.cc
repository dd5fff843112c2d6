#include "featurestore/serve/lookup.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>

#include "featurestore/serve/plans.h"
#include "tests/support/served_project.h"

namespace freshet {
namespace {

const Timestamp kNoon = At("2026-01-10T12:00:00Z");

RequestColumn Texts(std::string_view name, const std::vector<const std::string*>& values) {
  RequestColumn column;
  column.name = name;
  column.wire_name = "strings";
  column.form = RequestColumn::Form::kStrings;
  column.strings = values;
  return column;
}

std::vector<const std::string*> Pointers(const std::vector<std::string>& values) {
  std::vector<const std::string*> pointers;
  for (const std::string& value : values) pointers.push_back(&value);
  return pointers;
}

RequestColumn Numbers(std::string_view name, const std::vector<int64_t>& values) {
  RequestColumn column;
  column.name = name;
  column.wire_name = "int64_le";
  column.form = RequestColumn::Form::kInt64;
  column.packed = {reinterpret_cast<const char*>(values.data()), values.size() * 8};
  return column;
}

// A shop with one card that paid 5 and 7 within the last hour, and one shop that sold both.
struct Shop {
  explicit Shop(const std::string& clock_kind = "wall")
      : project(ShopProject(clock_kind)), plans(project.catalog()) {
    for (const auto& [minute, amount] : {std::pair{-30, 5.0}, std::pair{-10, 7.0}}) {
      const Timestamp at = kNoon + Duration::Minutes(minute);
      for (const char* view : {"card_spend", "card_last", "shop_sales", "visits"}) {
        project.Apply(view, at,
                      {{"card", Value::Text("c1")},
                       {"shop", Value::Int64(9)},
                       {"amount", Value::Double(amount)},
                       {"cents", Value::Int64(100)},
                       {"merchant", Value::Text("Łódź")},
                       {"online", Value::Bool(true)}});
      }
    }
  }

  Outcome Run(const std::string& service, const std::vector<RequestColumn>& keys,
              const std::vector<int64_t>& as_of = {}) {
    if (auto error = plans.Service(service, plan)) return error;
    return lookup.Run(*plan, {keys, as_of}, options, answer);
  }
  CellStatus status(size_t cell) const {
    return answer.statuses.empty() ? CellStatus::kPresent
                                   : static_cast<CellStatus>(answer.statuses.at(cell));
  }
  double number(size_t column, size_t row) const {
    return AnswerValue(plan->columns[column].type, answer.columns[column], row).number();
  }

  ServedProject project;
  Plans plans;
  ManualClock clock{kNoon};
  Lookup lookup{project.store(), clock};
  LookupOptions options;
  std::shared_ptr<const Plan> plan;
  Answer answer;
};

}  // namespace

TEST_CASE(
    "a known entity is PRESENT, an unknown one NOT_FOUND with the defaults of sum and count") {
  Shop shop;
  const std::vector<std::string> cards = {"c1", "nobody"};
  const auto pointers = Pointers(cards);
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", pointers)}));
  CHECK(shop.answer.num_rows == 2);
  CHECK(shop.answer.evaluated_at == kNoon);
  CHECK(shop.number(0, 0) == 12.0);
  CHECK(shop.number(1, 0) == 2);
  CHECK(shop.number(2, 0) == 6.0);
  CHECK(shop.status(0) == CellStatus::kPresent);
  CHECK(shop.status(1) == CellStatus::kNotFound);
  CHECK(shop.number(0, 1) == 0.0);
  CHECK(std::isnan(shop.number(2, 1)));
  CHECK(shop.answer.views[0].cells_by_status[static_cast<size_t>(CellStatus::kNotFound)] == 3);
}

TEST_CASE("statuses are left out where all are present") {
  Shop shop;
  const std::vector<std::string> cards = {"c1"};
  const auto pointers = Pointers(cards);
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", pointers)}));
  CHECK(shop.answer.statuses.empty());
  CHECK(shop.answer.degraded.empty());
}

TEST_CASE("text, bool and int64 come back in their own bytes, and a null value is NULL_VALUE") {
  Shop shop;
  shop.project.Apply("card_last", kNoon, {{"card", Value::Text("c2")}});
  const std::vector<std::string> cards = {"c1", "c2"};
  const auto pointers = Pointers(cards);
  REQUIRE_FALSE(shop.Run("all_of_card", {Texts("card", pointers)}));
  CHECK(AnswerValue(Type::kString, shop.answer.columns[1], 0).as_text() == "Łódź");
  CHECK(AnswerValue(Type::kString, shop.answer.columns[1], 1).as_text().empty());
  CHECK(AnswerValue(Type::kBool, shop.answer.columns[2], 0).as_bool());
  CHECK(AnswerValue(Type::kInt64, shop.answer.columns[3], 0).as_int64() == 200);
  CHECK(shop.status(0 * 2 + 1) == CellStatus::kNotFound);   // c2 has no card_spend row
  CHECK(shop.status(1 * 2 + 1) == CellStatus::kNullValue);  // and never a merchant
}

TEST_CASE(
    "a key column of one value stands for all rows: its view is read once and its value sent "
    "once") {
  Shop shop;
  const std::vector<std::string> card = {"c1"};
  const auto pointers = Pointers(card);
  const std::vector<int64_t> shops = {9, 10, 11};
  REQUIRE_FALSE(shop.Run("ranking", {Texts("card", pointers), Numbers("shop", shops)}));
  CHECK(shop.answer.num_rows == 3);
  CHECK(shop.answer.columns[0].broadcast);
  CHECK(shop.answer.columns[0].values.size() == 8);
  CHECK_FALSE(shop.answer.columns[1].broadcast);
  CHECK(shop.answer.columns[1].values.size() == 24);
  CHECK(shop.number(0, 2) == 12.0);
  CHECK(shop.number(1, 0) == 12.0);
  CHECK(shop.answer.statuses.size() == 1 + 3 + 3);
  CHECK(shop.status(0) == CellStatus::kPresent);
  CHECK(shop.status(1) == CellStatus::kPresent);
  CHECK(shop.status(2) == CellStatus::kNotFound);
}

TEST_CASE("with one as_of a row a broadcast key is read once and finished at every time") {
  Shop shop;
  const std::vector<std::string> card = {"c1"};
  const auto pointers = Pointers(card);
  const std::vector<int64_t> times = {(kNoon + Duration::Minutes(-20)).us, kNoon.us,
                                      (kNoon + Duration::Hours(-3)).us};
  shop.options.event_times = true;
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", pointers)}, times));
  CHECK(shop.answer.num_rows == 3);
  CHECK_FALSE(shop.answer.columns[0].broadcast);
  CHECK(shop.number(0, 0) == 5.0);
  CHECK(shop.number(0, 1) == 12.0);
  CHECK(shop.status(0) == CellStatus::kPresent);
  CHECK(shop.status(1) == CellStatus::kPresent);
  CHECK(shop.status(2) == CellStatus::kOutsideHistory);
  int64_t event_time = 0;
  std::memcpy(&event_time, shop.answer.views[0].event_times.data(), 8);
  CHECK(Timestamp{event_time} == kNoon + Duration::Minutes(-30));
}

TEST_CASE(
    "a row older than its ttl is OUTSIDE_MAX_AGE and later NOT_FOUND, by the read's own time") {
  Shop shop;
  const std::vector<std::string> card = {"c1"};
  const auto pointers = Pointers(card);
  shop.clock.Advance(Duration::Days(30));
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", pointers)}));
  CHECK(shop.status(0) == CellStatus::kOutsideMaxAge);
  CHECK(shop.number(0, 0) == 0.0);
  shop.clock.Advance(Duration::Hours(2));
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", pointers)}));
  CHECK(shop.status(0) == CellStatus::kNotFound);
}

TEST_CASE("an integer sum beyond 64 bits is ERROR") {
  Shop shop;
  for (int i = 0; i < 2; ++i) {
    shop.project.Apply("card_last", kNoon,
                       {{"card", Value::Text("rich")}, {"cents", Value::Int64(INT64_MAX)}});
  }
  const std::vector<std::string> card = {"rich"};
  const auto pointers = Pointers(card);
  REQUIRE_FALSE(shop.Run("all_of_card", {Texts("card", pointers)}));
  CHECK(shop.status(3) == CellStatus::kError);
}

TEST_CASE(
    "with clock: event_time now is the greatest event time accepted, and not before a row that was "
    "read") {
  Shop shop("event_time");
  const std::vector<std::string> card = {"c1"};
  const auto pointers = Pointers(card);
  shop.clock.Advance(Duration::Days(1000));
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", pointers)}));
  CHECK(shop.answer.evaluated_at == kNoon + Duration::Minutes(-10));
  shop.project.status("card_spend").newest_event_us = (kNoon + Duration::Minutes(-9)).us;
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", pointers)}));
  CHECK(shop.answer.evaluated_at == kNoon + Duration::Minutes(-9));
  // A commit publishes its rows before its status: the row decides.
  shop.project.status("card_spend").newest_event_us = (kNoon + Duration::Minutes(-25)).us;
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", pointers)}));
  CHECK(shop.answer.evaluated_at == kNoon + Duration::Minutes(-10));
}

TEST_CASE("a null key is NOT_FOUND for the cells of its view alone") {
  Shop shop;
  const std::vector<std::string> cards = {"c1", ""};
  const auto pointers = Pointers(cards);
  const std::vector<int64_t> shops = {9, 9};
  auto card = Texts("card", pointers);
  card.nulls = std::string_view("\0\1", 2);
  REQUIRE_FALSE(shop.Run("ranking", {card, Numbers("shop", shops)}));
  const std::vector<CellStatus> expected = {
      CellStatus::kPresent, CellStatus::kNotFound,   // spend_1h of the card
      CellStatus::kPresent, CellStatus::kPresent,    // sales_1h of the shop
      CellStatus::kPresent, CellStatus::kNotFound};  // visits_1h of both
  for (size_t cell = 0; cell < expected.size(); ++cell) CHECK(shop.status(cell) == expected[cell]);
}

TEST_CASE("an empty text is a key like any other") {
  Shop shop;
  shop.project.Apply("card_spend", kNoon,
                     {{"card", Value::Text("")}, {"amount", Value::Double(1)}});
  const std::vector<std::string> card = {""};
  const auto pointers = Pointers(card);
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", pointers)}));
  CHECK(shop.status(0) == CellStatus::kPresent);
}

TEST_CASE("text columns cut by offsets are keys, and bad offsets are refused") {
  Shop shop;
  const std::vector<uint32_t> offsets = {0, 2, 8};
  RequestColumn column;
  column.name = "card";
  column.wire_name = "text";
  column.form = RequestColumn::Form::kText;
  column.packed = "c1nobody";
  column.offsets = {reinterpret_cast<const char*>(offsets.data()), offsets.size() * 4};
  REQUIRE_FALSE(shop.Run("risk", {column}));
  CHECK(shop.status(0) == CellStatus::kPresent);
  CHECK(shop.status(1) == CellStatus::kNotFound);
  for (const std::vector<uint32_t>& bad : {std::vector<uint32_t>{0, 9}, {0, 5, 3}, {1, 2}}) {
    column.offsets = {reinterpret_cast<const char*>(bad.data()), bad.size() * 4};
    const Outcome error = shop.Run("risk", {column});
    REQUIRE(error);
    CHECK(error->reason == "WRONG_TYPE");
  }
}

TEST_CASE("a text column with data and no offsets is refused by name, not taken for no rows") {
  Shop shop;
  RequestColumn column;
  column.name = "card";
  column.wire_name = "text";
  column.form = RequestColumn::Form::kText;
  column.packed = "c1nobody";
  const std::string_view only_the_first("\0\0\0\0", 4);
  for (const std::string_view offsets : {std::string_view(), only_the_first}) {
    column.offsets = offsets;
    const Outcome error = shop.Run("risk", {column});
    REQUIRE(error);
    CHECK(error->code == absl::StatusCode::kInvalidArgument);
    CHECK(error->reason == "WRONG_TYPE");
    CHECK(error->message.find("\"card\" has 8 bytes of text.data") != std::string::npos);
  }
  column.packed = "";
  REQUIRE_FALSE(shop.Run("risk", {column}));  // no values in either way of saying so
  CHECK(shop.answer.num_rows == 0);
}

TEST_CASE(
    "a matrix is row-major, holds defaults where there are and NaN elsewhere, and repeats "
    "broadcast values") {
  Shop shop;
  const std::vector<std::string> cards = {"c1", "nobody"};
  const auto pointers = Pointers(cards);
  shop.options.form = AnswerForm::kMatrixFloat64;
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", pointers)}));
  REQUIRE(shop.answer.matrix.size() == 2 * 3 * 8);
  std::array<double, 6> m{};
  std::memcpy(m.data(), shop.answer.matrix.data(), sizeof m);
  CHECK(m[0] == 12.0);
  CHECK(m[1] == 2.0);
  CHECK(m[2] == 6.0);
  CHECK(m[3] == 0.0);
  CHECK(m[4] == 0.0);
  CHECK(std::isnan(m[5]));

  const std::vector<std::string> one = {"c1"};
  const auto one_pointer = Pointers(one);
  const std::vector<int64_t> shops = {9, 10};
  shop.options.form = AnswerForm::kMatrixFloat32;
  REQUIRE_FALSE(shop.Run("ranking", {Texts("card", one_pointer), Numbers("shop", shops)}));
  std::array<float, 6> f{};
  REQUIRE(shop.answer.matrix.size() == sizeof f);
  std::memcpy(f.data(), shop.answer.matrix.data(), sizeof f);
  CHECK(f[0] == 12.0F);
  CHECK(f[3] == 12.0F);
  CHECK(f[4] == 0.0F);
  CHECK(shop.answer.statuses.size() == 6);
}

TEST_CASE("a matrix of what is no number names the columns") {
  Shop shop;
  const std::vector<std::string> card = {"c1"};
  const auto pointers = Pointers(card);
  shop.options.form = AnswerForm::kMatrixFloat32;
  const Outcome error = shop.Run("all_of_card", {Texts("card", pointers)});
  REQUIRE(error);
  CHECK(error->reason == "NOT_NUMERIC");
  CHECK(error->message.find("last_shop (string)") != std::string::npos);
  CHECK(error->message.find("spend_1h") == std::string::npos);
}

TEST_CASE("lengths are the greatest, or one; everything else is RAGGED_COLUMNS") {
  Shop shop;
  const std::vector<std::string> cards = {"a", "b"};
  const auto pointers = Pointers(cards);
  const std::vector<int64_t> shops = {1, 2, 3};
  Outcome error = shop.Run("ranking", {Texts("card", pointers), Numbers("shop", shops)});
  REQUIRE(error);
  CHECK(error->reason == "RAGGED_COLUMNS");
  CHECK(error->violations.at(0).field == "keys[0]");
  error = shop.Run("risk", {Texts("card", pointers)}, {1, 2, 3});
  REQUIRE(error);
  CHECK(error->reason == "RAGGED_COLUMNS");
  auto broadcast = Texts("card", pointers);
  broadcast.broadcast = true;
  error = shop.Run("risk", {broadcast});
  REQUIRE(error);
  CHECK(error->reason == "RAGGED_COLUMNS");
  auto nulls = Texts("card", pointers);
  nulls.nulls = std::string_view("\0", 1);
  error = shop.Run("risk", {nulls});
  REQUIRE(error);
  CHECK(error->reason == "RAGGED_COLUMNS");
}

TEST_CASE("no rows asked are no rows answered") {
  Shop shop;
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", {})}));
  CHECK(shop.answer.num_rows == 0);
  CHECK(shop.answer.columns[0].values.empty());
}

TEST_CASE("keys that are missing, unknown, given twice or of another type are refused by name") {
  Shop shop;
  const std::vector<std::string> cards = {"a"};
  const auto pointers = Pointers(cards);
  const std::vector<int64_t> shops = {1};
  Outcome error = shop.Run("ranking", {Texts("card", pointers)});
  REQUIRE(error);
  CHECK(error->reason == "MISSING_KEY");
  CHECK(error->message.find("shop") != std::string::npos);
  error = shop.Run("risk", {Texts("crad", pointers)});
  REQUIRE(error);
  CHECK(error->reason == "UNKNOWN_KEY");
  CHECK(error->message.find("did you mean card?") != std::string::npos);
  error = shop.Run("risk", {Texts("card", pointers), Texts("card", pointers)});
  REQUIRE(error);
  CHECK(error->reason == "DUPLICATE_KEY");
  error = shop.Run("risk", {Numbers("card", shops)});
  REQUIRE(error);
  CHECK(error->reason == "WRONG_TYPE");
  CHECK(error->message.find("key card is string: send strings or text, not int64_le") !=
        std::string::npos);
  auto cut = Numbers("shop", shops);
  cut.packed = cut.packed.substr(0, 7);
  error = shop.Run("ranking", {Texts("card", pointers), cut});
  REQUIRE(error);
  CHECK(error->reason == "WRONG_TYPE");
}

TEST_CASE("more rows than max_rows, and times that cannot be, are refused") {
  Shop shop;
  const std::vector<std::string> cards = {"a", "b", "c"};
  const auto pointers = Pointers(cards);
  shop.options.max_rows = 2;
  Outcome error = shop.Run("risk", {Texts("card", pointers)});
  REQUIRE(error);
  CHECK(error->reason == "TOO_MANY_ROWS");
  shop.options.max_rows = 10;
  for (const int64_t us : {INT64_MIN, INT64_MAX, int64_t{1'768'000'000'000'000'000}}) {
    error = shop.Run("risk", {Texts("card", pointers)}, {us});
    REQUIRE(error);
    CHECK(error->reason == "BAD_TIME");
  }
}

TEST_CASE("an answer that is too large says how many rows fit, and that many do") {
  Shop shop;
  const std::vector<std::string> cards(100, "c1");
  const auto pointers = Pointers(cards);
  shop.options.max_response_bytes = 2000;
  const Outcome error = shop.Run("risk", {Texts("card", pointers)});
  REQUIRE(error);
  CHECK(error->reason == "RESPONSE_TOO_LARGE");
  CHECK(error->metadata.at(1) == std::pair<std::string, std::string>{"rows_fit", "47"});
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", std::vector<const std::string*>(
                                                    pointers.begin(), pointers.begin() + 47))}));
  CHECK(PayloadBytes(*shop.plan, shop.answer, 47) + FrameBytes(*shop.plan) <= 2000);
}

TEST_CASE("text counts towards the answer's size while it is filled") {
  Shop shop;
  const std::string name(400, 'x');
  shop.project.Apply("card_last", kNoon,
                     {{"card", Value::Text("long")}, {"merchant", Value::Text(name)}});
  const std::vector<std::string> cards(200, "long");
  const auto pointers = Pointers(cards);
  shop.options.max_response_bytes = 10'000;
  const Outcome error = shop.Run("all_of_card", {Texts("card", pointers)});
  REQUIRE(error);
  CHECK(error->reason == "RESPONSE_TOO_LARGE");
  const auto first = [&](size_t rows) {
    return shop.Run(
        "all_of_card",
        {Texts("card", std::vector<const std::string*>(
                           pointers.begin(), pointers.begin() + static_cast<ptrdiff_t>(rows)))});
  };
  const size_t fit = std::stoul(error->metadata.at(1).second);
  CHECK(fit > 10);
  REQUIRE_FALSE(first(fit));
  CHECK(PayloadBytes(*shop.plan, shop.answer, fit) + FrameBytes(*shop.plan) <= 10'000);
  CHECK(RowsThatFit(*shop.plan, shop.answer, fit, 5'000) < fit);
  CHECK(first(30));
}

TEST_CASE("a view that is being filled does not answer, and does not hold back the others") {
  Shop shop;
  const std::vector<std::string> cards = {"c1"};
  const auto pointers = Pointers(cards);
  shop.project.status("card_last").complete = false;
  const Outcome error = shop.Run("all_of_card", {Texts("card", pointers)});
  REQUIRE(error);
  CHECK(error->code == absl::StatusCode::kUnavailable);
  CHECK(error->reason == "VIEW_REBUILDING");
  CHECK(error->message.find("card_last") != std::string::npos);
  CHECK_FALSE(shop.Run("risk", {Texts("card", pointers)}));
}

// "`complete_since` is there where the log did not reach back to its beginning"
TEST_CASE(
    "an answer says since when each of its views is complete, and nothing of one that always was") {
  Shop shop;
  const std::vector<std::string> cards = {"c1"};
  const auto pointers = Pointers(cards);
  shop.project.status("card_last").complete_since_us = kNoon.us;
  REQUIRE_FALSE(shop.Run("all_of_card", {Texts("card", pointers)}));
  REQUIRE(shop.answer.views.size() == 2);
  for (size_t v = 0; v < 2; ++v) {
    const bool cut = shop.plan->view_label(v) == "card_last";
    CHECK(shop.answer.views[v].complete_since == (cut ? std::optional(kNoon) : std::nullopt));
  }
}

TEST_CASE("an expired deadline ends a lookup before its work and between blocks of rows") {
  Shop shop;
  const std::vector<std::string> cards(1000, "c1");
  const auto pointers = Pointers(cards);
  int asked = 0;
  shop.options.expired = [&] { return ++asked > 0; };
  Outcome error = shop.Run("risk", {Texts("card", pointers)});
  REQUIRE(error);
  CHECK(error->code == absl::StatusCode::kDeadlineExceeded);
  CHECK(asked == 1);
  asked = 0;
  shop.options.expired = [&] { return ++asked > 5; };
  error = shop.Run("risk", {Texts("card", pointers)});
  REQUIRE(error);
  CHECK(error->code == absl::StatusCode::kDeadlineExceeded);
  CHECK(asked == 6);
}

TEST_CASE("ten thousand rows are one call") {
  Shop shop;
  std::vector<std::string> cards;
  for (int i = 0; i < 10'000; ++i) cards.push_back(i % 2 == 0 ? "c1" : "card " + std::to_string(i));
  const auto pointers = Pointers(cards);
  REQUIRE_FALSE(shop.Run("risk", {Texts("card", pointers)}));
  REQUIRE(shop.answer.num_rows == 10'000);
  for (size_t i = 0; i < cards.size(); i += 997) {
    CHECK(shop.number(0, i) == (i % 2 == 0 ? 12.0 : 0.0));
    CHECK(shop.status(i) == (i % 2 == 0 ? CellStatus::kPresent : CellStatus::kNotFound));
  }
}

}  // namespace freshet
