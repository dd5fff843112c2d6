#include <algorithm>
#include <cstring>
#include <limits>
#include <string>

#include "featurestore/expr/kernels.h"
#include "featurestore/expr/unicode_case.h"
#include "featurestore/expr/utf8.h"

namespace freshet::expr {
namespace {

using Error = EvaluationError;

// Counts what the evaluation makes, so that no expression makes a gigabyte of a megabyte.
bool Fits(size_t bytes, CallContext& context) {
  context.text_bytes += bytes;
  context.steps += bytes;
  return context.text_bytes <= Expression::kMaxTextBytes;
}

Error Keep(std::string_view text, CallContext& context, Value& result) {
  if (!Fits(text.size(), context)) return Error::kTooMuch;
  result = Value::Text(context.texts.Copy(text));
  return Error::kNone;
}

template <typename Map>
Error MapCharacters(std::string_view text, CallContext& context, Value& result, Map map) {
  // Reused by the thread, so that only the result is allocated, in the arena.
  thread_local std::string mapped;
  mapped.clear();
  if (text.size() > Expression::kMaxTextBytes) return Error::kTooMuch;
  for (size_t i = 0; i < text.size();) {
    const size_t length = CharacterBytes(text, i);
    AppendCharacter(map(CharacterAt(text, i, length)), mapped);
    i += length;
  }
  return Keep(mapped, context, result);
}

int64_t CountCharacters(std::string_view text) {
  int64_t count = 0;
  for (size_t i = 0; i < text.size(); i += CharacterBytes(text, i)) ++count;
  return count;
}

// Where the character of that number (from 0) begins, or the text's end.
size_t CharacterStart(std::string_view text, int64_t number) {
  size_t i = 0;
  while (i < text.size() && number-- > 0) i += CharacterBytes(text, i);
  return i;
}

}  // namespace

Error LowerKernel(const Value* args, size_t, CallContext& context, Value& result) {
  return MapCharacters(args[0].as_text(), context, result, ToLower);
}

Error UpperKernel(const Value* args, size_t, CallContext& context, Value& result) {
  return MapCharacters(args[0].as_text(), context, result, ToUpper);
}

Error LengthKernel(const Value* args, size_t, CallContext&, Value& result) {
  result = Value::Int64(CountCharacters(args[0].as_text()));
  return Error::kNone;
}

// substring(text, start[, count]): characters from 1; what lies before the first is cut off, as PostgreSQL does.
Error SubstringKernel(const Value* args, size_t count, CallContext&, Value& result) {
  const std::string_view text = args[0].as_text();
  const int64_t start = args[1].as_int64();
  int64_t end = std::numeric_limits<int64_t>::max();
  if (count > 2) {
    if (args[2].as_int64() < 0) return Error::kBadText;
    if (__builtin_add_overflow(start, args[2].as_int64(), &end))
      end = std::numeric_limits<int64_t>::max();
  }
  const int64_t first = std::max<int64_t>(start, 1);
  if (end <= first) {
    result = Value::Text({});
    return Error::kNone;
  }
  const size_t from = CharacterStart(text, first - 1);
  const std::string_view rest = text.substr(from);
  result = Value::Text(rest.substr(0, CharacterStart(rest, end - first)));
  return Error::kNone;
}

// Of `concat`: nulls are left out. Of `||`: the call is strict, so none is null.
Error ConcatKernel(const Value* args, size_t count, CallContext& context, Value& result) {
  size_t size = 0;
  for (size_t i = 0; i < count; ++i) size += args[i].is_null() ? 0 : args[i].as_text().size();
  if (!Fits(size, context)) return Error::kTooMuch;
  thread_local std::string joined;
  joined.clear();
  for (size_t i = 0; i < count; ++i) {
    if (!args[i].is_null()) joined += args[i].as_text();
  }
  result = Value::Text(context.texts.Copy(joined));
  return Error::kNone;
}

Error StartsWithKernel(const Value* args, size_t, CallContext&, Value& result) {
  result = Value::Bool(args[0].as_text().starts_with(args[1].as_text()));
  return Error::kNone;
}

Error SplitPartKernel(const Value* args, size_t, CallContext& context, Value& result) {
  const std::string_view text = args[0].as_text();
  const std::string_view delimiter = args[1].as_text();
  int64_t number = args[2].as_int64();
  if (number == 0) return Error::kBadText;
  result = Value::Text({});
  if (delimiter.empty()) {
    if (number == 1 || number == -1) result = Value::Text(text);
    return Error::kNone;
  }
  if (number > 0) {
    size_t begin = 0;
    while (true) {
      const size_t end = text.find(delimiter, begin);
      if (--number == 0) {
        result = Value::Text(text.substr(begin, end == std::string_view::npos ? end : end - begin));
        return Error::kNone;
      }
      if (end == std::string_view::npos) return Error::kNone;
      begin = end + delimiter.size();
    }
  }
  // From the end: fields are split from the beginning all the same ('aaa' by 'aa' is '' and 'a').
  int64_t fields = 1;
  for (size_t at = text.find(delimiter); at != std::string_view::npos;
       at = text.find(delimiter, at + delimiter.size())) {
    ++fields;
  }
  if (number < -fields) return Error::kNone;
  const Value forward[3] = {args[0], args[1], Value::Int64(fields + number + 1)};
  return SplitPartKernel(forward, 3, context, result);
}

namespace {

// A text against a pattern of `like`, without recursion: after a mismatch the last % takes one character more.
template <bool kFold>
class LikeMatch {
 public:
  LikeMatch(std::string_view text, std::string_view pattern, std::string_view escape)
      : text_(text), pattern_(pattern), escape_(escape) {}

