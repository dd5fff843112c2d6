// Decoded rows that were written last, so that a batch that touches them again neither reads nor decodes them. A cache that
// does not hold the working set costs more than it saves (a miss 3 µs), which is why it takes a budget and not a count.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "featurestore/state/row.h"

namespace freshet {

// Not thread-safe.
class RowCache {
 public:
  struct Entry {
    std::optional<Row> row;  // none: not read yet
    std::string_view key;    // of the map's node: stays
    uint32_t slot = 0;       // of the view
    bool dirty = false;      // changed by the batch at hand
    bool fetching = false;   // the batch at hand asked for it
    size_t bytes = 0;        // as counted
    Entry* newer = nullptr;
    Entry* older = nullptr;
  };

  RowCache(size_t views, uint64_t budget_bytes) : maps_(views), budget_bytes_(budget_bytes) {}
  RowCache(const RowCache&) = delete;
  RowCache& operator=(const RowCache&) = delete;

  void AddView() { maps_.emplace_back(); }
  // The row's place, made where there is none, and the newest from here on. Valid until Trim or Clear.
  Entry& Touch(uint32_t slot, std::string_view key);
  // After a batch: counts the entry's size anew.
  void Count(Entry& entry);
  // Evicts the oldest until the budget holds. Not within a batch.
  void Trim();
  void Clear();

  uint64_t bytes() const { return bytes_; }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Map = std::unordered_map<std::string, Entry, Hash, std::equal_to<>>;

  void Unlink(Entry& entry);
  void LinkNewest(Entry& entry);

  std::vector<Map> maps_;  // one a view
  uint64_t budget_bytes_;
  uint64_t bytes_ = 0;
  Entry* newest_ = nullptr;
  Entry* oldest_ = nullptr;
};

}  // namespace freshet
