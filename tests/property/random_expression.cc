#include "tests/property/random_expression.h"

#include <fmt/format.h>

#include <cmath>
#include <string_view>

namespace freshet::property {
namespace {

using Fields = std::span<const Value>;
using Evaluated = std::optional<Value>;
using Columns = std::vector<Column>;

Evaluated Truth(bool is) { return Value::Bool(is); }

Columns OfTypes(const Columns& columns, std::initializer_list<Type> types) {
  Columns some;
  for (const Column& column : columns) {
    for (const Type type : types) {
      if (column.type == type) some.push_back(column);
    }
  }
  return some;
}

RandomExpression Condition(std::string sql, std::function<Evaluated(Fields)> evaluate) {
  return {std::move(sql), Type::kBool, std::move(evaluate)};
}

// What is asked of one value; null of null.
RandomExpression OfValue(std::string sql, uint32_t field, std::function<bool(const Value&)> ask) {
  return Condition(std::move(sql), [field, ask = std::move(ask)](Fields fields) -> Evaluated {
    if (fields[field].is_null()) return Value();
    return Truth(ask(fields[field]));
  });
}

bool Holds(const std::string& op, int order) {
  if (op == "=") return order == 0;
  if (op == "<>") return order != 0;
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  return op == ">" ? order > 0 : order >= 0;
}

std::string Operator(Random& random) {
  return random.OneOf<std::string>({"=", "<>", "<>", "<>", "<", "<=", ">", ">=", ">="});
}

double NumberOf(const Value& value) {
  return value.kind() == Value::Kind::kInt64 ? static_cast<double>(value.as_int64())
                                             : value.as_double();
}

int Order(double a, double b) { return a < b ? -1 : a > b ? 1 : 0; }

RandomExpression OfInteger(Random& random, const Column& c) {
  const int64_t low = random.Between(-3, 2);
  const int64_t high = random.Between(low, 4);
  switch (random.Between(0, 4)) {
    case 0:
      return OfValue(fmt::format("{} between {} and {}", c.name, low, high), c.index,
                     [=](const Value& v) { return v.as_int64() >= low && v.as_int64() <= high; });
    case 1:
      return OfValue(fmt::format("{} not in ({}, {})", c.name, low, high), c.index,
                     [=](const Value& v) { return v.as_int64() != low && v.as_int64() != high; });
    case 2:
      // Never null.
      return Condition(fmt::format("{} is distinct from {}", c.name, low),
                       [=, i = c.index](Fields fields) {
                         return Truth(fields[i].is_null() || fields[i].as_int64() != low);
                       });
    case 3:
      // Overflows at an end of int64.
      return Condition(fmt::format("{} + 1 > {}", c.name, low),
                       [=, i = c.index](Fields fields) -> Evaluated {
                         if (fields[i].is_null()) return Value();
                         int64_t sum = 0;
                         if (__builtin_add_overflow(fields[i].as_int64(), 1, &sum)) return {};
                         return Truth(sum > low);
                       });
    default: {
      const std::string op = Operator(random);
      return OfValue(fmt::format("{} {} {}", c.name, op, low), c.index, [=](const Value& v) {
        return Holds(op, v.as_int64() < low ? -1 : v.as_int64() > low ? 1 : 0);
      });
    }
  }
}

RandomExpression OfNumbers(Random& random, const Column& a, const Column& b) {
  const std::string op = Operator(random);
  if (random.Chance(0.3)) {
    // A division by zero where b is 0.
    return Condition(fmt::format("{} / {} < 30", a.name, b.name),
                     [i = a.index, j = b.index](Fields fields) -> Evaluated {
                       if (fields[i].is_null() || fields[j].is_null()) return Value();
                       if (NumberOf(fields[j]) == 0) return {};
                       const double quotient = NumberOf(fields[i]) / NumberOf(fields[j]);
                       if (!std::isfinite(quotient)) return {};
                       return Truth(quotient < 30);
                     });
  }
  if (random.Chance(0.5)) {
    const double than = static_cast<double>(random.Between(-60, 20)) / 2;
    return OfValue(fmt::format("{} {} {:.1f}", a.name, op, than), a.index,
                   [=](const Value& v) { return Holds(op, Order(NumberOf(v), than)); });
  }
  const bool integers = a.type == Type::kInt64 && b.type == Type::kInt64;
  return Condition(fmt::format("{} {} {}", a.name, op, b.name),
                   [=, i = a.index, j = b.index](Fields fields) -> Evaluated {
                     if (fields[i].is_null() || fields[j].is_null()) return Value();
                     const int order = integers ? Value::Compare(fields[i], fields[j])
                                                : Order(NumberOf(fields[i]), NumberOf(fields[j]));
                     return Truth(Holds(op, order));
                   });
}

RandomExpression OfText(Random& random, const Column& c) {
  static const auto& texts = *new std::vector<std::string>{"a", "b", "ab", "", "zz"};
  const std::string text = random.OneOf(texts);
  if (random.Chance(0.3)) {
    return OfValue(fmt::format("{} not like '{}%'", c.name, text), c.index,
                   [=](const Value& v) { return !v.as_text().starts_with(text); });
  }
  const std::string op = Operator(random);
  return OfValue(fmt::format("{} {} '{}'", c.name, op, text), c.index, [=](const Value& v) {
    return Holds(op, v.as_text().compare(std::string_view(text)));
  });
}

RandomExpression Leaf(Random& random, const Columns& columns) {
  const Column& any = random.OneOf(columns);
  if (random.Chance(0.15)) {
    const bool is = random.Chance(0.2);
    return Condition(fmt::format("{} is {}null", any.name, is ? "" : "not "),
                     [is, i = any.index](Fields f) { return Truth(f[i].is_null() == is); });
  }
  switch (any.type) {
    case Type::kInt64:
      if (random.Chance(0.6)) return OfInteger(random, any);
      [[fallthrough]];
    case Type::kDouble:
    case Type::kFloat:
      return OfNumbers(random, any,
                       random.OneOf(OfTypes(columns, {Type::kInt64, Type::kDouble, Type::kFloat})));
    case Type::kString:
      return OfText(random, any);
    case Type::kTimestamp:
      return OfValue(fmt::format("{} < timestamp '1970-01-01T00:08:20Z'", any.name), any.index,
                     [](const Value& v) { return v.as_time().us < 500'000'000; });
    case Type::kBool:
      return OfValue(any.name, any.index, [](const Value& v) { return v.as_bool(); });
    default:
      return OfInteger(random, random.OneOf(OfTypes(columns, {Type::kInt64})));
  }
}

// "What `and`, `or` ... need not look at is not evaluated": from the left.
Evaluated Both(const Evaluated& left, const std::function<Evaluated()>& right, bool stops_at) {
  if (!left) return {};
  if (!left->is_null() && left->as_bool() == stops_at) return left;
  const Evaluated other = right();
  if (!other) return {};
  if (!other->is_null() && other->as_bool() == stops_at) return other;
  return left->is_null() ? left : other;
}

RandomExpression RandomCondition(Random& random, const Columns& columns, int depth) {
  if (depth == 0 || random.Chance(0.25)) return Leaf(random, columns);
  const RandomExpression a = RandomCondition(random, columns, depth - 1);
  const int64_t kind = random.Between(0, 3);
  if (kind == 0) {
    const bool truth = random.Chance(0.15);
    return Condition(fmt::format("({}) is not {}", a.sql, truth ? "true" : "false"),
                     [a, truth](Fields fields) -> Evaluated {
                       const Evaluated of = a.evaluate(fields);
                       if (!of) return {};
                       return Truth(of->is_null() || of->as_bool() != truth);
                     });
  }
  if (kind == 1 && random.Chance(0.25)) {
    return Condition(fmt::format("not ({})", a.sql), [a](Fields fields) -> Evaluated {
      const Evaluated of = a.evaluate(fields);
      if (!of || of->is_null()) return of;
      return Truth(!of->as_bool());
    });
  }
  const RandomExpression b = RandomCondition(random, columns, depth - 1);
  const bool all = random.Chance(0.2);
  return Condition(fmt::format("({}) {} ({})", a.sql, all ? "and" : "or", b.sql),
                   [a, b, all](Fields fields) {
                     return Both(
                         a.evaluate(fields), [&] { return b.evaluate(fields); }, !all);
                   });
}

// Of two numbers, an error where the result is none.
RandomExpression OfTwoIntegers(Random& random, const Column& a, const Column& b) {
  const int64_t kind = random.Between(0, 2);
  const char* op = kind == 0 ? "+" : kind == 1 ? "-" : "*";
  return {fmt::format("{} {} {}", a.name, op, b.name), Type::kInt64,
          [=, i = a.index, j = b.index](Fields fields) -> Evaluated {
            if (fields[i].is_null() || fields[j].is_null()) return Value();
            const int64_t x = fields[i].as_int64();
            const int64_t y = fields[j].as_int64();
            int64_t result = 0;
            const bool over = kind == 0   ? __builtin_add_overflow(x, y, &result)
                              : kind == 1 ? __builtin_sub_overflow(x, y, &result)
                                          : __builtin_mul_overflow(x, y, &result);
            return over ? Evaluated() : Value::Int64(result);
          }};
}

RandomExpression OfTwoNumbers(Random& random, const Column& a, const Column& b) {
  const bool divides = random.Chance(0.5);
  return {fmt::format("{} {} {}", a.name, divides ? "/" : "* 0.5 +", b.name), Type::kDouble,
          [=, i = a.index, j = b.index](Fields fields) -> Evaluated {
            if (fields[i].is_null() || fields[j].is_null()) return Value();
            const double x = NumberOf(fields[i]);
            const double y = NumberOf(fields[j]);
            if (divides && y == 0) return {};
            const double result = divides ? x / y : x * 0.5 + y;
            return std::isfinite(result) ? Evaluated(Value::Double(result)) : Evaluated();
          }};
}

}  // namespace

RandomExpression RandomCondition(Random& random, const std::vector<Column>& columns) {
  return RandomCondition(random, columns, 2);
}

RandomExpression RandomDerivation(Random& random, const std::vector<Column>& columns) {
  const Columns integers = OfTypes(columns, {Type::kInt64});
  const Columns numbers = OfTypes(columns, {Type::kInt64, Type::kDouble, Type::kFloat});
  switch (random.Between(0, 5)) {
    case 0:
      return OfTwoIntegers(random, random.OneOf(integers), random.OneOf(integers));
    case 1:
      return OfTwoNumbers(random, random.OneOf(numbers), random.OneOf(numbers));
    case 2: {
      const Column a = random.OneOf(integers);
      const Column b = random.OneOf(integers);
      const RandomExpression when = RandomCondition(random, columns, 1);
      return {fmt::format("case when {} then {} else {} end", when.sql, a.name, b.name),
              Type::kInt64, [=](Fields fields) -> Evaluated {
                const Evaluated is = when.evaluate(fields);
                if (!is) return {};
                return !is->is_null() && is->as_bool() ? fields[a.index] : fields[b.index];
              }};
    }
    case 3: {
      const Column c = random.OneOf(OfTypes(columns, {Type::kString}));
      return {fmt::format("coalesce(nullif({}, 'a'), 'none')", c.name), Type::kString,
              [i = c.index](Fields fields) -> Evaluated {
                const bool none = fields[i].is_null() || fields[i].as_text() == "a";
                return none ? Value::Text("none") : fields[i];
              }};
    }
    case 4: {
      const Column c = random.OneOf(OfTypes(columns, {Type::kTimestamp}));
      return {fmt::format("{} + interval '90 seconds'", c.name), Type::kTimestamp,
              [i = c.index](Fields fields) -> Evaluated {
                if (fields[i].is_null()) return Value();
                return Value::Time(fields[i].as_time() + Duration::Seconds(90));
              }};
    }
    default:
      return RandomCondition(random, columns);
  }
}

}  // namespace freshet::property
