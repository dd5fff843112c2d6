#include "featurestore/expr/expression.h"

#include <algorithm>
#include <utility>

#include "featurestore/expr/binder.h"
#include "featurestore/expr/compiler.h"
#include "featurestore/expr/program.h"
#include "featurestore/expr/syntax.h"

namespace freshet {
namespace {

using expr::ExprType;
using expr::Node;
using expr::Program;

Type ToType(ExprType type) {
  switch (type) {
    case ExprType::kBool:
      return Type::kBool;
    case ExprType::kInt64:
      return Type::kInt64;
    case ExprType::kText:
      return Type::kString;
    case ExprType::kBytes:
      return Type::kBytes;
    case ExprType::kTimestamp:
      return Type::kTimestamp;
    default:
      return Type::kDouble;
  }
}

void CollectColumns(const Node& node, std::vector<uint32_t>& columns) {
  if (node.kind == Node::Kind::kColumn) columns.push_back(node.column);
  for (const Node& arg : node.args) CollectColumns(arg, columns);
}

}  // namespace

std::string_view EvaluationErrorText(EvaluationError error) {
  switch (error) {
    case EvaluationError::kNone:
      return "no error";
    case EvaluationError::kIntegerOverflow:
      return "int64 overflow";
    case EvaluationError::kDoubleOverflow:
      return "double overflow";
    case EvaluationError::kDivisionByZero:
      return "division by zero";
    case EvaluationError::kBadCast:
      return "bad cast";
    case EvaluationError::kDomain:
      return "argument out of the function's domain";
    case EvaluationError::kTimeRange:
      return "timestamp out of range";
    case EvaluationError::kBadText:
      return "bad argument of a text function";
    case EvaluationError::kTooMuch:
      return "too much text";
  }
  return "";
}

std::variant<Expression, ExpressionError> Expression::Compile(
    std::string_view text, std::span<const ExpressionColumn> scope, Use use) {
  auto syntax = expr::ParseSyntax(text);
  if (auto* error = std::get_if<ExpressionError>(&syntax)) return std::move(*error);
  auto bound = expr::BindSyntax(std::get<expr::Syntax>(syntax), scope, use);
  if (auto* error = std::get_if<ExpressionError>(&bound)) {
    error->offset = std::min(error->offset, text.size());
    return std::move(*error);
  }
  const Node& node = std::get<Node>(bound);
  auto program = std::make_unique<Program>();
  expr::CompileInto(node, *program);
  program->type = ToType(node.type);
  program->normalized = expr::Render(std::get<expr::Syntax>(syntax));
  CollectColumns(node, program->columns);
  std::sort(program->columns.begin(), program->columns.end());
  program->columns.erase(std::unique(program->columns.begin(), program->columns.end()),
                         program->columns.end());
  return Expression(std::move(program));
}

Expression::Expression(std::unique_ptr<const Program> program) : program_(std::move(program)) {}
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;
Expression::~Expression() = default;

Type Expression::type() const { return program_->type; }
const std::string& Expression::normalized() const { return program_->normalized; }
std::span<const uint32_t> Expression::columns() const { return program_->columns; }

Evaluated Expression::Evaluate(std::span<const Value> columns, Scratch& scratch) const {
  return program_->Run(columns.data(), scratch);
}

}  // namespace freshet
