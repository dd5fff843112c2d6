#include "featurestore/expr/syntax.h"

#include <fmt/format.h>
#include <pg_query.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <nlohmann/json.hpp>
#include <utility>

#include "featurestore/expr/limits.h"

namespace freshet::expr {
namespace {

using Json = nlohmann::json;
using Kind = Syntax::Kind;

constexpr std::string_view kBefore = "SELECT ";

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

// What PostgreSQL's parser said: its tree as JSON, or an error.
std::variant<Json, ExpressionError> RunParser(std::string_view text) {
  const std::string statement = std::string(kBefore) + std::string(text);
  // libpg_query is thread-safe as far as its authors say; declarations are rare, so nothing hangs on it.
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const PgQueryParseResult result = pg_query_parse(statement.c_str());
  std::variant<Json, ExpressionError> parsed;
  if (result.error != nullptr) {
    // In characters, from 1.
    const auto position = static_cast<size_t>(std::max(result.error->cursorpos, 1) - 1);
    size_t offset = 0;
    for (size_t characters = 0; offset < statement.size(); ++offset) {
      const bool starts = (static_cast<unsigned char>(statement[offset]) & 0xc0U) != 0x80;
      if (starts && characters++ == position) break;
    }
    offset = offset < kBefore.size() ? 0 : offset - kBefore.size();
    parsed = ExpressionError{std::min(offset, text.size()), result.error->message};
  } else {
    parsed = Json::parse(result.parse_tree, nullptr, false);
  }
  pg_query_free_parse_result(result);
  return parsed;
}

// Thrown by Reader, caught by ParseSyntax: the tree is deep and every level may refuse.
struct Refused {
  ExpressionError error;
};

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Syntax ReadStatement(const Json& tree) {
    const Json& statements = tree.at("stmts");
    if (statements.size() != 1) Refuse(0, "one expression is wanted");
    const Json& statement = statements[0].at("stmt");
    const auto select = statement.find("SelectStmt");
    if (select == statement.end()) Refuse(0, "an expression is wanted, not a statement");
    for (const auto& [key, value] : select->items()) {
      const bool plain =
          key == "targetList" || key == "limitOption" || (key == "op" && value == "SETOP_NONE");
      if (!plain)
        Refuse(0,
               "an expression is wanted alone, without from, where, order by, union and the like");
    }
    const auto targets = select->find("targetList");
    if (targets == select->end() || targets->empty()) Refuse(0, "the expression is empty");
    if (targets->size() > 1) {
      Refuse(Offset((*targets)[1].at("ResTarget")),
             "one expression is wanted, not a list with commas");
    }
    const Json& target = (*targets)[0].at("ResTarget");
    if (const auto name = target.find("name"); name != target.end()) {
      // `a B` is a named b to SQL; where B stands, the tree does not say.
      const auto alias = name->get<std::string>();
      const auto at = std::find_end(text_.begin(), text_.end(), alias.begin(), alias.end(),
                                    [](char a, char b) { return Lower(a) == Lower(b); });
      Refuse(at == text_.end() ? 0 : static_cast<size_t>(at - text_.begin()),
             fmt::format("an operator is missing before {}, or this word is too much", alias));
    }
    return Read(target.at("val"));
  }

 private:
  [[noreturn]] static void Refuse(size_t offset, std::string message) {
    throw Refused{ExpressionError{offset, std::move(message)}};
  }

  size_t Offset(const Json& node) const {
    const auto location = node.find("location");
    if (location == node.end() || !location->is_number_integer()) return 0;
    const auto at = location->get<int64_t>() - static_cast<int64_t>(kBefore.size());
    return at < 0 ? 0 : std::min(static_cast<size_t>(at), text_.size());
  }

  Syntax Make(Kind kind, std::string name, const Json& node) const {
    Syntax syntax;
    syntax.kind = kind;
    syntax.name = std::move(name);
    syntax.offset = Offset(node);
    return syntax;
  }

  static std::string LastName(const Json& names) {
    return names.back().at("String").value("sval", "");
  }

