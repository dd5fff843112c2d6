// The packed columns of requests and answers: little-endian values, one behind the other, on a little-endian machine.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

namespace freshet {

// Value `index` of a column of T; unaligned, since messages are.
template <typename T>
T LoadLe(std::string_view bytes, size_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

}  // namespace freshet
