#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/expr/expect.h"

namespace freshet {
namespace {

const Value kTrue = Value::Bool(true);
const Value kFalse = Value::Bool(false);
constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin = std::numeric_limits<int64_t>::min();

TEST_CASE("three-valued logic: and, or, not, is over true, false and null") {
  struct Line {
    Value a, b;
    std::string_view conjunction, disjunction;
  };
  const std::vector<Line> table = {
      {kTrue, kTrue, "true", "true"},     {kTrue, kFalse, "false", "true"},
      {kTrue, Value(), "null", "true"},   {kFalse, kTrue, "false", "true"},
      {kFalse, kFalse, "false", "false"}, {kFalse, Value(), "false", "null"},
      {Value(), kTrue, "null", "true"},   {Value(), kFalse, "false", "null"},
      {Value(), Value(), "null", "null"},
  };
  for (const Line& line : table) {
    const auto row = Row({{"online", line.a}, {"flag", line.b}});
    INFO(ToDebugString(line.a) << " " << ToDebugString(line.b));
    CHECK(Answer("online and flag", row) == line.conjunction);
    CHECK(Answer("online or flag", row) == line.disjunction);
    CHECK(Answer("not (not online or not flag)", row) == line.conjunction);
    CHECK(Answer("not (not online and not flag)", row) == line.disjunction);
    CHECK(Answer("online and flag and online", row) == line.conjunction);
    CHECK(Answer("online or flag or flag", row) == line.disjunction);
  }
  const auto of = [](std::string_view text) {
    return Answer(text, Row({{"online", kTrue}})) + " " + Answer(text, Row({{"online", kFalse}})) +
           " " + Answer(text);
  };
  CHECK(of("not online") == "false true null");
  CHECK(of("online is true") == "true false false");
  CHECK(of("online is not true") == "false true true");
  CHECK(of("online is false") == "false true false");
  CHECK(of("online is not false") == "true false true");
  CHECK(of("online is null") == "false false true");
  CHECK(of("online is unknown") == "false false true");
  CHECK(of("online is distinct from null") == "true true false");
  CHECK(of("online = null") == "null null null");
}

TEST_CASE("null in, null out, but for what asks for null") {
  for (const std::string_view text :
       {"amount + 1", "-count", "amount / 0", "count % 0", "merchant || 'a'", "amount > 1",
        "length(merchant)", "ln(amount)", "extract(year from at)", "at - interval '1 day'",
        "merchant like '%'", "count in (1, 2)", "count between 1 and 2", "cast(merchant as double)",
        "round(amount, 1)", "haversine_km(amount, 0, 0, 0)", "nullif(count, 1)"}) {
    CHECK(Answer(text) == "null");
  }
  CHECK(Answer("coalesce(amount, count, 3)") == "3");
  CHECK(Answer("concat(merchant, 'a')") == "\"a\"");
  CHECK(Answer("greatest(count, 3)") == "3");
  CHECK(Answer("count in (1, null)", Row({{"count", Value::Int64(1)}})) == "true");
  CHECK(Answer("count in (1, null)", Row({{"count", Value::Int64(2)}})) == "null");
  CHECK(Answer("count not in (1, null)", Row({{"count", Value::Int64(2)}})) == "null");
}

TEST_CASE("int64 overflow, division by zero, bad casts and domains are errors, not values") {
  const auto with = [](std::string_view text, int64_t count, int64_t other) {
    return Answer(text, Row({{"count", Value::Int64(count)}, {"other", Value::Int64(other)}}));
  };
  CHECK(with("count + other", kMax, 1) == "<int64 overflow>");
  CHECK(with("count + other", kMax - 1, 1) == std::to_string(kMax));
  CHECK(with("count - other", kMin, 1) == "<int64 overflow>");
  CHECK(with("count * other", kMin, -1) == "<int64 overflow>");
  CHECK(with("count * other", int64_t{1} << 32, int64_t{1} << 31) == "<int64 overflow>");
  CHECK(with("-count", kMin, 0) == "<int64 overflow>");
  CHECK(with("abs(count)", kMin, 0) == "<int64 overflow>");
  CHECK(with("abs(count)", kMin + 1, 0) == std::to_string(kMax));
  CHECK(with("div(count, other)", kMin, -1) == "<int64 overflow>");
  CHECK(with("count % other", kMin, -1) == "0");
  CHECK(with("count % other", 1, 0) == "<division by zero>");
  CHECK(with("div(count, other)", 1, 0) == "<division by zero>");
  CHECK(with("count / other", 1, 0) == "<division by zero>");
  CHECK(with("count / other", 7, 2) == "3.5");
  CHECK(with("div(count, other)", -7, 2) == "-3");
  const auto of = [](std::string_view text, double amount) {
    return Answer(text, Row({{"amount", Value::Double(amount)}}));
  };
  CHECK(of("amount * 10", 1e308) == "<double overflow>");
  CHECK(of("amount::int64", 9.3e18) == "<bad cast>");
  CHECK(of("amount::int64", -9223372036854775808.0) == std::to_string(kMin));
  CHECK(of("amount::int64", 9223372036854775807.0) == "<bad cast>");
  CHECK(of("amount::int64", std::nan("")) == "<bad cast>");
  CHECK(of("amount::int64", 2.5) == "3");
  CHECK(of("amount::int64", -2.5) == "-3");
  CHECK(of("ln(amount)", 0) == "<argument out of the function's domain>");
  CHECK(of("ln(amount)", -1) == "<argument out of the function's domain>");
  CHECK(of("sqrt(amount)", -1) == "<argument out of the function's domain>");
  CHECK(of("power(amount, 0.5)", -1) == "<argument out of the function's domain>");
  CHECK(of("power(amount, -1)", 0) == "<argument out of the function's domain>");
  CHECK(of("haversine_km(amount, 0, 0, 0)", 90.5) == "<argument out of the function's domain>");
  CHECK(of("exp(amount)", 1000) == "<double overflow>");
  CHECK(of("exp(amount)", -1000) == "0");
  CHECK(Answer("merchant::int64", Row({{"merchant", Value::Text("12x")}})) == "<bad cast>");
  CHECK(Answer("split_part(merchant, ',', 0)", Row({{"merchant", Value::Text("a")}})) ==
        "<bad argument of a text function>");
  CHECK(Answer("at + interval '1 hour'", Row({{"at", Value::Time(kMaxEventTime)}})) ==
        "<timestamp out of range>");
}

TEST_CASE("what decides an and, or, case or coalesce keeps what follows from being evaluated") {
  const auto row = Row({{"count", Value::Int64(0)}, {"online", kFalse}, {"flag", kTrue}});
  CHECK(Answer("count <> 0 and 1 % count = 0", row) == "false");
  CHECK(Answer("1 % count = 0 and count <> 0", row) == "<division by zero>");
  CHECK(Answer("count = 0 or 1 % count = 0", row) == "true");
  CHECK(Answer("case when count = 0 then -1 else 1 % count end", row) == "-1");
  CHECK(Answer("case count when 0 then -1 when 1 % count then 2 end", row) == "-1");
  CHECK(Answer("coalesce(count, 1 % count)", row) == "0");
  CHECK(Answer("count in (0, 1 % count)", row) == "true");
  CHECK(Answer("count between 5 and 1 % count", row) == "false");
  // An unknown operand decides nothing.
  CHECK(Answer("other = 1 and 1 % count = 0", row) == "<division by zero>");
}

TEST_CASE("length, substring and like count characters of UTF-8, not bytes") {
  const auto of = [](std::string_view text, std::string_view merchant) {
    return Answer(text, Row({{"merchant", Value::Text(merchant)}}));
  };
  CHECK(of("length(merchant)", "Grüße") == "5");
  CHECK(of("length(merchant)", "日本😀") == "3");
  CHECK(of("substring(merchant from 3 for 2)", "Grüße") == "\"üß\"");
  CHECK(of("merchant like '__üß_'", "Grüße") == "true");
  CHECK(of("merchant like '_'", "😀") == "true");
  CHECK(of("merchant like '__'", "ü") == "false");
  CHECK(of("upper(merchant)", "grüße éñσж") == "\"GRÜßE ÉÑΣЖ\"");
  CHECK(of("lower(merchant)", "ÄÖÜ ÉÑΣЖ") == "\"äöü éñσж\"");
  CHECK(of("merchant ilike 'gRÜ%'", "GrüSSE") == "true");
  // Bytes that are no UTF-8 count one each, and pass through.
  CHECK(of("length(merchant)", "a\xff\xc3") == "3");
  CHECK(of("length(upper(merchant))", "a\xff\xc3") == "3");
  CHECK(of("merchant like 'a__'", "a\xff\xc3") == "true");
  CHECK(of("length(substring(merchant from 2))", "\xe6\x97") == "1");
}

TEST_CASE("an evaluation makes at most 1 MiB of text, and a like ends") {
  const std::string big(600'000, 'a');
  const auto row = Row({{"merchant", Value::Text(big)}});
  CHECK(Answer("merchant || merchant", row) == "<too much text>");
  CHECK(Answer("length(merchant || merchant)", row) == "<too much text>");
  CHECK(Answer("length(upper(merchant))", row) == "600000");
  CHECK(Answer("merchant like '%b%b%'", row) == "false");
  // The pattern, too, may come from a record.
  const std::string pattern = "%" + std::string(100'000, 'a') + "b";
  Scratch scratch;
  const std::vector<ExpressionColumn> scope = {{"", "text", Type::kString},
                                               {"", "pattern", Type::kString}};
  const auto like = Expression::Compile("text like pattern", scope);
  const std::vector<Value> values = {Value::Text(big), Value::Text(pattern)};
  CHECK(std::get<Expression>(like).Evaluate(values, scratch).error == EvaluationError::kTooMuch);
}

TEST_CASE("text results live until the scratch is cleared, other results stand for themselves") {
  Scratch scratch;
  const Expression join = Compiled("merchant || '!'");
  const auto a = Row({{"merchant", Value::Text("a")}});
  const auto b = Row({{"merchant", Value::Text("b")}});
  const Evaluated first = join.Evaluate(a, scratch);
  const Evaluated second = join.Evaluate(b, scratch);
  CHECK(first.value.as_text() == "a!");
  CHECK(second.value.as_text() == "b!");
  scratch.Clear();
  CHECK(join.Evaluate(a, scratch).value.as_text() == "a!");
}

TEST_CASE("NaN equals itself and is greater than every number, as in PostgreSQL") {
  const auto row = Row({{"amount", Value::Double(std::nan(""))}, {"rate", Value::Double(1)}});
  CHECK(Answer("amount = amount", row) == "true");
  CHECK(Answer("amount > rate", row) == "true");
  CHECK(Answer("rate < amount", row) == "true");
  CHECK(Answer("amount <= rate", row) == "false");
  CHECK(Answer("amount is distinct from amount", row) == "false");
  CHECK(Answer("greatest(amount, rate) = amount", row) == "true");
  CHECK(Answer("amount in (1, 2)", row) == "false");
}

TEST_CASE(
    "an expression is evaluated by many threads at once, each with its scratch, and compiled by "
    "many") {
  const Expression shared =
      Compiled("case when count % 2 = 0 then merchant || count else upper(merchant) end");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      Scratch scratch;
      for (int64_t i = 0; i < 2'000; ++i) {
        scratch.Clear();
        const auto row = Row({{"count", Value::Int64(i)}, {"merchant", Value::Text("ab")}});
        const std::string expected = i % 2 == 0 ? "ab" + std::to_string(i) : "AB";
        if (shared.Evaluate(row, scratch).value.as_text() != expected) ++wrong[t];
        if (i % 50 == 0) {
          const auto compiled = Expression::Compile("count + 1 > nosuch", Scope());
          const auto* error = std::get_if<ExpressionError>(&compiled);
          if (error == nullptr || error->offset != 12) ++wrong[t];
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4, 0));
}

TEST_CASE("times: extract in a zone through a change of clocks, intervals of fixed length") {
  const auto of = [](std::string_view text, std::string_view at) {
    return Answer(text, Row({{"at", Value::Time(ParseTimestamp(at).value())}}));
  };
  constexpr std::string_view kBerlinHour = "extract(hour from at at time zone 'Europe/Berlin')";
  CHECK(of(kBerlinHour, "2013-03-31T00:59:59Z") == "1");
  CHECK(of(kBerlinHour, "2013-03-31T01:00:00Z") == "3");
  CHECK(of(kBerlinHour, "2013-10-27T00:30:00Z") == "2");
  CHECK(of(kBerlinHour, "2013-10-27T01:30:00Z") == "2");
  CHECK(of("extract(week from at)", "2021-01-03T00:00:00Z") == "53");
  CHECK(of("extract(dow from at)", "2021-01-03T00:00:00Z") == "0");
  CHECK(of("extract(isodow from at)", "2021-01-03T00:00:00Z") == "7");
  CHECK(of("extract(epoch from at)", "1969-12-31T23:59:59.5Z") == "-0.5");
  CHECK(of("extract(second from at)", "2013-01-01T00:00:07.25Z") == "7.25");
  CHECK(of("at - interval '1 hour' < at", "2013-01-01T00:00:00Z") == "true");
  CHECK(of("extract(epoch from at - timestamp '2013-01-01')", "2013-01-02T00:00:01Z") == "86401");
}

}  // namespace
}  // namespace freshet