  // Every node of the tree is an object of one key, its kind.
  Syntax Read(const Json& node) {
    if (!node.is_object() || node.empty()) Refuse(0, "an expression is wanted");
    const std::string& kind = node.begin().key();
    const Json& body = node.begin().value();
    if (++nodes_ > Expression::kMaxNodes) {
      Refuse(Offset(body),
             fmt::format("the expression has more than {} parts", Expression::kMaxNodes));
    }
    if (++depth_ > Expression::kMaxDepth) {
      Refuse(Offset(body),
             fmt::format("the expression nests deeper than {}: a long chain of + or || does so too",
                         Expression::kMaxDepth));
    }
    Syntax syntax = ReadKind(kind, body);
    --depth_;
    return syntax;
  }

  void ReadInto(Syntax& parent, const Json& list) {
    for (const Json& item : list) parent.args.push_back(Read(item));
  }

  Syntax ReadKind(const std::string& kind, const Json& body) {
    if (kind == "A_Const") return Constant(body);
    if (kind == "ColumnRef") return Column(body);
    if (kind == "A_Expr") return Operator(body);
    if (kind == "FuncCall") return Function(body);
    if (kind == "TypeCast") return Cast(body);
    if (kind == "CaseExpr") return Case(body);
    if (kind == "BoolExpr") {
      const std::string op = body.at("boolop");
      Syntax syntax = Make(Kind::kOperator,
                           op == "AND_EXPR"  ? "and"
                           : op == "OR_EXPR" ? "or"
                                             : "not",
                           body);
      ReadInto(syntax, body.at("args"));
      return syntax;
    }
    if (kind == "NullTest") {
      Syntax syntax = Make(Kind::kOperator,
                           body.at("nulltesttype") == "IS_NULL" ? "is null" : "is not null", body);
      syntax.args.push_back(Read(body.at("arg")));
      return syntax;
    }
    if (kind == "BooleanTest") {
      std::string name = body.at("booltesttype");  // IS_NOT_TRUE
      std::transform(name.begin(), name.end(), name.begin(),
                     [](char c) { return c == '_' ? ' ' : static_cast<char>(c | 0x20); });
      Syntax syntax = Make(Kind::kOperator, name, body);
      syntax.args.push_back(Read(body.at("arg")));
      return syntax;
    }
    if (kind == "CoalesceExpr" || kind == "MinMaxExpr") {
      const bool greatest = body.value("op", "") == "IS_GREATEST";
      Syntax syntax = Make(Kind::kFunction,
                           kind == "CoalesceExpr" ? "coalesce"
                           : greatest             ? "greatest"
                                                  : "least",
                           body);
      ReadInto(syntax, body.at("args"));
      return syntax;
    }
    RefuseKind(kind, body);
  }

  [[noreturn]] void RefuseKind(const std::string& kind, const Json& body) const {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kReasons = {{
        {"SubLink", "subqueries have no meaning here: an expression reads one row"},
        {"ParamRef", "parameters like $1 have no meaning here: name a column"},
        {"SQLValueFunction",
         "it changes from one evaluation to the next, or is a word of SQL: a column of that name "
         "stands in double quotes; the time of a read is the column now of a service"},
        {"A_ArrayExpr", "arrays are not supported: write in (…)"},
        {"A_Indirection", "fields and elements of values are not supported"},
        {"RowExpr", "rows are not supported: one value is wanted"},
        {"CollateClause", "collate is not supported: text is compared by its bytes"},
        {"GroupingFunc", "grouping has no meaning here: an expression reads one row"},
        {"SetToDefault", "default has no meaning here"},
        {"XmlExpr", "XML is not supported"},
        {"MultiAssignRef", "assignments have no meaning here"},
    }};
    for (const auto& [name, reason] : kReasons) {
      if (name == kind) Refuse(Offset(body), std::string(reason));
    }
    Refuse(Offset(body), fmt::format("this form of SQL ({}) is not supported", kind));
  }

