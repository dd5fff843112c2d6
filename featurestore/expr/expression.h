// SQL scalar expressions: `amount > 100 and category <> 'test'`, `spend_1h / nullif(spend_24h, 0)`. PostgreSQL's grammar
// (its own parser), types checked when compiled, evaluated without looking at names. docs/expressions.md has the language.
//
//   const std::vector<ExpressionColumn> scope = {{"", "amount", Type::kDouble}, {"sender", "sent_24h", Type::kInt64}};
//   auto compiled = Expression::Compile("amount / nullif(sender.sent_24h, 0)", scope);
//   if (const auto* error = std::get_if<ExpressionError>(&compiled)) …        // error->offset is a byte of the text
//   const Expression& ratio = std::get<Expression>(compiled);
//   const Evaluated result = ratio.Evaluate(values, scratch);                 // values[i] belongs to scope[i]
//
// A column is whatever the caller says: the fields of a source by index, then the derived ones; or a service's features,
// its inputs and `now`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "featurestore/base/arena.h"
#include "featurestore/model/value.h"

namespace freshet {

namespace expr {
struct Program;
}

// What an expression may read. A name alone means the column without a qualifier, else the only one so named.
struct ExpressionColumn {
  std::string qualifier;  // `sender` of sender.sent_24h; mostly empty
  std::string name;
  // A float reads as a double; bytes can be asked for null and compared for equality, no more.
  Type type = Type::kDouble;
};

// Why a text is no expression.
struct ExpressionError {
  size_t offset = 0;  // in bytes of the text, at most its size
  std::string message;
  // Where it is a column that is not in scope, its name as written, `sender.sent_24`. Which one was meant is the caller's to say: it
  // knows how many mistakes there are, and looking for the nearest of thousands of names takes its time.
  std::string unknown_column;
};

// Why an expression has no value for these columns. Not null: null is a value.
enum class EvaluationError : uint8_t {
  kNone = 0,
  kIntegerOverflow,
  kDoubleOverflow,
  kDivisionByZero,
  kBadCast,    // 'abc' as a number, 1e30 as an int64
  kDomain,     // ln(-1), sqrt(-1), a latitude of 100
  kTimeRange,  // before the year 1, after 9999
  kBadText,    // a negative length, split_part's field 0, an escape that escapes nothing
  kTooMuch,    // more than kMaxTextBytes of text made, or kMaxLikeSteps in one `like`
};
std::string_view EvaluationErrorText(EvaluationError error);  // "division by zero"

struct Evaluated {
  Value value;  // null beside an error
  EvaluationError error = EvaluationError::kNone;

  bool ok() const { return error == EvaluationError::kNone; }
};

// What one thread evaluates with: registers, and the texts that results are made of.
// Not thread-safe; serves any number of expressions.
class Scratch {
 public:
  // Texts of results so far are gone. Call once an event or a batch.
  void Clear() { texts_.Clear(); }

 private:
  friend class Expression;
  friend struct expr::Program;
  std::vector<Value> registers_;
  TextArena texts_;
};

// Immutable; evaluated by any number of threads at once, each with a Scratch of its own.
class Expression {
 public:
  // Bounds of what is compiled; beyond them is an ExpressionError, whatever the text.
  static constexpr size_t kMaxBytes = 10'000;
  static constexpr size_t kMaxDepth = 100;
  static constexpr size_t kMaxNodes = 1'000;
  // Bounds of one evaluation.
  static constexpr size_t kMaxTextBytes = size_t{1} << 20;
  static constexpr size_t kMaxLikeSteps = size_t{1} << 24;

  enum class Use : uint8_t {
    kValue,      // of any type that a field can have
    kCondition,  // bool: `where`
  };

  // Thread-safe; parses one text at a time. Nothing of `scope` is kept but indices.
  static std::variant<Expression, ExpressionError> Compile(std::string_view text,
                                                           std::span<const ExpressionColumn> scope,
                                                           Use use = Use::kValue);

  Expression(Expression&&) noexcept;
  Expression& operator=(Expression&&) noexcept;
  ~Expression();

  // kBool, kInt64, kDouble, kString or kTimestamp; of an expression that is one column and nothing else, also kBytes.
  Type type() const;
  // The expression written in one way: equal for texts that differ in white space, the case of words or needless
  // parentheses. For hashes of versions, and to evaluate equal expressions once.
  const std::string& normalized() const;
  // Indices in the scope of what it reads, ascending.
  std::span<const uint32_t> columns() const;

  // `columns` has a value for each column of the scope: null or of its type. Only those of columns() are read.
  // A text result lives in `columns`, in this expression or, until Clear, in `scratch`.
  Evaluated Evaluate(std::span<const Value> columns, Scratch& scratch) const;

 private:
  explicit Expression(std::unique_ptr<const expr::Program> program);
  std::unique_ptr<const expr::Program> program_;
};

}  // namespace freshet
