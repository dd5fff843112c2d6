// What a request holds, without a wire.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/serve/request.h"

namespace freshet {

// Columns of a request, with the memory that they borrow.
class Columns {
 public:
  Columns& Text(std::string_view name, std::vector<std::string> values) {
    auto& kept = texts_.emplace_back(std::move(values));
    auto& pointers = pointers_.emplace_back();
    for (const std::string& value : kept) pointers.push_back(&value);
    RequestColumn& column = Add(name, RequestColumn::Form::kStrings, "strings");
    column.strings = pointers;
    return *this;
  }
  template <typename T>
  Columns& Packed(std::string_view name, RequestColumn::Form form, const std::vector<T>& values) {
    std::string& bytes = bytes_.emplace_back();
    bytes.assign(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    Add(name, form, "packed").packed = bytes;
    return *this;
  }
  Columns& Doubles(std::string_view name, const std::vector<double>& values) {
    return Packed(name, RequestColumn::Form::kDouble, values);
  }
  // Of the last column.
  Columns& Nulls(std::vector<char> nulls) {
    std::string& bytes = bytes_.emplace_back(nulls.begin(), nulls.end());
    columns_.back().nulls = bytes;
    return *this;
  }
  std::span<const RequestColumn> get() const { return columns_; }

 private:
  RequestColumn& Add(std::string_view name, RequestColumn::Form form, std::string_view wire_name) {
    RequestColumn& column = columns_.emplace_back();
    column.name = name;
    column.form = form;
    column.wire_name = wire_name;
    return column;
  }
  std::deque<std::vector<std::string>> texts_;
  std::deque<std::vector<const std::string*>> pointers_;
  std::deque<std::string> bytes_;
  std::vector<RequestColumn> columns_;
};

}  // namespace freshet