  Syntax Constant(const Json& body) const {
    if (body.contains("isnull")) return Make(Kind::kNull, "null", body);
    if (const auto value = body.find("ival"); value != body.end()) {
      const auto positive = value->value("ival", int64_t{0});
      if (positive > 0) return Make(Kind::kInteger, std::to_string(positive), body);
      Syntax syntax = Make(Kind::kInteger, "0", body);
      syntax.name = NotPositive(syntax.offset);
      return syntax;
    }
    if (const auto value = body.find("fval"); value != body.end()) {
      const std::string digits = value->value("fval", "0");
      const bool whole = digits.find_first_of(".eE") == std::string::npos;
      return Make(whole ? Kind::kInteger : Kind::kDecimal, digits, body);
    }
    if (const auto value = body.find("boolval"); value != body.end()) {
      return Make(Kind::kBool, value->value("boolval", false) ? "true" : "false", body);
    }
    if (const auto value = body.find("sval"); value != body.end()) {
      return Make(Kind::kString, value->value("sval", ""), body);
    }
    Refuse(Offset(body), "bit strings are not supported");
  }

  // libpg_query 15-4.0.0 prints only what is above zero: `-5`, `- (5)` and `0` all arrive as {}. Its parser has folded the signs, of
  // which an odd number stands from `offset` on, so the digits behind them say the rest.
  std::string NotPositive(size_t offset) const {
    const size_t begin = text_.find_first_not_of(" \t\n\r\f\v-(", offset);
    size_t end = begin;
    while (end < text_.size() && text_[end] >= '0' && text_[end] <= '9') ++end;
    if (begin == std::string_view::npos || begin == end)
      Refuse(offset, "write this number without signs");
    const std::string_view digits = text_.substr(begin, end - begin);
    const bool zero = digits.find_first_not_of('0') == std::string_view::npos;
    return zero ? "0" : "-" + std::string(digits);
  }

  Syntax Column(const Json& body) const {
    std::vector<std::string> names;
    for (const Json& field : body.at("fields")) {
      if (!field.contains("String")) Refuse(Offset(body), "* has no meaning here: name a column");
      names.push_back(field["String"].value("sval", ""));
    }
    if (names.empty() || names.size() > 2) {
      Refuse(Offset(body),
             fmt::format("a column is written name or role.name, not {}", fmt::join(names, ".")));
    }
    Syntax syntax = Make(Kind::kColumn, names.back(), body);
    if (names.size() == 2) syntax.qualifier = names.front();
    return syntax;
  }

  Syntax Operator(const Json& body) {
    const std::string kind = body.at("kind");
    const std::string sign = LastName(body.at("name"));
    Syntax syntax = Make(Kind::kOperator, "", body);
    if (kind == "AEXPR_OP" || kind == "AEXPR_DISTINCT" || kind == "AEXPR_NOT_DISTINCT" ||
        kind == "AEXPR_NULLIF") {
      syntax.name = kind == "AEXPR_OP"         ? sign
                    : kind == "AEXPR_DISTINCT" ? "is distinct from"
                    : kind == "AEXPR_NULLIF"   ? "nullif"
                                               : "is not distinct from";
      if (kind == "AEXPR_NULLIF") syntax.kind = Kind::kFunction;
      if (body.contains("lexpr")) syntax.args.push_back(Read(body["lexpr"]));
      syntax.args.push_back(Read(body.at("rexpr")));
      return syntax;
    }
    if (kind == "AEXPR_LIKE" || kind == "AEXPR_ILIKE") {
      syntax.name =
          std::string(sign[0] == '!' ? "not " : "") + (kind == "AEXPR_LIKE" ? "like" : "ilike");
      syntax.args.push_back(Read(body.at("lexpr")));
      const Json& pattern = body.at("rexpr");
      // `like p escape e` arrives as like_escape(p, e).
      const bool has_escape = pattern.contains("FuncCall") &&
                              pattern["FuncCall"].at("funcname").size() == 2 &&
                              LastName(pattern["FuncCall"]["funcname"]) == "like_escape";
      if (has_escape) {
        ReadInto(syntax, pattern["FuncCall"].at("args"));
      } else {
        syntax.args.push_back(Read(pattern));
      }
      return syntax;
    }
    if (kind == "AEXPR_IN") {
      syntax.name = sign == "=" ? "in" : "not in";
    } else if (kind.starts_with("AEXPR_BETWEEN") || kind.starts_with("AEXPR_NOT_BETWEEN")) {
      syntax.name = sign;  // NOT BETWEEN SYMMETRIC
      std::transform(sign.begin(), sign.end(), syntax.name.begin(),
                     [](char c) { return c == ' ' ? c : static_cast<char>(c | 0x20); });
    } else {
      Refuse(syntax.offset, kind == "AEXPR_SIMILAR"
                                ? "similar to is not supported: write like"
                                : "any and all are not supported: write in (…)");
    }
    syntax.args.push_back(Read(body.at("lexpr")));
    ReadInto(syntax, body.at("rexpr").at("List").at("items"));
    return syntax;
  }

