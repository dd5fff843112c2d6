// One column of an answer as JSON values, for `freshet get`. Checks the bytes whole, so that a server of another version is an error
// and not a crash.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "featurestore/model/value.h"
#include "freshet/v1/serving.pb.h"

namespace freshet {

// Borrows the column.
class ColumnValues {
 public:
  // None where the column does not hold `size` values of the type.
  static std::optional<ColumnValues> Of(const v1::Column& column, Type type, size_t size);

  // Lists and vectors are arrays, maps objects whose keys are their values' texts.
  nlohmann::ordered_json At(size_t index) const;

 private:
  ColumnValues(const v1::Column& column, Type type);

  bool Fits(size_t size) const;
  nlohmann::ordered_json TextAt(size_t index) const;
  nlohmann::ordered_json ListAt(size_t index) const;

  v1::Column::ValuesCase form_;
  Type type_;
  std::string_view bytes_;
  std::string_view offsets_;
  std::string_view nulls_;  // of a list's elements
  size_t vector_size_ = 0;
  // Of lists and vectors the elements, of maps the keys; and what these map to.
  std::shared_ptr<const ColumnValues> elements_;
  std::shared_ptr<const ColumnValues> mapped_;
};

}  // namespace freshet
