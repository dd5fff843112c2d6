#include <string>
#include <vector>

#include "tests/unit/expr/expect.h"

namespace freshet {
namespace {

using Catch::Matchers::Contains;

struct Mistake {
  std::string_view text;
  size_t offset;
  std::string_view says;
};

TEST_CASE(
    "comparing text with a number, summing a string or naming an unknown column is an error at its "
    "place") {
  const std::vector<Mistake> mistakes = {
      {"amount > 'abc'", 7,
       "cannot compare double with string 'abc'; write the number without quotes"},
      {"amount > merchant", 7, "cannot compare double with string; cast("},
      {"merchant = 5", 9, "cannot compare string with int64"},
      {"1 + merchant", 2, "+ wants two numbers, not int64 and string"},
      {"merchant + merchant", 9, "|| joins text"},
      {"amount + amuont", 9, "unknown column amuont"},
      {"sender.sent_24", 0, "unknown column sender.sent_24"},
      {"merchant = \"EUR\"", 11, "unknown column EUR; text stands in single quotes: 'EUR'"},
      {"online + 1", 7, "cast(… as int64) makes 1 and 0"},
      {"at + 1", 3, "a timestamp takes + or - interval"},
      {"at > 5", 3, "extract(epoch from …) makes seconds"},
      {"at > 'soon'", 5, "'soon' is no timestamp"},
      {"amount and online", 0, "and wants conditions (bool), not double"},
      {"not count", 4, "not wants conditions (bool), not int64"},
      {"case when count then 1 end", 10, "when wants a condition (bool), not int64"},
      {"case when online then 1 else 'a' end", 29,
       "must be of one type: here is string 'a', before it int64"},
      {"coalesce(amount, merchant)", 17, "here is string, before it double"},
      {"greatest(1, 'a')", 12, "here is string 'a', before it int64"},
      {"'2026-01-05' in (merchant, at)", 27,
       "cannot compare string with timestamp; cast(… as timestamp) reads the text as a time"},
      {"'2026-01-05' in (at, merchant)", 21, "cannot compare timestamp with string"},
      {"'2026-01-05' between merchant and at", 34, "cannot compare string with timestamp"},
      {"case '2026-01-05' when merchant then 1 when at then 2 end", 44,
       "cannot compare string with timestamp"},
      {"'2026-01-05' in ('', timestamp '2026-01-05')", 17, "'' is no timestamp"},
      {"null in (1, 'abc')", 12, "cannot compare int64 with string 'abc'; write the number"},
      {"null in ('abc', 1)", 9, "cannot compare int64 with string 'abc'; write the number"},
      {"'a' in (1, 2)", 0, "cannot compare int64 with string 'a'; write the number"},
      {"trim(merchant)", 0, "there is no function trim; text is not trimmed here"},
      {"left(merchant, 2)", 0, "there is no function left; write substring(… from 1 for n)"},
      {"substring(merchant from '^a')", 24, "; there are no regular expressions: ask with like"},
      {"at - '1 hour'", 3, "not timestamp and string '1 hour'; write interval '1 hour'"},
      {"at - '2026-01-05'", 3, "; write timestamp '2026-01-05'"},
      {"at - 'soon'", 3, "; a timestamp takes + or - interval '…'"},
      {"extract(hour from at at time zone 'CET')", 34,
       "CET could be a place's clocks or a fixed offset; write 'Europe/Berlin', or the like, or "
       "'Etc/GMT-1'"},
      {"merchant > 1 Foo", 13, "an operator is missing before foo"},
      {"'\xed\xa0\x80' = merchant", 1, "not UTF-8"},
      {"'\xc0\xaf' = merchant", 1, "not UTF-8"},
      // 61 bytes, the last two of them one character: cut before it.
      {"'01234567890123456789012345678901234567890123456789012345678é'::int64", 0, "8…' is no"},
      {"count in (1, 'a')", 13, "cannot compare int64 with string 'a'"},
      {"count between 1 and 'a'", 20, "cannot compare int64 with string 'a'"},
      {"abs(merchant)", 4, "abs does not take string here"},
      {"round(amount, 1.5)", 14, "round does not take double here"},
      {"length(merchant, 1)", 0, "length does not take 2 arguments; there is length(string)"},
      {"lenght(merchant)", 0, "unknown function lenght; did you mean length?"},
      {"substring(count, 1)", 10, "substring does not take int64 here"},
      {"merchant like 5", 14, "like matches string with string, not int64"},
      {"count || other", 6, "|| joins text, not int64 and int64"},
      {"cast(at as double)", 11, "timestamp cannot be cast to double; extract(epoch from …)"},
      {"amount::numeric", 8, "unknown type numeric; there is no exact decimal here: write double"},
      {"'12x'::int64", 0, "'12x' is no int64"},
      {"extract(houre from at)", 8, "extract knows no field houre"},
      {"extract(hour from count)", 18, "extract reads a timestamp, not int64"},
      {"extract(hour from at at time zone 'Mars/Base')", 34, "unknown time zone Mars/Base"},
      {"extract(hour from at at time zone '../../etc/passwd')", 34, "unknown time zone"},
      {"at at time zone 'UTC'", 3, "stands only inside of extract"},
      {"interval '1 month' > interval '1 day'", 9, "a month has no fixed length"},
      {"at - at", 3, "the result is an interval"},
      {"null", 0, "always null and has no type"},
      {"case when online then null end", 0, "always null and has no type"},
      {"payload < payload", 0, "bytes can be asked for null"},
      {"payload || 'a'", 0, "bytes can be asked for null"},
      {"length(payload)", 7, "bytes can be asked for null"},
      {"coalesce(payload, payload)", 9, "bytes can be asked for null"},
      {"9223372036854775808", 0, "does not fit an int64; write 9223372036854775808.0"},
      {"1e400", 0, "does not fit a double"},
  };
  for (const Mistake& mistake : mistakes) {
    INFO(mistake.text);
    const ExpressionError error = Error(mistake.text);
    CHECK_THAT(error.message, Contains(std::string(mistake.says)));
    CHECK(error.offset == mistake.offset);
  }
}

TEST_CASE(
    "the name of a column that is not in scope is told, for a caller that knows what is near") {
  CHECK(Error("amount + amuont").unknown_column == "amuont");
  CHECK(Error("sender.sent_24").unknown_column == "sender.sent_24");
  CHECK(Error("merchant = \"EUR\"").unknown_column == "EUR");
  CHECK(Error("amount + merchant").unknown_column.empty());
}

TEST_CASE("what is no scalar expression over the columns in scope is refused, and says why") {
  const std::vector<Mistake> mistakes = {
      {"", 0, "empty"},
      {"   ", 0, "empty"},
      {"amount >", 8, "syntax error at end of input"},
      {"'ü' = + *", 9, "syntax error at or near \"*\""},
      {"merchant = 'ü' and (", 21, "syntax error at end of input"},
      {"a = b = c", 6, "syntax error"},
      {"(select 1)", 0, "subqueries"},
      {"exists (select 1)", 0, "subqueries"},
      {"count in (select 1)", 6, "subqueries"},
      {"sum(amount)", 0, "sum is an aggregation: declare it as a feature"},
      {"count(*)", 0, "aggregation"},
      {"lower(distinct merchant)", 0, "aggregation"},
      {"sum(amount) over ()", 0, "window functions"},
      {"now()", 0, "now() changes from one evaluation to the next"},
      {"random() < 0.5", 0, "random() changes"},
      {"current_timestamp", 0, "it changes from one evaluation to the next"},
      {"user", 0, "a column of that name stands in double quotes"},
      {"$1 + 1", 0, "parameters"},
      {"amount; drop table x", 6, "without ;"},
      {"amount, count", 8, "not a list"},
      {"*", 0, "*"},
      {"amount from x", 0, "alone"},
      {"amount limit 1", 0, "alone"},
      {"distinct amount", 0, "alone"},
      {"amount union select 1", 0, "alone"},
      {"amount total", 7, "an operator is missing before total"},
      {"1 --1", 2, "-- begins a comment"},
      {"1 /* one */", 2, "comments"},
      {"E'a\\'b'", 0, "without a letter before"},
      {"'abc", 0, "never closed"},
      {"\"abc", 0, "never closed"},
      {"b'101'", 0, "without a letter before"},
      {"array[1]", 0, "arrays"},
      {"row(1, 2)", 0, "rows"},
      {"merchant collate \"C\"", 9, "collate"},
      {"merchant similar to 'a'", 9, "similar to"},
      {"merchant ~ 'a'", 9, "there is no operator ~"},
      {"pg_catalog.lower(merchant)", 0, "no schema"},
      {"merchant::varchar(3)", 10, "without lengths"},
      {"sent_24h", 0, "sent_24h could be sender.sent_24h or receiver.sent_24h"},
      {"a.b.c.d", 0, "a column is written"},
      {"\xff", 0, "not UTF-8"},
      {std::string_view("1\0+1", 4), 1, "zero byte"},
  };
  for (const Mistake& mistake : mistakes) {
    INFO(mistake.text);
    const ExpressionError error = Error(mistake.text);
    CHECK_THAT(error.message, Contains(std::string(mistake.says)));
    CHECK(error.offset == mistake.offset);
  }
}

std::string Repeated(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

TEST_CASE("depth and size are bounded: no text makes the parser deep, slow or crash") {
  for (const size_t times : {150U, 1'000U, 3'000U, 10'000U, 100'000U}) {
    INFO(times);
    Error(Repeated("(", times));
    Error(Repeated("(", times) + "1" + Repeated(")", times));
    Error(Repeated("not ", times) + "online");
    Error(Repeated("- ", times) + "amount");
    Error("1" + Repeated("+count", times));
    Error("merchant" + Repeated("||merchant", times));
    Error("count" + Repeated("=count", times));
    Error(Repeated("case when online then ", times) + "1" + Repeated(" end", times));
    Error(Repeated("abs(", times) + "1" + Repeated(")", times));
    Error("count" + Repeated("::int64", times));
    Error(Repeated("[", times));
    Error("'" + Repeated("''", times));
    Error("count" + Repeated(" is null", times));
    Error("count in (" + Repeated("1,", times + 1000) + "1)");
  }
  // What is long but not deep is fine: `and` and `or` are lists.
  CHECK(Compiled("online" + Repeated(" and online", 300)).type() == Type::kBool);
  CHECK(Compiled("count in (1" + Repeated(",1", 900) + ")").type() == Type::kBool);
  CHECK(Compiled(Repeated("(", 100) + "1" + Repeated(")", 100)).type() == Type::kInt64);
  CHECK(Compiled("1" + Repeated("+1", 90)).type() == Type::kInt64);
  CHECK_THAT(Error(std::string(10'001, ' ')).message, Contains("10001 bytes, more than 10000"));
  CHECK_THAT(Error(std::string(64, 'a')).message, Contains("longer than 63 bytes"));
}

TEST_CASE(
    "every beginning of an expression, and each with a byte changed, is an expression or an error "
    "within the text") {
  const std::string whole =
      "case when amount > 1.5e3 and merchant not like 'a\\_%' escape '!' then "
      "coalesce(nullif(count, -5), "
      "extract(hour from at at time zone 'Europe/Berlin')) else round(amount::int64 / 2, 1) end";
  const auto check = [](const std::string& text) {
    const auto compiled = Expression::Compile(text, Scope());
    if (const auto* error = std::get_if<ExpressionError>(&compiled)) {
      CHECK(error->offset <= text.size());
      CHECK_FALSE(error->message.empty());
    }
  };
  for (size_t length = 0; length <= whole.size(); ++length) {
    check(whole.substr(0, length));
    for (const char c :
         {'\'', '(', ')', '"', '-', ',', '.', ':', '\xc3', 'E', '0', '%', '$', '\0'}) {
      std::string changed = whole;
      if (length < changed.size()) changed[length] = c;
      check(changed);
    }
  }
}

TEST_CASE(
    "an expression's type is that of what it gives; int64 with double is double; a float reads as "
    "a double") {
  CHECK(Compiled("amount").type() == Type::kDouble);
  CHECK(Compiled("rate").type() == Type::kDouble);
  CHECK(Compiled("count + 1").type() == Type::kInt64);
  CHECK(Compiled("count + amount").type() == Type::kDouble);
  CHECK(Compiled("count / 2").type() == Type::kDouble);
  CHECK(Compiled("div(count, 2)").type() == Type::kInt64);
  CHECK(Compiled("coalesce(count, amount)").type() == Type::kDouble);
  CHECK(Compiled("case when online then 1 else 2.5 end").type() == Type::kDouble);
  CHECK(Compiled("case when online then null else 'a' end").type() == Type::kString);
  CHECK(Compiled("merchant || 'x'").type() == Type::kString);
  CHECK(Compiled("amount > 1").type() == Type::kBool);
  CHECK(Compiled("at - interval '1 hour'").type() == Type::kTimestamp);
  CHECK(Compiled("extract(epoch from at - at)").type() == Type::kDouble);
  CHECK(Compiled("payload").type() == Type::kBytes);
  CHECK(Compiled("payload is null or payload = payload").type() == Type::kBool);
  CHECK(Compiled("cast(null as int64)").type() == Type::kInt64);
}

TEST_CASE("a where is a condition") {
  CHECK(Compiled("amount > 0", Expression::Use::kCondition).type() == Type::kBool);
  CHECK(Compiled("null", Expression::Use::kCondition).type() == Type::kBool);
  const ExpressionError error = Error("amount * 2", Expression::Use::kCondition);
  CHECK_THAT(error.message,
             Contains("a condition is wanted (bool), not double; compare it with something"));
  CHECK(error.offset == 7);
}

TEST_CASE("columns() names what an expression reads, each once") {
  const auto columns = [](std::string_view text) {
    const Expression expression = Compiled(text);
    return std::vector<uint32_t>(expression.columns().begin(), expression.columns().end());
  };
  CHECK(columns("1 + 1").empty());
  CHECK(columns("count + amount * count") == std::vector<uint32_t>{0, 1});
  CHECK(columns("sender.sent_24h - receiver.sent_24h") == std::vector<uint32_t>{7, 8});
  // The only one of that name, whatever its role.
  CHECK(columns("tier = 'gold'") == std::vector<uint32_t>{9});
}

TEST_CASE(
    "white space, the case of words and needless parentheses do not change the normalized text") {
  const auto same = [](std::string_view a, std::string_view b) {
    return Compiled(a).normalized() == Compiled(b).normalized();
  };
  CHECK(same("amount > 1 and merchant <> 'a'", "AMOUNT>1\n AND  ((Merchant) != 'a')"));
  CHECK(same("cast(count as double precision)", "count::float8"));
  CHECK(same("case when online then 1 end", "CASE WHEN online THEN 1 ELSE NULL END"));
  CHECK_FALSE(same("merchant = 'a'", "merchant = 'A'"));
  CHECK_FALSE(same("amount - 1", "amount + -1"));
  CHECK_FALSE(same("amount > 1", "amount >= 1"));
  CHECK_FALSE(same("(amount - 1) - 2", "amount - (1 - 2)"));
  CHECK_FALSE(same("sender.sent_24h", "receiver.sent_24h"));
  CHECK_FALSE(same("merchant like 'a'", "merchant ilike 'a'"));
  CHECK_FALSE(same("count in (1, 2)", "count in (2, 1)"));
  const std::vector<ExpressionColumn> words = {{"", "true", Type::kBool},
                                               {"", "false", Type::kBool},
                                               {"", "null", Type::kBool},
                                               {"", "order", Type::kBool},
                                               {"", "and", Type::kBool}};
  const auto of_words = [&](std::string_view text) {
    return std::get<Expression>(Expression::Compile(text, words)).normalized();
  };
  for (const std::string literal : {"true", "false", "null"}) {
    CHECK(of_words("\"" + literal + "\" is null") != of_words(literal + " is null"));
  }
  // Words that collide with nothing keep the form that versions of views are made of.
  CHECK(of_words("\"order\" or \"and\"") == "or(order, and)");
  CHECK(Compiled("amount > 100 and online").normalized() == "and(>(amount, 100), online)");
}

}  // namespace
}  // namespace freshet
