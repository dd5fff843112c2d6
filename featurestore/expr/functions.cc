#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "featurestore/base/nearest.h"
#include "featurestore/base/utf8.h"
#include "featurestore/expr/binder.h"

namespace freshet::expr {
namespace {

using T = ExprType;

// One way to call a function. kMove: the argument itself; kCall: the kernel; else a step.
struct Overload {
  std::string_view name;
  size_t count;
  std::array<ExprType, 4> params;
  ExprType result;
  Opcode op;
  Kernel kernel = nullptr;
};
// The first that fits is taken: an int64 fits a double, so those of int64 stand first. Steps and kernels of doubles read int64
// as they are.
constexpr std::array<Overload, 27> kOverloads = {{
    {"abs", 1, {T::kInt64}, T::kInt64, Opcode::kAbsI},
    {"abs", 1, {T::kDouble}, T::kDouble, Opcode::kAbsD},
    {"ceil", 1, {T::kInt64}, T::kInt64, Opcode::kMove},
    {"ceil", 1, {T::kDouble}, T::kDouble, Opcode::kCall, CeilKernel},
    {"ceiling", 1, {T::kInt64}, T::kInt64, Opcode::kMove},
    {"ceiling", 1, {T::kDouble}, T::kDouble, Opcode::kCall, CeilKernel},
    {"div", 2, {T::kInt64, T::kInt64}, T::kInt64, Opcode::kDivI},
    {"div", 2, {T::kDouble, T::kDouble}, T::kDouble, Opcode::kCall, DivDoubleKernel},
    {"exp", 1, {T::kDouble}, T::kDouble, Opcode::kCall, ExpKernel},
    {"floor", 1, {T::kInt64}, T::kInt64, Opcode::kMove},
    {"floor", 1, {T::kDouble}, T::kDouble, Opcode::kCall, FloorKernel},
    {"haversine_km",
     4,
     {T::kDouble, T::kDouble, T::kDouble, T::kDouble},
     T::kDouble,
     Opcode::kCall,
     HaversineKernel},
    {"length", 1, {T::kText}, T::kInt64, Opcode::kCall, LengthKernel},
    {"ln", 1, {T::kDouble}, T::kDouble, Opcode::kCall, LnKernel},
    {"lower", 1, {T::kText}, T::kText, Opcode::kCall, LowerKernel},
    {"mod", 2, {T::kInt64, T::kInt64}, T::kInt64, Opcode::kModI},
    {"mod", 2, {T::kDouble, T::kDouble}, T::kDouble, Opcode::kModD},
    {"power", 2, {T::kDouble, T::kDouble}, T::kDouble, Opcode::kCall, PowerKernel},
    {"round", 1, {T::kInt64}, T::kInt64, Opcode::kMove},
    {"round", 1, {T::kDouble}, T::kDouble, Opcode::kCall, RoundKernel},
    {"round", 2, {T::kDouble, T::kInt64}, T::kDouble, Opcode::kCall, RoundDigitsKernel},
    {"split_part", 3, {T::kText, T::kText, T::kInt64}, T::kText, Opcode::kCall, SplitPartKernel},
    {"sqrt", 1, {T::kDouble}, T::kDouble, Opcode::kCall, SqrtKernel},
    {"starts_with", 2, {T::kText, T::kText}, T::kBool, Opcode::kCall, StartsWithKernel},
    {"substring", 2, {T::kText, T::kInt64}, T::kText, Opcode::kCall, SubstringKernel},
    {"substring", 3, {T::kText, T::kInt64, T::kInt64}, T::kText, Opcode::kCall, SubstringKernel},
    {"upper", 1, {T::kText}, T::kText, Opcode::kCall, UpperKernel},
}};
static_assert(std::is_sorted(kOverloads.begin(), kOverloads.end(),
                             [](const Overload& a, const Overload& b) { return a.name < b.name; }));

// Those with rules of their own.
constexpr std::array<std::string_view, 6> kSpecial = {"coalesce", "nullif", "greatest",
                                                      "least",    "concat", "extract"};

constexpr std::array<std::string_view, 16> kChanging = {"now",
                                                        "random",
                                                        "clock_timestamp",
                                                        "statement_timestamp",
                                                        "transaction_timestamp",
                                                        "timeofday",
                                                        "gen_random_uuid",
                                                        "setseed",
                                                        "nextval",
                                                        "currval",
                                                        "lastval",
                                                        "pg_sleep",
                                                        "localtime",
                                                        "localtimestamp",
                                                        "current_date",
                                                        "age"};
constexpr std::array<std::string_view, 20> kAggregates = {
    "sum",      "count",   "avg",      "mean",       "min",         "max",       "stddev",
    "variance", "var_pop", "var_samp", "stddev_pop", "stddev_samp", "array_agg", "string_agg",
    "bool_and", "bool_or", "every",    "row_number", "lag",         "rank"};

// Of PostgreSQL or of other SQL, and not here: what would do instead.
struct Instead {
  std::string_view name;
  std::string_view remedy;
};
constexpr std::string_view kNoTrim =
    "; text is not trimmed here: let the producer do it, or compare with like";
constexpr std::string_view kNoPatterns =
    "; there are no regular expressions: ask with like, or starts_with";
constexpr std::array<Instead, 34> kInstead = {{
    {"btrim", kNoTrim},
    {"ltrim", kNoTrim},
    {"rtrim", kNoTrim},
    {"left", "; write substring(… from 1 for n)"},
    {"right", "; write substring(x from length(x) - n + 1)"},
    {"substr", "; write substring"},
    {"char_length", "; write length"},
    {"character_length", "; write length"},
    {"len", "; write length"},
    {"position", "; ask with like '%…%', or starts_with"},
    {"strpos", "; ask with like '%…%', or starts_with"},
    {"contains", "; ask with like '%…%'"},
    {"regexp_match", kNoPatterns},
    {"regexp_matches", kNoPatterns},
    {"regexp_replace", kNoPatterns},
    {"regexp_like", kNoPatterns},
    {"ifnull", "; write coalesce"},
    {"nvl", "; write coalesce"},
    {"isnull", "; write … is null"},
    {"if", "; write case when … then … else … end"},
    {"iif", "; write case when … then … else … end"},
    {"pow", "; write power"},
    {"log", "; write ln(x) / ln(10)"},
    {"log10", "; write ln(x) / ln(10)"},
    {"log2", "; write ln(x) / ln(2)"},
    {"trunc", "; write div(x, 1)"},
    {"date_part", "; write extract(hour from at)"},
    {"hour", "; write extract(hour from at)"},
    {"day", "; write extract(day from at)"},
    {"month", "; write extract(month from at)"},
    {"year", "; write extract(year from at)"},
    {"date_trunc", "; extract(day from at) and the like say what it would keep"},
    {"to_timestamp", "; declare the field as a timestamp with its unit"},
    {"to_char", "; cast(… as string), or extract(day from at) and the like"},
}};

template <size_t kSize>
bool Contains(const std::array<std::string_view, kSize>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

bool Fits(ExprType type, ExprType param) {
  return type == param || type == T::kNull || (type == T::kInt64 && param == T::kDouble);
}

std::string Signatures(std::string_view name) {
  std::string all;
  for (const Overload& overload : kOverloads) {
    if (overload.name != name) continue;
    all += all.empty() ? "" : ", ";
    all += fmt::format("{}(", name);
    for (size_t i = 0; i < overload.count; ++i) {
      all += i == 0 ? "" : ", ";
      all += Name(overload.params[i]);
    }
    all += ")";
  }
  return all;
}

[[noreturn]] void RefuseName(const Syntax& syntax) {
  const std::string& name = syntax.name;
  if (Contains(kChanging, name)) {
    Refuse(syntax.offset, fmt::format("{}() changes from one evaluation to the next; the time of a "
                                      "read is the column now of a "
                                      "service, an event's its timestamp field",
                                      name));
  }
  if (Contains(kAggregates, name)) {
    Refuse(syntax.offset,
           fmt::format("{} is an aggregation: declare it as a feature; an expression reads one row",
                       name));
  }
  if (name == "at time zone") {
    Refuse(syntax.offset,
           "at time zone stands only inside of extract(… from … at time zone '…'): a timestamp is "
           "an instant");
  }
  for (const Instead& other : kInstead) {
    if (other.name != name) continue;
    // SQL's trim(…) arrives by PostgreSQL's name for it.
    Refuse(syntax.offset,
           fmt::format("there is no function {}{}", name == "btrim" ? "trim" : name, other.remedy));
  }
  std::vector<std::string> valid(kSpecial.begin(), kSpecial.end());
  for (const Overload& overload : kOverloads) {
    if (std::find(valid.begin(), valid.end(), overload.name) == valid.end())
      valid.emplace_back(overload.name);
  }
  Refuse(syntax.offset, fmt::format("unknown function {}{}", name, Suggestion(name, valid)));
}

[[noreturn]] void RefuseArguments(const Syntax& syntax, const std::vector<Node>& args) {
  bool count_known = false;
  for (const Overload& overload : kOverloads) {
    count_known = count_known || (overload.name == syntax.name && overload.count == args.size());
  }
  if (!count_known) {
    Refuse(syntax.offset, fmt::format("{} does not take {} arguments; there is {}", syntax.name,
                                      args.size(), Signatures(syntax.name)));
  }
  // The first argument that no form takes.
  size_t at = 0;
  for (; at + 1 < args.size(); ++at) {
    const bool taken =
        std::any_of(kOverloads.begin(), kOverloads.end(), [&](const Overload& overload) {
          return overload.name == syntax.name && overload.count == args.size() &&
                 Fits(args[at].type, overload.params[at]);
        });
    if (!taken) break;
  }
  RefuseBytes(args[at]);
  std::string hint;
  if (args[at].type == T::kDouble) hint = "; cast(… as int64) rounds it";
  if (args[at].type == T::kText) hint = "; cast(… as double) reads text as a number";
  if (IsTextLiteral(args[at])) hint = "; write a number without quotes";
  if (args[at].type == T::kTimestamp) hint = "; extract(epoch from …) makes seconds of it";
  const bool wants_text =
      std::any_of(kOverloads.begin(), kOverloads.end(), [&](const Overload& overload) {
        return overload.name == syntax.name && overload.count == args.size() &&
               overload.params[at] == T::kText;
      });
  if (wants_text) hint = "; cast(… as string) makes text of it";
  if (syntax.name == "substring" && at > 0 && args[at].type == T::kText) hint = kNoPatterns;
  Refuse(args[at].offset, fmt::format("{} does not take {} here: there is {}{}", syntax.name,
                                      Describe(args[at]), Signatures(syntax.name), hint));
}

Node Resolve(const Syntax& syntax, std::vector<Node> args) {
  for (const Overload& overload : kOverloads) {
    if (overload.name != syntax.name || overload.count != args.size()) continue;
    bool fits = true;
    for (size_t i = 0; i < args.size(); ++i) fits = fits && Fits(args[i].type, overload.params[i]);
    if (!fits) continue;
    for (size_t i = 0; i < args.size(); ++i) {
      if (args[i].type == T::kNull) args[i].type = overload.params[i];
    }
    if (overload.op == Opcode::kMove) return std::move(args[0]);
    if (overload.op == Opcode::kCall)
      return MakeCall(overload.kernel, overload.result, syntax.offset, std::move(args));
    return MakeOperation(overload.op, overload.result, syntax.offset, std::move(args));
  }
  RefuseArguments(syntax, args);
}

}  // namespace

Node Binder::Function(const Syntax& syntax) const {
  const std::string& name = syntax.name;
  if (name == "extract") return Extract(syntax);
  const bool known = Contains(kSpecial, name) ||
                     std::any_of(kOverloads.begin(), kOverloads.end(),
                                 [&](const Overload& overload) { return overload.name == name; });
  if (!known) RefuseName(syntax);

  std::vector<Node> args = BindAll(syntax);
  if (name == "coalesce") {
    Node node;
    node.kind = Node::Kind::kCoalesce;
    node.offset = syntax.offset;
    node.args = std::move(args);
    node.type = Unify(Pointers(node.args), "what coalesce chooses from");
    return node;
  }
  if (name == "greatest" || name == "least") {
    const ExprType type = Unify(Pointers(args), fmt::format("what {} chooses from", name));
    return MakeCall(name == "greatest" ? GreatestKernel : LeastKernel, type, syntax.offset,
                    std::move(args), false);
  }
  if (name == "nullif") {
    if (args.size() != 2) Refuse(syntax.offset, "nullif takes two arguments");
    Node node;
    node.kind = Node::Kind::kNullIf;
    node.offset = syntax.offset;
    node.ops.push_back(Compare(Comparison::kEq, args[0], args[1], args[1].offset));
    RefuseBytes(args[0]);
    if (args[0].type == T::kNull) args[0].type = args[1].type;
    node.type = args[0].type;
    node.args = std::move(args);
    return node;
  }
  if (name == "concat") {
    if (args.empty()) Refuse(syntax.offset, "concat takes at least one argument");
    for (Node& arg : args) {
      const size_t offset = arg.offset;
      arg = Convert(std::move(arg), T::kText, offset);
    }
    return MakeCall(ConcatKernel, T::kText, syntax.offset, std::move(args), false);
  }
  return Resolve(syntax, std::move(args));
}

namespace {

// Words that PostgreSQL takes for an abbreviation, a fixed offset, and the time zone database for a zone, with summer time or a
// past of its own: the same text with two meanings.
struct ZoneWord {
  std::string_view name;
  std::string_view region;
  std::string_view fixed;
};
constexpr std::array<ZoneWord, 7> kZoneWords = {{
    {"CET", "Europe/Berlin", "Etc/GMT-1"},
    {"MET", "Europe/Berlin", "Etc/GMT-1"},
    {"EET", "Europe/Athens", "Etc/GMT-2"},
    {"WET", "Europe/Lisbon", "Etc/GMT"},
    {"EST", "America/New_York", "Etc/GMT+5"},
    {"MST", "America/Denver", "Etc/GMT+7"},
    {"HST", "Pacific/Honolulu", "Etc/GMT+10"},
}};

TimeZone FindZone(const Syntax& name) {
  if (name.kind != Syntax::Kind::kString) {
    Refuse(name.offset, "a time zone is written in single quotes, like 'Europe/Berlin'");
  }
  for (const ZoneWord& word : kZoneWords) {
    if (word.name != name.name) continue;
    Refuse(name.offset, fmt::format("{} could be a place's clocks or a fixed offset; write '{}', "
                                    "or the like, or '{}'",
                                    word.name, word.region, word.fixed));
  }
  const auto zone = TimeZone::Find(name.name);
  if (zone) return *zone;
  Refuse(name.offset, fmt::format("unknown time zone {}; write one like 'Europe/Berlin' or 'UTC'",
                                  Shortened(name.name, 60)));
}

}  // namespace

Node Binder::Extract(const Syntax& syntax) const {
  if (syntax.args.size() != 2 || syntax.args[0].kind != Syntax::Kind::kString) {
    Refuse(syntax.offset, "extract is written extract(hour from at)");
  }
  const Syntax& field_name = syntax.args[0];
  const auto field = FindExtractField(field_name.name);
  if (!field) {
    Refuse(field_name.offset, fmt::format("extract knows no field {}; one of: {}",
                                          Shortened(field_name.name, 60), ExtractFieldNames()));
  }
  const Syntax* source = &syntax.args[1];
  std::optional<TimeZone> zone;
  if (source->kind == Syntax::Kind::kFunction && source->name == "at time zone") {
    zone = FindZone(source->args[0]);
    source = &source->args[1];
  }
  Node arg = Bind(*source);
  const bool of_interval = arg.type == T::kInterval && field->name == "epoch" && !zone;
  if (arg.type == T::kNull) arg.type = T::kTimestamp;
  if (arg.type != T::kTimestamp && !of_interval) {
    const std::string_view hint = arg.type == T::kInterval
                                      ? "; of an interval there is only epoch, its seconds"
                                  : IsTextLiteral(arg) ? "; write timestamp before the literal"
                                                       : "";
    Refuse(arg.offset, fmt::format("extract reads a timestamp, not {}{}", Describe(arg), hint));
  }
  Node node;
  node.kind = Node::Kind::kCall;
  node.type = field->is_double ? T::kDouble : T::kInt64;
  node.offset = syntax.offset;
  node.kernel = of_interval ? EpochOfIntervalKernel : field->kernel;
  node.zone = zone;
  node.args.push_back(std::move(arg));
  return Fold(std::move(node));
}

}  // namespace freshet::expr
