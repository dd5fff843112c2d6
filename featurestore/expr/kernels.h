// Functions of SQL that take a call to evaluate: text, roots and logarithms, casts, parts of times.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "featurestore/base/arena.h"
#include "featurestore/base/time_zone.h"
#include "featurestore/expr/expression.h"
#include "featurestore/model/value.h"

namespace freshet::expr {

// What a call may use besides its arguments.
struct CallContext {
  TextArena& texts;
  uint64_t& steps;        // Scratch::steps
  size_t text_bytes = 0;  // made by this evaluation so far
  size_t like_steps = 0;  // of this evaluation so far
  const TimeZone* zone = nullptr;
};

// `args` has `count` values of the types that binding saw to; none is null where the call is strict.
using Kernel = EvaluationError (*)(const Value* args, size_t count, CallContext& context,
                                   Value& result);

// kernels_math.cc. round: halves away from zero.
EvaluationError RoundKernel(const Value* args, size_t count, CallContext& context, Value& result);
EvaluationError RoundDigitsKernel(const Value* args, size_t count, CallContext& context,
                                  Value& result);
EvaluationError FloorKernel(const Value* args, size_t count, CallContext& context, Value& result);
EvaluationError CeilKernel(const Value* args, size_t count, CallContext& context, Value& result);
EvaluationError LnKernel(const Value* args, size_t count, CallContext& context, Value& result);
EvaluationError ExpKernel(const Value* args, size_t count, CallContext& context, Value& result);
EvaluationError PowerKernel(const Value* args, size_t count, CallContext& context, Value& result);
EvaluationError SqrtKernel(const Value* args, size_t count, CallContext& context, Value& result);
EvaluationError DivDoubleKernel(const Value* args, size_t count, CallContext& context,
                                Value& result);
EvaluationError HaversineKernel(const Value* args, size_t count, CallContext& context,
                                Value& result);
// Not strict; the arguments have one type.
EvaluationError GreatestKernel(const Value* args, size_t count, CallContext& context,
                               Value& result);
EvaluationError LeastKernel(const Value* args, size_t count, CallContext& context, Value& result);

// kernels_text.cc. Characters are UTF-8's.
EvaluationError LowerKernel(const Value* args, size_t count, CallContext& context, Value& result);
EvaluationError UpperKernel(const Value* args, size_t count, CallContext& context, Value& result);
EvaluationError LengthKernel(const Value* args, size_t count, CallContext& context, Value& result);
EvaluationError SubstringKernel(const Value* args, size_t count, CallContext& context,
                                Value& result);
EvaluationError ConcatKernel(const Value* args, size_t count, CallContext& context, Value& result);
EvaluationError StartsWithKernel(const Value* args, size_t count, CallContext& context,
                                 Value& result);
EvaluationError SplitPartKernel(const Value* args, size_t count, CallContext& context,
                                Value& result);
EvaluationError LikeKernel(const Value* args, size_t count, CallContext& context, Value& result);
EvaluationError ILikeKernel(const Value* args, size_t count, CallContext& context, Value& result);

// kernels_cast.cc.
EvaluationError BoolToTextKernel(const Value* args, size_t count, CallContext& context,
                                 Value& result);
EvaluationError IntToTextKernel(const Value* args, size_t count, CallContext& context,
                                Value& result);
EvaluationError DoubleToTextKernel(const Value* args, size_t count, CallContext& context,
                                   Value& result);
EvaluationError TimeToTextKernel(const Value* args, size_t count, CallContext& context,
                                 Value& result);
EvaluationError TextToBoolKernel(const Value* args, size_t count, CallContext& context,
                                 Value& result);
EvaluationError TextToIntKernel(const Value* args, size_t count, CallContext& context,
                                Value& result);
EvaluationError TextToDoubleKernel(const Value* args, size_t count, CallContext& context,
                                   Value& result);
EvaluationError TextToTimeKernel(const Value* args, size_t count, CallContext& context,
                                 Value& result);

// kernels_time.cc: extract(field from …), in the context's zone or UTC.
struct ExtractField {
  std::string_view name;
  bool is_double;  // else int64
  Kernel kernel;
};
std::optional<ExtractField> FindExtractField(std::string_view name);
std::string_view ExtractFieldNames();  // for messages
EvaluationError EpochOfIntervalKernel(const Value* args, size_t count, CallContext& context,
                                      Value& result);

}  // namespace freshet::expr
