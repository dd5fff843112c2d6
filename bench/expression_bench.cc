// ns of CPU an evaluation of SQL expressions, beside SQLite's prepared statement on the same expressions and values, in turn:
//   ./run bench expression
// Both read rows of the same columns from memory, one expression at a time, one thread. SQLite: parameters bound, one step, the
// column read, reset; its statement was prepared once. Freshet: Evaluate on the row's values. Results are summed up, so that none is
// thrown away, and compared, so that both did the same.
#include <fmt/format.h>
#include <sqlite3.h>

#include <cmath>
#include <cstdlib>
#include <ctime>
#include <span>
#include <string>
#include <vector>

#include "bench/report.h"
#include "featurestore/expr/expression.h"

namespace freshet {
namespace {

constexpr int kRows = 1024;
constexpr int kPairs = 7;
constexpr int kRounds = 400;  // over all rows, a measurement

struct Question {
  std::string name;
  std::string freshet;
  std::string sqlite;  // the same with ?1 … for the columns, where SQL differs too
};

// The columns in the order of SQLite's parameters.
const std::vector<ExpressionColumn>& Scope() {
  static const std::vector<ExpressionColumn> scope = {
      {"", "amount", Type::kDouble},    {"", "spend_1h", Type::kDouble},
      {"", "spend_24h", Type::kDouble}, {"", "merchant", Type::kString},
      {"", "payments", Type::kInt64},   {"", "at", Type::kTimestamp}};
  return scope;
}

const std::vector<Question>& Questions() {
  static const std::vector<Question> questions = {
      {"where", "amount > 100", "?1 > 100"},
      {"where_two", "amount > 100 and merchant <> 'test'", "?1 > 100 and ?4 <> 'test'"},
      {"ratio", "spend_1h / nullif(spend_24h, 0)", "?2 / nullif(?3, 0)"},
      {"arithmetic", "(amount * 0.92 - 1.5) / (payments + 1)", "(?1 * 0.92 - 1.5) / (?5 + 1)"},
      {"case", "case when amount < 10 then 0 when amount < 100 then 1 else 2 end",
       "case when ?1 < 10 then 0 when ?1 < 100 then 1 else 2 end"},
      {"in", "merchant in ('amazon', 'ebay', 'zalando', 'otto', 'ikea')",
       "?4 in ('amazon', 'ebay', 'zalando', 'otto', 'ikea')"},
      {"like", "merchant like 'sh%'", "?4 like 'sh%'"},
      {"coalesce", "coalesce(spend_24h, spend_1h, 0) + payments", "coalesce(?3, ?2, 0) + ?5"},
      {"ln", "ln(amount + 1)", "ln(?1 + 1)"},
      {"length", "length(merchant)", "length(?4)"},
      {"text", "upper(merchant) || '-' || payments", "upper(?4) || '-' || ?5"},
      {"hour", "extract(hour from at)",
       "cast(strftime('%H', ?6 / 1000000, 'unixepoch') as integer)"},
  };
  return questions;
}

struct Rows {
  std::vector<std::string> merchants;
  std::vector<std::vector<Value>> values;
};

Rows MakeRows() {
  Rows rows;
  for (int i = 0; i < kRows; ++i) rows.merchants.push_back(fmt::format("shop {}", i % 97));
  for (int i = 0; i < kRows; ++i) {
    const auto n = static_cast<size_t>(i);
    rows.values.push_back({Value::Double(i * 0.37), i % 10 == 0 ? Value() : Value::Double(i * 1.5),
                           i % 7 == 0 ? Value::Double(0) : Value::Double(i * 3.25),
                           Value::Text(rows.merchants[n]), Value::Int64(i % 50),
                           Value::Time({1'357'000'000'000'000 + i * 977'000'000LL})});
  }
  return rows;
}

// The thread's CPU time: both sides compute and wait for nothing, and a neighbour's load is not theirs.
double CpuNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

double NanosecondsSince(double start) {
  return (CpuNanoseconds() - start) / (static_cast<double>(kRows) * kRounds);
}

// Numbers as themselves, text by its length and last byte, null as nothing.
double Digest(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kNull:
      return 0;
    case Value::Kind::kBool:
      return value.as_bool() ? 1 : 0;
    case Value::Kind::kText:
      return static_cast<double>(value.as_text().size()) + value.as_text().back();
    default:
      return value.number();
  }
}

double RunFreshet(const Expression& expression, const Rows& rows, double& sum) {
  Scratch scratch;
  sum = 0;
  const double start = CpuNanoseconds();
  for (int round = 0; round < kRounds; ++round) {
    for (const auto& row : rows.values) {
      const Evaluated result = expression.Evaluate(row, scratch);
      sum += Digest(result.value);
    }
    scratch.Clear();
  }
  return NanosecondsSince(start);
}

void Bind(sqlite3_stmt* statement, int parameter, const Value& value) {
  switch (value.kind()) {
    case Value::Kind::kDouble:
      sqlite3_bind_double(statement, parameter, value.as_double());
      break;
    case Value::Kind::kText:
      sqlite3_bind_text(statement, parameter, value.as_text().data(),
                        static_cast<int>(value.as_text().size()), SQLITE_STATIC);
      break;
    case Value::Kind::kNull:
      sqlite3_bind_null(statement, parameter);
      break;
    default:
      sqlite3_bind_int64(statement, parameter, value.as_int64());
      break;
  }
}

double DigestColumn(sqlite3_stmt* statement) {
  switch (sqlite3_column_type(statement, 0)) {
    case SQLITE_NULL:
      return 0;
    case SQLITE_TEXT: {
      const int size = sqlite3_column_bytes(statement, 0);
      return size + reinterpret_cast<const char*>(sqlite3_column_text(statement, 0))[size - 1];
    }
    default:
      return sqlite3_column_double(statement, 0);
  }
}

// Binds only what the expression reads.
double RunSqlite(sqlite3_stmt* statement, std::span<const uint32_t> columns, const Rows& rows,
                 double& sum) {
  sum = 0;
  const double start = CpuNanoseconds();
  for (int round = 0; round < kRounds; ++round) {
    for (const auto& row : rows.values) {
      for (const uint32_t column : columns)
        Bind(statement, static_cast<int>(column) + 1, row[column]);
      if (sqlite3_step(statement) == SQLITE_ROW) sum += DigestColumn(statement);
      sqlite3_reset(statement);
    }
  }
  return NanosecondsSince(start);
}

int Run() {
  sqlite3* database = nullptr;
  if (sqlite3_open(":memory:", &database) != SQLITE_OK) return 1;
  const Rows rows = MakeRows();
  for (const Question& question : Questions()) {
    const auto compiled = Expression::Compile(question.freshet, Scope());
    if (const auto* error = std::get_if<ExpressionError>(&compiled)) {
      fmt::print(stderr, "{}: {}\n", question.freshet, error->message);
      return 1;
    }
    const auto& expression = std::get<Expression>(compiled);
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(database, ("select " + question.sqlite).c_str(), -1, &statement,
                           nullptr) != SQLITE_OK) {
      fmt::print(stderr, "{}: {}\n", question.sqlite, sqlite3_errmsg(database));
      return 1;
    }
    double ours = 0;
    double theirs = 0;
    bench::Case result;
    result.bench = "expression";
    result.name = question.name;
    result.what =
        fmt::format("ns of CPU an evaluation of {}, against SQLite {}'s prepared statement",
                    question.freshet, sqlite3_libversion());
    result.unit = "ns";
    bench::Interleave(
        result, kPairs, [&] { return RunFreshet(expression, rows, ours); },
        [&] { return RunSqlite(statement, expression.columns(), rows, theirs); });
    sqlite3_finalize(statement);
    if (std::fabs(ours - theirs) > 1e-9 * std::fabs(ours)) {
      fmt::print(stderr, "{}: the sums differ: {} and {}\n", question.freshet, ours, theirs);
      return 1;
    }
    bench::Print(result);
  }
  sqlite3_close(database);
  return 0;
}

}  // namespace
}  // namespace freshet

int main() { return freshet::Run(); }
