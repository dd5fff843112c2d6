#include "featurestore/expr/binder.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "featurestore/base/utf8.h"
#include "featurestore/expr/compiler.h"
#include "featurestore/expr/literal.h"

namespace freshet::expr {

void Refuse(size_t offset, std::string message) {
  throw Refused{ExpressionError{offset, std::move(message), {}}};
}

std::string_view Name(ExprType type) {
  switch (type) {
    case ExprType::kNull:
      return "null";
    case ExprType::kBool:
      return "bool";
    case ExprType::kInt64:
      return "int64";
    case ExprType::kDouble:
      return "double";
    case ExprType::kText:
      return "string";
    case ExprType::kBytes:
      return "bytes";
    case ExprType::kTimestamp:
      return "timestamp";
    case ExprType::kInterval:
      return "interval";
  }
  return "";
}

ExprType FromType(Type type) {
  switch (type) {
    case Type::kBool:
      return ExprType::kBool;
    case Type::kInt64:
      return ExprType::kInt64;
    case Type::kDouble:
    case Type::kFloat:
      return ExprType::kDouble;
    case Type::kString:
      return ExprType::kText;
    case Type::kBytes:
      return ExprType::kBytes;
    case Type::kTimestamp:
      return ExprType::kTimestamp;
  }
  return ExprType::kNull;
}

std::string Describe(const Node& node) {
  if (!node.from_literal || node.type == ExprType::kNull) return std::string(Name(node.type));
  if (node.type == ExprType::kText) {
    return fmt::format("string '{}'", Shortened(node.text, 40));
  }
  return std::string(Name(node.type));
}

bool IsTextLiteral(const Node& node) { return node.from_literal && node.type == ExprType::kText; }

void RefuseBytes(const Node& node) {
  if (node.type != ExprType::kBytes) return;
  Refuse(node.offset,
         "bytes can be asked for null and compared by = and <>, no more; declare the field as "
         "string if it is text");
}

Node Fold(Node node) {
  const bool constant = std::all_of(node.args.begin(), node.args.end(), [](const Node& arg) {
    return arg.kind == Node::Kind::kConstant;
  });
  if (!constant) return node;
  Program program;
  CompileInto(node, program);
  Scratch scratch;
  const Evaluated result = program.Run(nullptr, scratch);
  if (!result.ok()) return node;
  Node folded;
  folded.type = node.type;
  folded.offset = node.offset;
  folded.value = result.value;
  if (result.value.kind() == Value::Kind::kText) folded.text = result.value.as_text();
  return folded;
}

std::vector<Node*> Pointers(std::vector<Node>& nodes) {
  std::vector<Node*> pointers;
  pointers.reserve(nodes.size());
  for (Node& node : nodes) pointers.push_back(&node);
  return pointers;
}

Node MakeOperation(Opcode op, ExprType type, size_t offset, std::vector<Node> args) {
  Node node;
  node.kind = Node::Kind::kOperation;
  node.type = type;
  node.offset = offset;
  node.op = op;
  node.args = std::move(args);
  return Fold(std::move(node));
}

Node MakeCall(Kernel kernel, ExprType type, size_t offset, std::vector<Node> args, bool strict) {
  Node node;
  node.kind = Node::Kind::kCall;
  node.type = type;
  node.offset = offset;
  node.kernel = kernel;
  node.strict = strict;
  node.args = std::move(args);
  return Fold(std::move(node));
}

Node Binder::Bind(const Syntax& syntax) const {
  switch (syntax.kind) {
    case Syntax::Kind::kColumn:
      return Column(syntax);
    case Syntax::Kind::kOperator:
      return Operator(syntax);
    case Syntax::Kind::kFunction:
      return Function(syntax);
    case Syntax::Kind::kCast:
      return Cast(syntax);
    case Syntax::Kind::kCase:
      return Case(syntax);
    default:
      return Constant(syntax);
  }
}

std::vector<Node> Binder::BindAll(const Syntax& syntax) const {
  std::vector<Node> nodes;
  nodes.reserve(syntax.args.size());
  for (const Syntax& arg : syntax.args) nodes.push_back(Bind(arg));
  return nodes;
}

Node Binder::Constant(const Syntax& syntax) const {
  Node node;
  node.offset = syntax.offset;
  node.from_literal = true;
  switch (syntax.kind) {
    case Syntax::Kind::kBool:
      node.type = ExprType::kBool;
      node.value = Value::Bool(syntax.name == "true");
      break;
    case Syntax::Kind::kInteger: {
      const auto value = ParseInt64(syntax.name);
      if (!value)
        Refuse(syntax.offset, fmt::format("{} does not fit an int64; write {}.0 for a double",
                                          syntax.name, syntax.name));
      node.type = ExprType::kInt64;
      node.value = Value::Int64(*value);
      break;
    }
    case Syntax::Kind::kDecimal: {
      const auto value = ParseDouble(syntax.name);
      if (!value) Refuse(syntax.offset, fmt::format("{} does not fit a double", syntax.name));
      node.type = ExprType::kDouble;
      node.value = Value::Double(*value);
      break;
    }
    case Syntax::Kind::kString:
      node.type = ExprType::kText;
      node.text = syntax.name;
      node.value = Value::Text(node.text);
      break;
    default:
      break;
  }
  return node;
}

Node Binder::Column(const Syntax& syntax) const {
  Node node;
  node.kind = Node::Kind::kColumn;
  node.offset = syntax.offset;
  std::vector<uint32_t> found;
  for (uint32_t i = 0; i < scope_.size(); ++i) {
    const ExpressionColumn& column = scope_[i];
    if (column.name != syntax.name) continue;
    if (!syntax.qualifier.empty() && column.qualifier != syntax.qualifier) continue;
    if (column.qualifier == syntax.qualifier) {
      found = {i};
      break;
    }
    found.push_back(i);
  }
  const auto whole = [](std::string_view qualifier, std::string_view name) {
    return qualifier.empty() ? std::string(name) : fmt::format("{}.{}", qualifier, name);
  };
  if (found.size() == 1) {
    node.column = found[0];
    if (!IsScalar(scope_[found[0]].type)) {
      Refuse(syntax.offset, fmt::format("{} is a list, which expressions cannot read yet",
                                        whole(syntax.qualifier, syntax.name)));
    }
    node.type = FromType(scope_[found[0]].type);
    return node;
  }
  if (found.size() > 1) {
    std::vector<std::string> names;
    for (const uint32_t i : found) names.push_back(whole(scope_[i].qualifier, scope_[i].name));
    Refuse(syntax.offset,
           fmt::format("{} could be {}: write which", syntax.name, fmt::join(names, " or ")));
  }
  const std::string name = whole(syntax.qualifier, syntax.name);
  const bool like_text = std::any_of(syntax.name.begin(), syntax.name.end(), [](char c) {
    return !((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
  });
  throw Refused{
      {syntax.offset,
       fmt::format(
           "unknown column {}{}", name,
           like_text ? fmt::format("; text stands in single quotes: '{}'", syntax.name) : ""),
       name}};
}

ExprType Unify(std::span<Node* const> nodes, std::string_view what) {
  ExprType type = ExprType::kNull;
  for (const Node* node : nodes) {
    RefuseBytes(*node);
    // A literal takes the type of a time beside it.
    if (node->type == ExprType::kTimestamp || node->type == ExprType::kInterval) type = node->type;
  }
  if (type != ExprType::kNull) {
    for (Node* node : nodes) {
      if (IsTextLiteral(*node)) ReadLiteralAs(*node, type);
    }
  }
  const Node* first = nullptr;
  type = ExprType::kNull;
  for (const Node* node : nodes) {
    if (node->type == ExprType::kNull || node->type == type) continue;
    if (type == ExprType::kNull) {
      type = node->type;
      first = node;
    } else if (IsNumber(type) && IsNumber(node->type)) {
      type = ExprType::kDouble;
    } else {
      Refuse(node->offset,
             fmt::format("{} must be of one type: here is {}, before it {}; cast one of them", what,
                         Describe(*node), Describe(*first)));
    }
  }
  for (Node* node : nodes) {
    if (node->type == ExprType::kNull) {
      node->type = type;
    } else if (node->type != type) {
      const size_t offset = node->offset;
      *node = MakeOperation(Opcode::kIntToDouble, ExprType::kDouble, offset, {std::move(*node)});
    }
  }
  return type;
}

Node Binder::Case(const Syntax& syntax) const {
  Node node;
  node.kind = Node::Kind::kCase;
  node.offset = syntax.offset;
  node.has_operand = syntax.has_operand;
  node.args = BindAll(syntax);
  const size_t begin = node.has_operand ? 1 : 0;
  if (node.has_operand) {
    std::vector<Node*> compared = {&node.args[0]};
    for (size_t i = begin; i + 1 < node.args.size(); i += 2) compared.push_back(&node.args[i]);
    Match(compared);
  }
  std::vector<Node*> results;
  for (size_t i = begin; i + 1 < node.args.size(); i += 2) {
    Node& when = node.args[i];
    if (node.has_operand) {
      node.ops.push_back(Compare(Comparison::kEq, node.args[0], when, when.offset));
    } else if (when.type != ExprType::kBool && when.type != ExprType::kNull) {
      Refuse(when.offset,
             fmt::format("when wants a condition (bool), not {}; compare it with something",
                         Describe(when)));
    }
    results.push_back(&node.args[i + 1]);
  }
  results.push_back(&node.args.back());
  node.type = Unify(results, "the results of case");
  return node;
}

std::variant<Node, ExpressionError> BindSyntax(const Syntax& syntax,
                                               std::span<const ExpressionColumn> scope,
                                               Expression::Use use) {
  try {
    Node node = Binder(scope).Bind(syntax);
    if (use == Expression::Use::kCondition) {
      if (node.type == ExprType::kNull) node.type = ExprType::kBool;
      if (node.type != ExprType::kBool) {
        Refuse(node.offset,
               fmt::format("a condition is wanted (bool), not {}; compare it with something",
                           Describe(node)));
      }
    }
    if (node.type == ExprType::kNull) {
      Refuse(node.offset,
             "this is always null and has no type; write cast(null as double) if that is meant");
    }
    if (node.type == ExprType::kInterval) {
      Refuse(node.offset,
             "the result is an interval, which no field holds; extract(epoch from …) makes it a "
             "number of seconds");
    }
    if (node.kind != Node::Kind::kColumn) RefuseBytes(node);
    return node;
  } catch (Refused& refused) {
    return std::move(refused.error);
  }
}

}  // namespace freshet::expr
