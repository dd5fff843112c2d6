#include "featurestore/expr/limits.h"

#include <fmt/format.h>

#include <algorithm>

#include "featurestore/base/utf8.h"

namespace freshet::expr {
namespace {

// PostgreSQL cuts longer names without a word (its NAMEDATALEN - 1).
constexpr size_t kMaxName = 63;
// A word, number, string or sign each. Its parser stacks one for each of `not not not …`, and prints the tree by recursion:
// 2,000 levels take less than 1 MiB of stack.
constexpr size_t kMaxTokens = 2'000;

bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (static_cast<unsigned char>(c) & 0x80U) != 0;
}
bool IsNamePart(char c) { return IsNameStart(c) || (c >= '0' && c <= '9'); }
bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

// A walk over the text's tokens: as little of SQL's lexer as these bounds need.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}

  std::optional<ExpressionError> Run() {
    while (!error_ && pos_ < text_.size()) {
      const char c = text_[pos_];
      if (IsSpace(c)) {
        ++pos_;
        continue;
      }
      if (++tokens_ > kMaxTokens) {
        Fail(pos_, fmt::format("the expression has more than {} words and signs", kMaxTokens));
      } else if (c == '\'' || c == '"') {
        Quoted(c);
      } else if (IsNameStart(c)) {
        Name();
      } else if (c >= '0' && c <= '9') {
        while (pos_ < text_.size() && (IsNamePart(text_[pos_]) || text_[pos_] == '.')) ++pos_;
      } else {
        Sign(c);
      }
    }
    if (!error_ && tokens_ == 0) Fail(0, "the expression is empty");
    return error_;
  }

 private:
  void Fail(size_t offset, std::string message) {
    error_ = ExpressionError{offset, std::move(message)};
  }
  bool Follows(char c) const { return pos_ + 1 < text_.size() && text_[pos_ + 1] == c; }

  void Quoted(char quote) {
    const size_t start = pos_++;
    while (pos_ < text_.size()) {
      if (text_[pos_] == quote && !Follows(quote)) break;
      pos_ += text_[pos_] == quote ? 2 : 1;
    }
    if (pos_ >= text_.size()) {
      Fail(start, fmt::format("this {} is never closed", quote));
      return;
    }
    if (quote == '"' && pos_ - start - 1 > kMaxName) Fail(start, LongName());
    ++pos_;
  }

  void Name() {
    const size_t start = pos_;
    while (pos_ < text_.size() && IsNamePart(text_[pos_])) ++pos_;
    if (pos_ - start > kMaxName) Fail(start, LongName());
    // E'…' has escapes of its own, U&'…' too: not worth a second lexer.
    const bool string_follows = pos_ < text_.size() && (text_[pos_] == '\'' || text_[pos_] == '&');
    if (pos_ - start == 1 && string_follows &&
        std::string_view("eEuUbBxXnN").find(text_[start]) != std::string_view::npos) {
      const bool is_string = text_[pos_] == '\'' || Follows('\'') || Follows('"');
      if (is_string) Fail(start, "write plain text in single quotes, without a letter before them");
    }
  }

  void Sign(char c) {
    switch (c) {
      case '(':
      case '[':
        if (++depth_ > Expression::kMaxDepth) {
          Fail(pos_, fmt::format("parentheses nest deeper than {}", Expression::kMaxDepth));
        }
        break;
      case ')':
      case ']':
        if (depth_ > 0) --depth_;
        break;
      case ';':
        Fail(pos_, "one expression is wanted, without ;");
        break;
      case '$':
        Fail(pos_,
             "$ begins parameters and $$text$$ of SQL, which have no meaning here: name a "
             "column, or write text in single quotes");
        break;
      case '\\':
        Fail(pos_, "\\ stands only inside of text in single quotes");
        break;
      case '-':
        if (Follows('-'))
          Fail(pos_, "-- begins a comment in SQL: put a space between the two signs");
        break;
      case '/':
        if (Follows('*')) Fail(pos_, "comments stand in YAML, not in an expression");
        break;
      case '\0':
        Fail(pos_, "a zero byte");
        break;
      default:
        break;
    }
    ++pos_;
  }

  static std::string LongName() {
    return fmt::format("this name is longer than {} bytes, where PostgreSQL's parser cuts it",
                       kMaxName);
  }

  std::string_view text_;
  size_t pos_ = 0;
  size_t tokens_ = 0;
  size_t depth_ = 0;
  std::optional<ExpressionError> error_;
};

}  // namespace

std::optional<ExpressionError> CheckText(std::string_view text) {
  if (text.size() > Expression::kMaxBytes) {
    return ExpressionError{0, fmt::format("the expression has {} bytes, more than {}", text.size(),
                                          Expression::kMaxBytes)};
  }
  if (const size_t at = FindInvalidUtf8(text); at != std::string_view::npos) {
    return ExpressionError{at, "not UTF-8"};
  }
  if (const size_t at = text.find('\0'); at != std::string_view::npos) {
    return ExpressionError{at, "a zero byte"};
  }
  return Walk(text).Run();
}

}  // namespace freshet::expr