  Syntax Function(const Json& body) {
    const Json& names = body.at("funcname");
    Syntax syntax = Make(Kind::kFunction, LastName(names), body);
    // SQL's own syntax arrives as pg_catalog.extract and the like; nobody writes the schema.
    const bool sql_syntax = body.value("funcformat", "") == "COERCE_SQL_SYNTAX";
    if (names.size() > 1 && !(sql_syntax || LastName(names) == "like_escape")) {
      Refuse(syntax.offset, "functions have no schema here: write the name alone");
    }
    if (sql_syntax && syntax.name == "timezone") syntax.name = "at time zone";
    if (body.contains("over"))
      Refuse(syntax.offset,
             "window functions have no meaning here: an expression reads one row; declare a "
             "feature with windows");
    for (const char* key :
         {"agg_star", "agg_distinct", "agg_filter", "agg_order", "agg_within_group"}) {
      if (body.contains(key))
        Refuse(syntax.offset, fmt::format("{} is used as an aggregation: declare it as a feature; "
                                          "an expression reads one row",
                                          syntax.name));
    }
    if (body.contains("func_variadic")) Refuse(syntax.offset, "variadic is not supported");
    if (body.contains("args")) {
      for (const Json& arg : body["args"]) {
        if (arg.contains("NamedArgExpr"))
          Refuse(Offset(arg["NamedArgExpr"]), "arguments are given by place, not by name");
        syntax.args.push_back(Read(arg));
      }
    }
    return syntax;
  }

  Syntax Cast(const Json& body) {
    const Json& type = body.at("typeName");
    Syntax syntax = Make(Kind::kCast, LastName(type.at("names")), type);
    if (type.contains("typmods") || type.contains("arrayBounds") || type.contains("setof")) {
      Refuse(syntax.offset,
             fmt::format("types are written without lengths and bounds: {}", syntax.name));
    }
    syntax.args.push_back(Read(body.at("arg")));
    return syntax;
  }

  Syntax Case(const Json& body) {
    Syntax syntax = Make(Kind::kCase, "case", body);
    if (body.contains("arg")) {
      syntax.has_operand = true;
      syntax.args.push_back(Read(body["arg"]));
    }
    for (const Json& when : body.at("args")) {
      syntax.args.push_back(Read(when.at("CaseWhen").at("expr")));
      syntax.args.push_back(Read(when.at("CaseWhen").at("result")));
    }
    if (body.contains("defresult")) {
      syntax.args.push_back(Read(body["defresult"]));
    } else {
      syntax.args.push_back(Make(Kind::kNull, "null", body));
    }
    return syntax;
  }

  std::string_view text_;
  size_t nodes_ = 0;
  size_t depth_ = 0;
};

}  // namespace

std::variant<Syntax, ExpressionError> ParseSyntax(std::string_view text) {
  if (auto error = CheckText(text)) return *std::move(error);
  auto parsed = RunParser(text);
  if (auto* error = std::get_if<ExpressionError>(&parsed)) return std::move(*error);
  try {
    return Reader(text).ReadStatement(std::get<Json>(parsed));
  } catch (Refused& refused) {
    return std::move(refused.error);
  } catch (const Json::exception&) {
    return ExpressionError{0, "this form of SQL is not supported"};
  }
}

}  // namespace freshet::expr
