// Where packed values of an answer live: bytes that are written once and stay where they are until the arena goes.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "featurestore/model/value.h"

namespace freshet {

// Takes no memory before the first value. Not thread-safe; move-only.
class PackedArena {
 public:
  // Empty: for a PackedWriter. One value at a time.
  std::string& Begin() {
    building_.clear();
    return building_;
  }
  // What was written since Begin, as a value that lives as long as the arena.
  Value Keep() {
    const size_t size = building_.size();
    if (size > left_) {
      const size_t block = std::max(size, kBlockBytes);
      blocks_.push_back(std::make_unique<char[]>(block));
      free_ = blocks_.back().get();
      left_ = block;
      bytes_ += block;
    }
    if (size > 0) std::memcpy(free_, building_.data(), size);
    const Value kept = Value::Packed({free_, size});
    free_ += size;
    left_ -= size;
    return kept;
  }
  size_t memory_bytes() const { return building_.capacity() + bytes_; }

 private:
  static constexpr size_t kBlockBytes = 4096;

  std::string building_;
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* free_ = nullptr;
  size_t left_ = 0;
  size_t bytes_ = 0;
};

}  // namespace freshet
