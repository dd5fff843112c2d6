#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "featurestore/base/nearest.h"
#include "featurestore/base/utf8.h"
#include "featurestore/expr/binder.h"
#include "featurestore/expr/literal.h"

namespace freshet::expr {
namespace {

struct TypeWord {
  std::string_view name;
  ExprType type;
};
// Our names, and PostgreSQL's for the same. An int4 is an int64 here: what fits the larger is no error.
constexpr std::array<TypeWord, 19> kTypeWords = {{{"bool", ExprType::kBool},
                                                  {"boolean", ExprType::kBool},
                                                  {"int64", ExprType::kInt64},
                                                  {"bigint", ExprType::kInt64},
                                                  {"int8", ExprType::kInt64},
                                                  {"integer", ExprType::kInt64},
                                                  {"int", ExprType::kInt64},
                                                  {"int4", ExprType::kInt64},
                                                  {"double", ExprType::kDouble},
                                                  {"float8", ExprType::kDouble},
                                                  {"float", ExprType::kDouble},
                                                  {"string", ExprType::kText},
                                                  {"text", ExprType::kText},
                                                  {"varchar", ExprType::kText},
                                                  {"timestamp", ExprType::kTimestamp},
                                                  {"timestamptz", ExprType::kTimestamp},
                                                  {"interval", ExprType::kInterval},
                                                  {"float64", ExprType::kDouble},
                                                  {"long", ExprType::kInt64}}};

ExprType FindType(const Syntax& syntax) {
  for (const TypeWord& word : kTypeWords) {
    if (word.name == syntax.name) return word.type;
  }
  std::string hint;
  if (syntax.name == "numeric") hint = "; there is no exact decimal here: write double";
  if (syntax.name == "float4") hint = "; write double";
  if (syntax.name == "int2") hint = "; write int64";
  if (syntax.name == "date" || syntax.name == "time" || syntax.name == "timetz")
    hint = "; write timestamp";
  if (syntax.name == "bpchar") hint = "; write string";
  if (hint.empty()) {
    const std::vector<std::string> valid = {"bool",   "int64",     "double",
                                            "string", "timestamp", "interval"};
    hint = Suggestion(syntax.name, valid);
  }
  Refuse(syntax.offset, fmt::format("unknown type {}{}", syntax.name, hint));
}

Node Constant(const Node& from, ExprType type, Value value) {
  Node node;
  node.type = type;
  node.offset = from.offset;
  node.value = value;
  return node;
}

// What a written literal means as another type, or why it means nothing.
Node CastLiteral(const Node& node, ExprType to) {
  const std::string_view text = node.text;
  const auto bad = [&](std::string_view form) {
    Refuse(node.offset, fmt::format("'{}' is no {}; {}", Shortened(text, 60), Name(to), form));
  };
  switch (to) {
    case ExprType::kBool:
      if (const auto value = ParseBool(text)) return Constant(node, to, Value::Bool(*value));
      bad("write true or false");
      break;
    case ExprType::kInt64:
      if (const auto value = ParseInt64(text)) return Constant(node, to, Value::Int64(*value));
      bad("write digits, at most 19");
      break;
    case ExprType::kDouble:
      if (const auto value = ParseDouble(text)) return Constant(node, to, Value::Double(*value));
      bad("write a finite decimal number");
      break;
    default: {
      Node read = node;
      ReadLiteralAs(read, to);
      return read;
    }
  }
  return node;
}

// The step or call that makes one type of another; neither: there is none.
struct Conversion {
  ExprType from;
  ExprType to;
  Opcode op;
  Kernel kernel;
};
constexpr std::array<Conversion, 12> kConversions = {{
    {ExprType::kInt64, ExprType::kDouble, Opcode::kIntToDouble, nullptr},
    {ExprType::kDouble, ExprType::kInt64, Opcode::kDoubleToInt, nullptr},
    {ExprType::kBool, ExprType::kInt64, Opcode::kBoolToInt, nullptr},
    {ExprType::kInt64, ExprType::kBool, Opcode::kIntToBool, nullptr},
    {ExprType::kBool, ExprType::kText, Opcode::kCall, BoolToTextKernel},
    {ExprType::kInt64, ExprType::kText, Opcode::kCall, IntToTextKernel},
    {ExprType::kDouble, ExprType::kText, Opcode::kCall, DoubleToTextKernel},
    {ExprType::kTimestamp, ExprType::kText, Opcode::kCall, TimeToTextKernel},
    {ExprType::kText, ExprType::kBool, Opcode::kCall, TextToBoolKernel},
    {ExprType::kText, ExprType::kInt64, Opcode::kCall, TextToIntKernel},
    {ExprType::kText, ExprType::kDouble, Opcode::kCall, TextToDoubleKernel},
    {ExprType::kText, ExprType::kTimestamp, Opcode::kCall, TextToTimeKernel},
}};

std::string_view CastHint(ExprType from, ExprType to) {
  if (from == ExprType::kTimestamp && IsNumber(to))
    return "; extract(epoch from …) makes seconds of it";
  if (from == ExprType::kInterval) return "; extract(epoch from …) makes seconds of it";
  if (to == ExprType::kTimestamp && IsNumber(from))
    return "; declare the field as a timestamp with its unit";
  if (to == ExprType::kInterval) return "; write interval '1 hour'";
  if (to == ExprType::kBool || from == ExprType::kBool)
    return "; write case when … then … end, or compare it with something";
  return "";
}

}  // namespace

void ReadLiteralAs(Node& node, ExprType type) {
  if (type == ExprType::kTimestamp) {
    const auto time = ParseTime(node.text);
    if (!time) {
      Refuse(node.offset,
             fmt::format("'{}' is no timestamp; write '2013-01-01', '2013-01-01 10:15:00' (UTC) or "
                         "'2013-01-01T10:15:00+01:00'",
                         Shortened(node.text, 60)));
    }
    node = Constant(node, type, Value::Time(*time));
  } else if (type == ExprType::kInterval) {
    std::string problem;
    const auto interval = ParseInterval(node.text, problem);
    if (!interval) Refuse(node.offset, problem);
    node = Constant(node, type, Value::Int64(interval->us));
  }
}

Node Convert(Node node, ExprType to, size_t offset) {
  RefuseBytes(node);
  if (node.type == to) return node;
  if (node.type == ExprType::kNull) {
    node.type = to;
    return node;
  }
  if (IsTextLiteral(node)) return CastLiteral(node, to);
  for (const Conversion& conversion : kConversions) {
    if (conversion.from != node.type || conversion.to != to) continue;
    std::vector<Node> args;
    args.push_back(std::move(node));
    if (conversion.kernel != nullptr)
      return MakeCall(conversion.kernel, to, offset, std::move(args));
    return MakeOperation(conversion.op, to, offset, std::move(args));
  }
  Refuse(offset, fmt::format("{} cannot be cast to {}{}", Describe(node), Name(to),
                             CastHint(node.type, to)));
}

Node Binder::Cast(const Syntax& syntax) const {
  const ExprType to = FindType(syntax);
  Node node = Convert(Bind(syntax.args[0]), to, syntax.offset);
  // `'a'::text` is text for good, not a literal that may still become a time.
  node.from_literal = false;
  return node;
}

}  // namespace freshet::expr
