// A growing array that may lie in flat memory: all zero bytes are an empty one, and it may be moved by memcpy.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace freshet {

template <typename T>
class HeapArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  HeapArray() = default;
  HeapArray(const HeapArray& b) { *this = b; }
  HeapArray& operator=(const HeapArray& b) {
    if (this == &b) return *this;
    Resize(b.size_);
    std::copy(b.begin(), b.end(), data_);
    return *this;
  }
  ~HeapArray() { delete[] data_; }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }

  void Reserve(size_t capacity) {
    if (capacity <= capacity_) return;
    T* grown = new T[capacity];
    std::copy(data_, data_ + size_, grown);
    delete[] data_;
    data_ = grown;
    capacity_ = static_cast<uint32_t>(capacity);
  }
  // What is new is T{}.
  void Resize(size_t size) {
    Reserve(size);
    if (size > size_) std::fill(data_ + size_, data_ + size, T{});
    size_ = static_cast<uint32_t>(size);
  }
  void Append(T v) { Insert(end(), v); }
  void Insert(const T* before, T v) {
    const size_t at = before - data_;
    if (size_ == capacity_) Reserve(std::max<size_t>(4, size_t{capacity_} * 2));
    std::copy_backward(data_ + at, data_ + size_, data_ + size_ + 1);
    data_[at] = v;
    ++size_;
  }
  // Gives its memory back.
  void Clear() {
    delete[] data_;
    data_ = nullptr;
    size_ = 0;
    capacity_ = 0;
  }
  size_t heap_bytes() const { return capacity_ * sizeof(T); }

 private:
  T* data_ = nullptr;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
};

}  // namespace freshet
