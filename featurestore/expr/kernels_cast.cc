#include <charconv>

#include "featurestore/base/time.h"
#include "featurestore/expr/kernels.h"
#include "featurestore/expr/literal.h"

namespace freshet::expr {
namespace {

using Error = EvaluationError;

Error Keep(std::string_view text, CallContext& context, Value& result) {
  context.text_bytes += text.size();
  if (context.text_bytes > Expression::kMaxTextBytes) return Error::kTooMuch;
  result = Value::Text(context.texts.Copy(text));
  return Error::kNone;
}

template <typename T, typename Make>
Error Parsed(const std::optional<T>& value, Value& result, Make make) {
  if (!value) return Error::kBadCast;
  result = make(*value);
  return Error::kNone;
}

}  // namespace

Error BoolToTextKernel(const Value* args, size_t, CallContext&, Value& result) {
  result = Value::Text(args[0].as_bool() ? "true" : "false");
  return Error::kNone;
}

Error IntToTextKernel(const Value* args, size_t, CallContext& context, Value& result) {
  char buffer[24];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, args[0].as_int64()).ptr;
  return Keep({buffer, static_cast<size_t>(end - buffer)}, context, result);
}

Error DoubleToTextKernel(const Value* args, size_t, CallContext& context, Value& result) {
  char buffer[40];
  return Keep(FormatDouble(args[0].number(), buffer), context, result);
}

Error TimeToTextKernel(const Value* args, size_t, CallContext& context, Value& result) {
  return Keep(FormatTimestamp(args[0].as_time()), context, result);
}

Error TextToBoolKernel(const Value* args, size_t, CallContext&, Value& result) {
  return Parsed(ParseBool(args[0].as_text()), result, Value::Bool);
}

Error TextToIntKernel(const Value* args, size_t, CallContext&, Value& result) {
  return Parsed(ParseInt64(args[0].as_text()), result, Value::Int64);
}

Error TextToDoubleKernel(const Value* args, size_t, CallContext&, Value& result) {
  return Parsed(ParseDouble(args[0].as_text()), result, Value::Double);
}

Error TextToTimeKernel(const Value* args, size_t, CallContext&, Value& result) {
  return Parsed(ParseTime(args[0].as_text()), result, Value::Time);
}

}  // namespace freshet::expr
