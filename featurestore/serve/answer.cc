#include "featurestore/serve/answer.h"

#include <algorithm>

#include "featurestore/serve/answer_lists.h"
#include "featurestore/serve/packed_column.h"

namespace freshet {
size_t FixedBytes(Type type, uint32_t vector_size) {
  if (type == kFloatVector) return 4 * size_t{vector_size};
  switch (type) {
    case Type::kBool:
      return 1;
    case Type::kFloat:
      return 4;
    case Type::kInt64:
    case Type::kDouble:
    case Type::kTimestamp:
      return 8;
    case Type::kString:
    case Type::kBytes:
      return 0;
  }
  return 0;
}

Value AnswerValue(Type type, const AnswerColumn& column, size_t row) {
  const size_t i = column.broadcast ? 0 : row;
  switch (type) {
    case Type::kBool:
      return Value::Bool(column.values[i] != 0);
    case Type::kInt64:
      return Value::Int64(LoadLe<int64_t>(column.values, i));
    case Type::kTimestamp:
      return Value::Time({LoadLe<int64_t>(column.values, i)});
    case Type::kDouble:
      return Value::Double(LoadLe<double>(column.values, i));
    case Type::kFloat:
      return Value::Double(LoadLe<float>(column.values, i));
    case Type::kString:
    case Type::kBytes: {
      const auto begin = LoadLe<uint32_t>(column.offsets, i);
      const auto end = LoadLe<uint32_t>(column.offsets, i + 1);
      return Value::Text(std::string_view(column.values).substr(begin, end - begin));
    }
  }
  return {};
}

size_t FrameBytes(const Plan& plan) {
  size_t bytes = 256;
  for (const PlanColumn& column : plan.columns) {
    bytes += 64 + 2 * column.name.size() + (IsScalar(column.type) ? 0 : 64);
  }
  for (size_t v = 0; v < plan.views.size(); ++v) bytes += 64 + plan.view_name(v).size();
  return bytes;
}

size_t VaryingBytes(const Plan& plan, const Answer& answer, size_t rows) {
  size_t bytes = 0;
  if (!answer.matrix.empty()) return bytes;
  for (size_t c = 0; c < answer.columns.size(); ++c) {
    const AnswerColumn& column = answer.columns[c];
    const PlanColumn& planned = plan.columns[c];
    const size_t values = column.broadcast ? std::min<size_t>(rows, 1) : rows;
    // A column that is not filled so far has no bytes yet.
    if (FixedBytes(planned.type, planned.vector_size) > 0 || values >= column.offsets.size() / 4)
      continue;
    bytes += IsText(planned.type) ? 4 * (values + 1) + LoadLe<uint32_t>(column.offsets, values)
                                  : ListBytes(planned.type, column, values);
  }
  return bytes;
}

size_t PayloadBytes(const Plan& plan, const Answer& answer, size_t rows) {
  const size_t flags = (answer.statuses.empty() ? 0 : 1) + (answer.degraded.empty() ? 0 : 1);
  size_t bytes = answer.num_rows == 0 ? 0 : answer.matrix.size() / answer.num_rows * rows;
  const bool matrix = !answer.matrix.empty();
  for (size_t c = 0; c < answer.columns.size(); ++c) {
    const PlanColumn& planned = plan.columns[c];
    const size_t values = answer.columns[c].broadcast && !matrix ? std::min<size_t>(rows, 1) : rows;
    bytes += flags * values;
    if (!matrix) bytes += FixedBytes(planned.type, planned.vector_size) * values;
  }
  for (const AnswerView& view : answer.views) {
    if (!view.event_times.empty()) bytes += 8 * (view.broadcast ? std::min<size_t>(rows, 1) : rows);
  }
  return bytes + VaryingBytes(plan, answer, rows);
}

size_t RowsThatFit(const Plan& plan, const Answer& answer, size_t rows, size_t budget) {
  size_t fits = 0;
  size_t too_many = rows + 1;
  while (too_many - fits > 1) {
    const size_t middle = fits + (too_many - fits) / 2;
    (PayloadBytes(plan, answer, middle) <= budget ? fits : too_many) = middle;
  }
  return fits;
}

}  // namespace freshet