  // An escape at the pattern's end escapes nothing.
  bool IsValid() const {
    if (escape_.empty()) return true;
    for (size_t p = 0; p < pattern_.size();) {
      if (IsEscape(p)) {
        p += escape_.size();
        if (p >= pattern_.size()) return false;
      }
      p += CharacterBytes(pattern_, p);
    }
    return true;
  }

  // All of an evaluation's `like`s share its steps.
  Error Run(CallContext& context, bool& matches) {
    const size_t before = context.like_steps;
    const Error error = Match(context.like_steps, matches);
    context.steps += context.like_steps - before;
    return error;
  }

 private:
  Error Match(size_t& steps, bool& matches) {
    constexpr size_t kNone = std::string_view::npos;
    size_t t = 0;
    size_t p = 0;
    size_t after_percent = kNone;
    size_t percent_text = 0;
    while (t < text_.size()) {
      if (++steps > Expression::kMaxLikeSteps) return Error::kTooMuch;
      if (p < pattern_.size() && pattern_[p] == '%' && !IsEscape(p)) {
        after_percent = ++p;
        percent_text = t;
        if (p == pattern_.size()) break;  // what is left of the text is the %'s
        continue;
      }
      if (p < pattern_.size() && MatchOne(t, p)) continue;
      if (after_percent == kNone) {
        matches = false;
        return Error::kNone;
      }
      percent_text += CharacterBytes(text_, percent_text);
      t = percent_text;
      p = after_percent;
    }
    while (p < pattern_.size() && pattern_[p] == '%' && !IsEscape(p)) ++p;
    matches = p == pattern_.size();
    return Error::kNone;
  }

  bool IsEscape(size_t p) const {
    return !escape_.empty() && pattern_.substr(p, escape_.size()) == escape_;
  }

  // Moves both on where the pattern's next character stands for the text's.
  bool MatchOne(size_t& t, size_t& p) const {
    const size_t text_bytes = CharacterBytes(text_, t);
    size_t at = p;
    if (IsEscape(at)) {
      at += escape_.size();
    } else if (pattern_[at] == '_') {
      t += text_bytes;
      p = at + 1;
      return true;
    }
    const size_t pattern_bytes = CharacterBytes(pattern_, at);
    if constexpr (kFold) {
      if (ToLower(CharacterAt(text_, t, text_bytes)) !=
          ToLower(CharacterAt(pattern_, at, pattern_bytes))) {
        return false;
      }
    } else if (text_bytes != pattern_bytes ||
               std::memcmp(text_.data() + t, pattern_.data() + at, text_bytes) != 0) {
      return false;
    }
    t += text_bytes;
    p = at + pattern_bytes;
    return true;
  }

  std::string_view text_;
  std::string_view pattern_;
  std::string_view escape_;
};

template <bool kFold>
Error Like(const Value* args, size_t count, CallContext& context, Value& result) {
  const std::string_view escape = count > 2 ? args[2].as_text() : std::string_view("\\");
  if (!escape.empty() && CharacterBytes(escape, 0) != escape.size()) return Error::kBadText;
  LikeMatch<kFold> match(args[0].as_text(), args[1].as_text(), escape);
  if (!match.IsValid()) return Error::kBadText;
  bool matches = false;
  const Error error = match.Run(context, matches);
  result = Value::Bool(matches);
  return error;
}

}  // namespace

Error LikeKernel(const Value* args, size_t count, CallContext& context, Value& result) {
  return Like<false>(args, count, context, result);
}

Error ILikeKernel(const Value* args, size_t count, CallContext& context, Value& result) {
  return Like<true>(args, count, context, result);
}

}  // namespace freshet::expr
