// Bytes that live until the next Clear: texts of a batch of events, one allocation for many.
#pragma once

#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

namespace freshet {

// Not thread-safe. Views that Copy returned are valid until Clear or destruction.
class TextArena {
 public:
  std::string_view Copy(std::string_view text) {
    if (text.empty()) return {};
    char* place = Allocate(text.size());
    std::memcpy(place, text.data(), text.size());
    return {place, text.size()};
  }

  // Keeps the blocks of ordinary size for the next batch.
  void Clear() {
    large_.clear();
    block_ = 0;
    used_ = 0;
  }

 private:
  static constexpr size_t kBlockBytes = 64 * 1024;

  char* Allocate(size_t size) {
    if (size > kBlockBytes / 4) {
      return large_.emplace_back(std::make_unique<char[]>(size)).get();
    }
    if (used_ + size > kBlockBytes) {
      ++block_;
      used_ = 0;
    }
    if (block_ == blocks_.size()) blocks_.push_back(std::make_unique<char[]>(kBlockBytes));
    char* place = blocks_[block_].get() + used_;
    used_ += size;
    return place;
  }

  std::vector<std::unique_ptr<char[]>> blocks_;
  std::vector<std::unique_ptr<char[]>> large_;
  size_t block_ = 0;  // the one being filled
  size_t used_ = 0;   // bytes of it
};

}  // namespace freshet
