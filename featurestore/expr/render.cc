#include <algorithm>

#include "featurestore/expr/syntax.h"

namespace freshet::expr {
namespace {

using Kind = Syntax::Kind;

void AppendQuoted(char quote, std::string_view text, std::string& out) {
  out.push_back(quote);
  for (const char c : text) {
    if (c == quote) out.push_back(c);
    out.push_back(c);
  }
  out.push_back(quote);
}

void AppendName(std::string_view name, std::string& out) {
  // The only words that stand alone without being a column's name; what else is a word of SQL is followed by its operands here, so
  // that a column called `order` keeps the form, and its views the version, that they always had.
  const bool literal = name == "true" || name == "false" || name == "null";
  const bool plain = !literal && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  plain ? void(out.append(name)) : AppendQuoted('"', name, out);
}

void Append(const Syntax& syntax, std::string& out) {
  switch (syntax.kind) {
    case Kind::kNull:
    case Kind::kBool:
    case Kind::kInteger:
      out += syntax.name;
      return;
    case Kind::kDecimal:
      // A digit more, 1E3 for 1e3: the same number in other words is another text. That costs a rebuild, no wrong value.
      for (const char c : syntax.name) out.push_back(c == 'E' ? 'e' : c);
      return;
    case Kind::kString:
      AppendQuoted('\'', syntax.name, out);
      return;
    case Kind::kColumn:
      if (!syntax.qualifier.empty()) {
        AppendName(syntax.qualifier, out);
        out.push_back('.');
      }
      AppendName(syntax.name, out);
      return;
    default:
      break;
  }
  // name(a, b), also for operators: unambiguous and short to say.
  out += syntax.kind == Kind::kCast ? "cast " : "";
  out += syntax.name;
  out += syntax.has_operand ? " of(" : "(";
  for (size_t i = 0; i < syntax.args.size(); ++i) {
    if (i > 0) out += ", ";
    Append(syntax.args[i], out);
  }
  out.push_back(')');
}

}  // namespace

std::string Render(const Syntax& syntax) {
  std::string out;
  Append(syntax, out);
  return out;
}

}  // namespace freshet::expr
