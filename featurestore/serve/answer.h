// The answer of one request, in the wire's own bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/base/time.h"
#include "featurestore/model/cell.h"
#include "featurestore/model/value.h"
#include "featurestore/serve/plan.h"

namespace freshet {

enum class AnswerForm : uint8_t { kColumns, kMatrixFloat32, kMatrixFloat64 };

// Bytes of one value where they do not depend on it; 0 of text, lists and maps.
size_t FixedBytes(Type type, uint32_t vector_size = 0);

// One feature's values: packed little-endian, text as offsets (n + 1 uint32) and data.
struct AnswerColumn {
  bool broadcast = false;  // one value stands for every row
  std::string values;      // of lists and vectors all their elements, of maps all their keys
  std::string offsets;     // of text into `values`; of lists and maps n + 1 numbers of elements
  // Of lists and maps alone.
  std::string element_offsets;  // of text elements: offsets into `values`
  std::string nulls;            // one byte an element, 1: null; empty: none is
  std::string mapped;           // of maps: 8 bytes a key
};

struct AnswerView {
  bool broadcast = false;
  std::optional<Timestamp> watermark;
  std::optional<Timestamp> complete_since;
  std::string event_times;                    // 8 bytes a value sent; the least int64: no row
  std::array<uint32_t, 7> cells_by_status{};  // by CellStatus, for metrics
};

// Reusable: Clear keeps the memory that was not moved out.
struct Answer {
  size_t rows_asked = 0;
  size_t num_rows =
      0;  // that columns, statuses and the matrix have room for: all but with LookupOptions::cut_to_fit
  size_t rows_filled = 0;  // the first so many hold values: all but with it
  Timestamp evaluated_at;
  std::vector<AnswerColumn> columns;  // one a column of the plan; empty strings with a matrix
  std::string statuses;  // one CellStatus a value sent, column by column; empty: all PRESENT
  std::string degraded;  // the same shape, 0 or 1; empty: none
  std::string matrix;    // row-major
  std::vector<AnswerView> views;   // one a view of the plan
  uint64_t expression_errors = 0;  // of derived features, and of what the request's event derives
  // Wall time of the stages, for metrics.
  double keys_seconds = 0, read_seconds = 0, finish_seconds = 0;
};

// Whether a value stands beside the status; `has_default`: the feature's.
constexpr bool HasValue(CellStatus status, bool has_default) {
  return status == CellStatus::kPresent ||
         (has_default && (status == CellStatus::kNotFound || status == CellStatus::kOutsideMaxAge));
}
// One value of a column of scalars (of others: answer_lists.h); `status` says whether it is one.
Value AnswerValue(Type type, const AnswerColumn& column, size_t row);
// What a response takes beside its values: names, lengths and tags, counted generously.
size_t FrameBytes(const Plan& plan);
// Bytes of the values, statuses and event times if only the first `rows` rows had been asked for.
size_t PayloadBytes(const Plan& plan, const Answer& answer, size_t rows);
// Of them those of text, lists and maps.
size_t VaryingBytes(const Plan& plan, const Answer& answer, size_t rows);
// The greatest number of first rows, at most `rows`, whose payload takes at most `budget` bytes.
size_t RowsThatFit(const Plan& plan, const Answer& answer, size_t rows, size_t budget);

}  // namespace freshet
