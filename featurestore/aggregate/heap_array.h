// A growing array that may lie in flat memory: all zero bytes are an empty one, and it may be moved by memcpy. So may its
// elements.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace freshet {

template <typename T>
class HeapArray {
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
    std::move(data_, data_ + size_, grown);
    delete[] data_;
    data_ = grown;
    capacity_ = static_cast<uint32_t>(capacity);
  }
  // What is new is T{}.
  void Resize(size_t size) {
    Reserve(size);
    for (size_t i = size_; i < size; ++i) data_[i] = T{};
    if constexpr (!std::is_trivially_destructible_v<T>) {
      for (size_t i = size; i < size_; ++i) data_[i] = T{};  // gives back what it owned
    }
    size_ = static_cast<uint32_t>(size);
  }
  void Append(T v) { Insert(end(), std::move(v)); }
  void Insert(const T* before, T v) {
    const size_t at = before - data_;
    if (size_ == capacity_) Reserve(std::max<size_t>(4, size_t{capacity_} * 2));
    std::move_backward(data_ + at, data_ + size_, data_ + size_ + 1);
    data_[at] = std::move(v);
    ++size_;
  }
  void Erase(const T* at) {
    const size_t i = at - data_;
    std::move(data_ + i + 1, data_ + size_, data_ + i);
    Resize(size_ - 1);
  }
  void Swap(HeapArray& b) {
    std::swap(data_, b.data_);
    std::swap(size_, b.size_);
    std::swap(capacity_, b.capacity_);
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
