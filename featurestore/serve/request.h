// A request as it came off the wire, and what it means to a plan. Nothing here is copied: columns are views on the bytes of
// the message, which must outlive them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/model/value.h"
#include "featurestore/serve/plan.h"
#include "featurestore/serve/serve_error.h"

namespace freshet {

// One column of keys or inputs in any of the wire's forms.
struct RequestColumn {
  enum class Form : uint8_t {
    kNone,
    kStrings,    // `strings`
    kInt64,      // `packed`: 8 bytes little-endian a value
    kTimestamp,  // the same, microseconds since the epoch
    kDouble,     // the same
    kFloat,      // `packed`: 4 bytes little-endian a value
    kBool,       // `packed`: one byte a value
    kText,       // `packed` cut by `offsets`
    kOther,      // what neither keys nor inputs can be
  };
  std::string_view name;
  std::string_view wire_name;  // int64_le, for messages
  Form form = Form::kNone;
  bool broadcast = false;  // asks that there be one value
  std::span<const std::string* const> strings;
  std::string_view packed;
  std::string_view offsets;  // n + 1 little-endian uint32
  std::string_view nulls;    // empty, or one byte a value

  // Values; only right where the bytes divide evenly (BindKeys refuses others).
  size_t size() const;
};

struct FeatureRequest {
  std::span<const RequestColumn> keys;
  std::span<const int64_t> as_of_us;  // none, one, or one a row
  std::span<const RequestColumn> inputs = {};
  std::string_view event_id = {};  // of the request's own event; "": none
};

// The request's columns by the plan's keys and inputs, checked whole: from here on reading a value cannot fail.
struct BoundKeys {
  size_t num_rows = 0;
  std::vector<const RequestColumn*> columns;  // one for each of Plan::keys
  std::vector<const RequestColumn*> inputs;   // one for each of Plan::inputs
  Value event_id;                             // null: none is sent; text borrows the request's

  bool one_value(uint32_t key) const { return columns[key]->size() == 1; }
  bool one_input(uint32_t input) const { return inputs[input]->size() == 1; }
  // Null where the request says so. A column of one value answers for every row.
  Value value(const Plan& plan, uint32_t key, size_t row) const;
  Value input(const Plan& plan, uint32_t input, size_t row) const;
};

// INVALID_ARGUMENT: MISSING_KEY, UNKNOWN_KEY, DUPLICATE_KEY and the same of INPUT, WRONG_TYPE, RAGGED_COLUMNS, TOO_MANY_ROWS,
// BAD_TIME, BAD_EVENT_ID. Reuses the memory of `bound`.
Outcome BindKeys(const Plan& plan, const FeatureRequest& request, size_t max_rows,
                 BoundKeys& bound);

}  // namespace freshet
