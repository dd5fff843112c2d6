// Names to columns, operations to types: what is wrong with an expression is found here, at its place in the text.
#pragma once

#include <span>
#include <string>
#include <variant>
#include <vector>

#include "featurestore/expr/expression.h"
#include "featurestore/expr/node.h"
#include "featurestore/expr/syntax.h"

namespace freshet::expr {

// A binding that fails throws Refused, which BindSyntax catches.
struct Refused {
  ExpressionError error;
};
[[noreturn]] void Refuse(size_t offset, std::string message);

// The typed tree of a whole expression; operations on constants are done already.
std::variant<Node, ExpressionError> BindSyntax(const Syntax& syntax,
                                               std::span<const ExpressionColumn> scope,
                                               Expression::Use use);

// The recursive part: binder.cc has columns, constants, case and what an expression may be; operators.cc and functions.cc,
// casts.cc the rest.
class Binder {
 public:
  explicit Binder(std::span<const ExpressionColumn> scope) : scope_(scope) {}

  Node Bind(const Syntax& syntax) const;

 private:
  std::vector<Node> BindAll(const Syntax& syntax) const;
  Node Constant(const Syntax& syntax) const;
  Node Column(const Syntax& syntax) const;
  Node Case(const Syntax& syntax) const;
  Node Operator(const Syntax& syntax) const;
  Node Logic(const Syntax& syntax) const;
  Node Tests(const Syntax& syntax) const;
  Node Matching(const Syntax& syntax) const;
  Node Membership(const Syntax& syntax) const;
  Node Range(const Syntax& syntax) const;
  Node Function(const Syntax& syntax) const;
  Node Extract(const Syntax& syntax) const;
  Node Cast(const Syntax& syntax) const;

  std::span<const ExpressionColumn> scope_;
};

// --- shared by the parts -----------------------------------------------------------------------------------------

// On as many constants as arguments it is a constant itself, unless it fails, which then is the evaluation's to say.
Node MakeOperation(Opcode op, ExprType type, size_t offset, std::vector<Node> args);
Node MakeCall(Kernel kernel, ExprType type, size_t offset, std::vector<Node> args,
              bool strict = true);
Node Fold(Node node);
std::vector<Node*> Pointers(std::vector<Node>& nodes);

// Which of six: =, <>, <, <=, >, >=; and one for `is distinct from`.
enum class Comparison : uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kDistinct };
// The step that compares these two. A literal beside a time becomes one. Refuses at `offset` what does not compare.
Opcode Compare(Comparison comparison, Node& a, Node& b, size_t offset);
// What `in`, `between` and `case x when` compare one operand with: all of one kind afterwards, so that no comparison changes the
// operand under a step that was chosen before. A literal beside times becomes one. Refuses at the first that is of another kind.
void Match(std::span<Node* const> nodes);

// All of one type afterwards: the result of case, coalesce, greatest, least. `what` names them in the message.
ExprType Unify(std::span<Node* const> nodes, std::string_view what);

// Explicit and implicit conversion; refuses where there is none. `offset` is where the cast stands.
Node Convert(Node node, ExprType to, size_t offset);
bool IsTextLiteral(const Node& node);
// A text literal that stands for a time or an interval; refuses at its place where it is none.
void ReadLiteralAs(Node& node, ExprType type);

// Refuses bytes, which only compare for equality.
void RefuseBytes(const Node& node);
// "string 'abc'" or "double amount": an operand for a message.
std::string Describe(const Node& node);

}  // namespace freshet::expr
