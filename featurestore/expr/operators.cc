#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "featurestore/expr/binder.h"
#include "featurestore/expr/literal.h"

namespace freshet::expr {
namespace {

Opcode Offset(Opcode base, Comparison comparison) {
  return static_cast<Opcode>(static_cast<uint16_t>(base) + static_cast<uint16_t>(comparison));
}

std::string ComparisonHint(const Node& a, const Node& b) {
  const auto either = [&](auto&& is) { return is(a) || is(b); };
  const bool number = either([](const Node& n) { return IsNumber(n.type); });
  const bool boolean = either([](const Node& n) { return n.type == ExprType::kBool; });
  const bool literal = either([](const Node& n) { return IsTextLiteral(n); });
  const bool text = either([](const Node& n) { return n.type == ExprType::kText; });
  const bool time = either([](const Node& n) { return n.type == ExprType::kTimestamp; });
  if (number && literal) return "write the number without quotes";
  if (boolean && literal) return "write true or false without quotes";
  if (number && text) return "cast(… as double) reads the text as a number";
  if (number && time) return "extract(epoch from …) makes seconds of a timestamp";
  if (time && text) return "cast(… as timestamp) reads the text as a time";
  return "both sides must be of one type";
}

// Both numbers after this; null takes the other's type. Refuses everything else with the operator's own words.
ExprType NumberOperands(Node& a, Node& b, const Syntax& syntax) {
  RefuseBytes(a);
  RefuseBytes(b);
  if (a.type == ExprType::kNull) a.type = b.type == ExprType::kNull ? ExprType::kInt64 : b.type;
  if (b.type == ExprType::kNull) b.type = a.type;
  if (IsNumber(a.type) && IsNumber(b.type)) {
    return a.type == b.type ? a.type : ExprType::kDouble;
  }
  std::string hint = ComparisonHint(a, b);
  const bool both_text = a.type == ExprType::kText && b.type == ExprType::kText;
  const bool time = a.type == ExprType::kTimestamp || b.type == ExprType::kTimestamp;
  const bool boolean = a.type == ExprType::kBool || b.type == ExprType::kBool;
  if (boolean) hint = "cast(… as int64) makes 1 and 0 of a condition";
  if (both_text)
    hint = syntax.name == "+" ? "|| joins text" : "cast(… as double) reads text as a number";
  if (time) {
    hint = "a timestamp takes + or - interval '…', or - another timestamp";
    // Beside + and - a text could be either, so nobody guesses.
    const Node& text = IsTextLiteral(a) ? a : b;
    std::string problem;
    if (IsTextLiteral(text) && ParseInterval(text.text, problem)) {
      hint = fmt::format("write interval '{}'", text.text);
    } else if (IsTextLiteral(text) && ParseTime(text.text)) {
      hint = fmt::format("write timestamp '{}'", text.text);
    }
  }
  Refuse(syntax.offset, fmt::format("{} wants two numbers, not {} and {}; {}", syntax.name,
                                    Describe(a), Describe(b), hint));
}

struct TimeForm {
  ExprType a;
  ExprType b;
  char sign;
  Opcode op;
  ExprType result;
};
constexpr TimeForm kTimeForms[] = {
    {ExprType::kTimestamp, ExprType::kInterval, '+', Opcode::kTimePlus, ExprType::kTimestamp},
    {ExprType::kInterval, ExprType::kTimestamp, '+', Opcode::kTimePlus, ExprType::kTimestamp},
    {ExprType::kTimestamp, ExprType::kInterval, '-', Opcode::kTimeMinus, ExprType::kTimestamp},
    {ExprType::kTimestamp, ExprType::kTimestamp, '-', Opcode::kTimeDifference, ExprType::kInterval},
    {ExprType::kInterval, ExprType::kInterval, '+', Opcode::kAddI, ExprType::kInterval},
    {ExprType::kInterval, ExprType::kInterval, '-', Opcode::kSubI, ExprType::kInterval},
};

// Of times and intervals; nullopt where neither operand is one.
std::optional<TimeForm> FindTimeForm(const Node& a, const Node& b, std::string_view sign) {
  const auto fits = [](const Node& node, ExprType type) {
    return node.type == type || node.type == ExprType::kNull;
  };
  if (a.type == ExprType::kNull && b.type == ExprType::kNull) return std::nullopt;
  for (const TimeForm& form : kTimeForms) {
    if (sign.size() == 1 && sign[0] == form.sign && fits(a, form.a) && fits(b, form.b)) return form;
  }
  return std::nullopt;
}

Node Pair(Opcode op, ExprType type, size_t offset, Node a, Node b) {
  std::vector<Node> args;
  args.push_back(std::move(a));
  args.push_back(std::move(b));
  return MakeOperation(op, type, offset, std::move(args));
}

Node Not(Node node, size_t offset) {
  std::vector<Node> args;
  args.push_back(std::move(node));
  return MakeOperation(Opcode::kNot, ExprType::kBool, offset, std::move(args));
}

Node Arithmetic(const Syntax& syntax, Node a, Node b) {
  const char sign = syntax.name[0];
  if (const auto form = FindTimeForm(a, b, syntax.name)) {
    a.type = form->a;
    b.type = form->b;
    return Pair(form->op, form->result, syntax.offset, std::move(a), std::move(b));
  }
  const bool whole = NumberOperands(a, b, syntax) == ExprType::kInt64;
  const auto make = [&](Opcode of_ints, Opcode of_doubles) {
    return Pair(whole ? of_ints : of_doubles, whole ? ExprType::kInt64 : ExprType::kDouble,
                syntax.offset, std::move(a), std::move(b));
  };
  switch (sign) {
    case '+':
      return make(Opcode::kAddI, Opcode::kAddD);
    case '-':
      return make(Opcode::kSubI, Opcode::kSubD);
    case '*':
      return make(Opcode::kMulI, Opcode::kMulD);
    case '%':
      return make(Opcode::kModI, Opcode::kModD);
    case '/':
      return Pair(Opcode::kDivD, ExprType::kDouble, syntax.offset, std::move(a), std::move(b));
    default: {
      std::vector<Node> args;
      args.push_back(std::move(a));
      args.push_back(std::move(b));
      return MakeCall(PowerKernel, ExprType::kDouble, syntax.offset, std::move(args));
    }
  }
}

Node Sign(const Syntax& syntax, Node a) {
  if (a.type == ExprType::kNull) a.type = ExprType::kInt64;
  const bool interval = a.type == ExprType::kInterval;
  if (!IsNumber(a.type) && !interval) {
    Refuse(syntax.offset, fmt::format("{} wants a number, not {}", syntax.name, Describe(a)));
  }
  if (syntax.name == "+") return a;
  const ExprType type = a.type;
  std::vector<Node> args;
  args.push_back(std::move(a));
  return MakeOperation(type == ExprType::kDouble ? Opcode::kNegD : Opcode::kNegI, type,
                       syntax.offset, std::move(args));
}

Node Join(const Syntax& syntax, Node a, Node b) {
  const auto is_text = [](const Node& n) {
    return n.type == ExprType::kText || n.type == ExprType::kNull;
  };
  if (!is_text(a) && !is_text(b)) {
    Refuse(syntax.offset,
           fmt::format("|| joins text, not {} and {}; cast one of them: cast(… as string)",
                       Describe(a), Describe(b)));
  }
  std::vector<Node> args;
  args.push_back(Convert(std::move(a), ExprType::kText, syntax.offset));
  args.push_back(Convert(std::move(b), ExprType::kText, syntax.offset));
  return MakeCall(ConcatKernel, ExprType::kText, syntax.offset, std::move(args));
}

std::optional<Comparison> FindComparison(std::string_view name) {
  if (name == "=") return Comparison::kEq;
  if (name == "<>") return Comparison::kNe;
  if (name == "<") return Comparison::kLt;
  if (name == "<=") return Comparison::kLe;
  if (name == ">") return Comparison::kGt;
  if (name == ">=") return Comparison::kGe;
  if (name == "is distinct from" || name == "is not distinct from") return Comparison::kDistinct;
  return std::nullopt;
}

}  // namespace

Opcode Compare(Comparison comparison, Node& a, Node& b, size_t offset) {
  const auto is_time = [](const Node& n) {
    return n.type == ExprType::kTimestamp || n.type == ExprType::kInterval;
  };
  if (is_time(a) && IsTextLiteral(b)) ReadLiteralAs(b, a.type);
  if (is_time(b) && IsTextLiteral(a)) ReadLiteralAs(a, b.type);
  const ExprType type = a.type == ExprType::kNull ? b.type : a.type;
  const ExprType other = b.type == ExprType::kNull ? a.type : b.type;
  const bool distinct = comparison == Comparison::kDistinct;
  if (IsNumber(type) && IsNumber(other)) {
    const bool whole = type == ExprType::kInt64 && other == ExprType::kInt64;
    if (distinct) return whole ? Opcode::kDistinctI : Opcode::kDistinctD;
    return Offset(whole ? Opcode::kEqI : Opcode::kEqD, comparison);
  }
  if (type != other) {
    Refuse(offset, fmt::format("cannot compare {} with {}; {}", Describe(a), Describe(b),
                               ComparisonHint(a, b)));
  }
  if (type == ExprType::kBytes && comparison != Comparison::kEq && comparison != Comparison::kNe &&
      !distinct) {
    RefuseBytes(a.type == ExprType::kBytes ? a : b);
  }
  if (type == ExprType::kText || type == ExprType::kBytes) {
    return distinct ? Opcode::kDistinctT : Offset(Opcode::kEqT, comparison);
  }
  return distinct ? Opcode::kDistinctI : Offset(Opcode::kEqI, comparison);
}

void Match(std::span<Node* const> nodes) {
  const auto refuse = [](const Node& here, const Node& before) {
    Refuse(here.offset, fmt::format("cannot compare {} with {}; {}", Describe(before),
                                    Describe(here), ComparisonHint(before, here)));
  };
  // What is written as text adapts, so the others decide.
  const Node* first = nullptr;
  for (const Node* node : nodes) {
    if (node->type == ExprType::kNull || IsTextLiteral(*node)) continue;
    if (first == nullptr) first = node;
    const bool alike = node->type == first->type || (IsNumber(node->type) && IsNumber(first->type));
    if (!alike) refuse(*node, *first);
  }
  if (first == nullptr || first->type == ExprType::kText) return;
  for (Node* node : nodes) {
    if (!IsTextLiteral(*node)) continue;
    if (first->type != ExprType::kTimestamp && first->type != ExprType::kInterval) {
      refuse(*node, *first);
    }
    ReadLiteralAs(*node, first->type);
  }
}

Node Binder::Operator(const Syntax& syntax) const {
  const std::string& name = syntax.name;
  if (name == "and" || name == "or" || name == "not") return Logic(syntax);
  if (name.starts_with("is ") && name.find("distinct") == std::string::npos) return Tests(syntax);
  if (name.ends_with("like")) return Matching(syntax);
  if (name == "in" || name == "not in") return Membership(syntax);
  if (name.find("between") != std::string::npos) return Range(syntax);

  std::vector<Node> args = BindAll(syntax);
  if (args.size() == 1 && (name == "+" || name == "-")) return Sign(syntax, std::move(args[0]));
  if (args.size() == 2) {
    if (const auto comparison = FindComparison(name)) {
      const Opcode op = Compare(*comparison, args[0], args[1], syntax.offset);
      Node node = MakeOperation(op, ExprType::kBool, syntax.offset, std::move(args));
      return name == "is not distinct from" ? Not(std::move(node), syntax.offset) : node;
    }
    if (name == "||") return Join(syntax, std::move(args[0]), std::move(args[1]));
    if (name.size() == 1 && std::string_view("+-*/%^").find(name[0]) != std::string_view::npos) {
      return Arithmetic(syntax, std::move(args[0]), std::move(args[1]));
    }
  }
  Refuse(syntax.offset,
         fmt::format(
             "there is no operator {}; there are + - * / % ^ || = <> < <= > >= and those in words",
             name));
}

Node Binder::Logic(const Syntax& syntax) const {
  Node node;
  node.kind = syntax.name == "and" ? Node::Kind::kAnd : Node::Kind::kOr;
  node.type = ExprType::kBool;
  node.offset = syntax.offset;
  node.args = BindAll(syntax);
  for (Node& arg : node.args) {
    if (arg.type == ExprType::kNull) arg.type = ExprType::kBool;
    if (arg.type == ExprType::kBool) continue;
    Refuse(arg.offset, fmt::format("{} wants conditions (bool), not {}; compare it with something",
                                   syntax.name, Describe(arg)));
  }
  if (syntax.name == "not") return Not(std::move(node.args[0]), syntax.offset);
  return node;
}

Node Binder::Tests(const Syntax& syntax) const {
  Node arg = Bind(syntax.args[0]);
  const std::string& name = syntax.name;
  const bool of_null = name == "is null" || name == "is not null" || name == "is unknown" ||
                       name == "is not unknown";
  const bool wants_bool = name != "is null" && name != "is not null";
  if (wants_bool && arg.type != ExprType::kBool && arg.type != ExprType::kNull) {
    Refuse(arg.offset, fmt::format("{} wants a condition (bool), not {}; compare it with something",
                                   name, Describe(arg)));
  }
  const bool negated = name.find(" not ") != std::string::npos;
  Opcode op = negated ? Opcode::kIsNotNull : Opcode::kIsNull;
  if (!of_null && name.ends_with("true")) op = negated ? Opcode::kIsNotTrue : Opcode::kIsTrue;
  if (!of_null && name.ends_with("false")) op = negated ? Opcode::kIsNotFalse : Opcode::kIsFalse;
  std::vector<Node> args;
  args.push_back(std::move(arg));
  return MakeOperation(op, ExprType::kBool, syntax.offset, std::move(args));
}

Node Binder::Matching(const Syntax& syntax) const {
  std::vector<Node> args = BindAll(syntax);
  for (Node& arg : args) {
    if (arg.type == ExprType::kNull) arg.type = ExprType::kText;
    if (arg.type == ExprType::kText) continue;
    RefuseBytes(arg);
    Refuse(arg.offset,
           fmt::format("{} matches string with string, not {}; cast(… as string) makes text of it",
                       syntax.name, Describe(arg)));
  }
  const bool folded = syntax.name.ends_with("ilike");
  Node node =
      MakeCall(folded ? ILikeKernel : LikeKernel, ExprType::kBool, syntax.offset, std::move(args));
  return syntax.name.starts_with("not ") ? Not(std::move(node), syntax.offset) : node;
}

Node Binder::Membership(const Syntax& syntax) const {
  Node node;
  node.kind = Node::Kind::kIn;
  node.type = ExprType::kBool;
  node.offset = syntax.offset;
  node.args = BindAll(syntax);
  Match(Pointers(node.args));
  for (size_t i = 1; i < node.args.size(); ++i) {
    node.ops.push_back(Compare(Comparison::kEq, node.args[0], node.args[i], node.args[i].offset));
  }
  return syntax.name == "not in" ? Not(std::move(node), syntax.offset) : node;
}

Node Binder::Range(const Syntax& syntax) const {
  Node node;
  node.kind = Node::Kind::kBetween;
  node.type = ExprType::kBool;
  node.offset = syntax.offset;
  node.symmetric = syntax.name.ends_with("symmetric");
  node.args = BindAll(syntax);
  Match(Pointers(node.args));
  for (size_t i = 1; i <= 2; ++i) {
    for (const Comparison comparison : {Comparison::kGe, Comparison::kLe}) {
      node.ops.push_back(Compare(comparison, node.args[0], node.args[i], node.args[i].offset));
    }
  }
  return syntax.name.starts_with("not ") ? Not(std::move(node), syntax.offset) : node;
}

}  // namespace freshet::expr
