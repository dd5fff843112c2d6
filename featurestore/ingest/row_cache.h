// Decoded rows that were written last, so that a batch that touches them again neither reads nor decodes them. A cache that
// does not hold the working set costs more than it saves (a miss 3 µs), which is why it takes a budget and not a count.
//
// An event costs it two cache misses of the processor, the place in the table and the entry, and both can be asked for ahead
// (Prefetch). So: open addressing, hashes made once, and a clock in place of a list by age, which two more entries would have to be
// touched for.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/state/row.h"

namespace freshet {

// Not thread-safe.
class RowCache {
 public:
  struct Entry {
    std::optional<Row> row;  // none: not read yet
    std::string key;
    uint64_t hash = 0;
    size_t bytes = 0;    // as counted
    uint32_t slot = 0;   // of the view
    uint32_t first = 0;  // of the batch at hand: for whoever applies it
    uint32_t last = 0;
    bool in_batch = false;  // the batch at hand touched it
    bool used = false;      // again, since the clock's hand was here
    bool taken = false;     // holds a row; else free
  };

  explicit RowCache(uint64_t budget_bytes);
  RowCache(const RowCache&) = delete;
  RowCache& operator=(const RowCache&) = delete;

  static uint64_t Hash(uint32_t slot, std::string_view key);
  // What a Touch to come will ask for: first the one, some entries later the other.
  void PrefetchPlace(uint64_t hash) const { __builtin_prefetch(&places_[hash & mask_]); }
  void PrefetchEntry(uint64_t hash) const;
  // The row's entry, made where there is none. `hash` is Hash(slot, key). Valid until Trim or Clear.
  Entry& Touch(uint32_t slot, std::string_view key, uint64_t hash);
  // After a batch: counts the entry's size anew.
  void Count(Entry& entry);
  // Evicts what was not used again since the clock's hand was there, until the budget holds. Not within a batch.
  void Trim();
  void Clear();

  uint64_t bytes() const { return bytes_; }
  size_t size() const { return size_; }

 private:
  struct Place {
    uint32_t tag = 0;    // the hash's upper half
    uint32_t entry = 0;  // number + 1; 0: free
  };
  static constexpr uint32_t kBlock = 512;

  Entry& entry(uint32_t number) const { return blocks_[number / kBlock][number % kBlock]; }
  Entry& Insert(uint32_t slot, std::string_view key, uint64_t hash);
  void Erase(uint32_t number);
  void Grow();
  void Put(uint64_t hash, uint32_t number);

  const uint64_t budget_bytes_;
  uint64_t bytes_ = 0;
  size_t size_ = 0;
  uint64_t mask_ = 0;
  std::vector<Place> places_;                     // a power of two, at most half of them taken
  std::vector<std::unique_ptr<Entry[]>> blocks_;  // entries stay where they are
  uint32_t numbers_ = 0;                          // given out so far
  std::vector<uint32_t> free_;
  uint32_t hand_ = 0;
};

}  // namespace freshet
