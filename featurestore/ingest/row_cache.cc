#include "featurestore/ingest/row_cache.h"

namespace freshet {
namespace {

constexpr size_t kEntryOverheadBytes = sizeof(RowCache::Entry) + 64;  // map node and its bucket

}  // namespace

RowCache::Entry& RowCache::Touch(uint32_t slot, std::string_view key) {
  Map& map = maps_[slot];
  auto place = map.find(key);
  if (place == map.end()) {
    place = map.emplace(std::string(key), Entry()).first;
    place->second.key = place->first;
    place->second.slot = slot;
  } else if (newest_ != &place->second) {
    Unlink(place->second);
  } else {
    return place->second;
  }
  LinkNewest(place->second);
  return place->second;
}

void RowCache::Count(Entry& entry) {
  const size_t now =
      kEntryOverheadBytes + 2 * entry.key.size() + (entry.row ? entry.row->memory_bytes() : 0);
  bytes_ += now - entry.bytes;
  entry.bytes = now;
}

void RowCache::Trim() {
  while (bytes_ > budget_bytes_ && oldest_ != nullptr) {
    Entry& entry = *oldest_;
    Unlink(entry);
    bytes_ -= entry.bytes;
    Map& map = maps_[entry.slot];
    map.erase(map.find(entry.key));
  }
}

void RowCache::Clear() {
  for (Map& map : maps_) map.clear();
  bytes_ = 0;
  newest_ = oldest_ = nullptr;
}

void RowCache::Unlink(Entry& entry) {
  (entry.newer != nullptr ? entry.newer->older : newest_) = entry.older;
  (entry.older != nullptr ? entry.older->newer : oldest_) = entry.newer;
  entry.newer = entry.older = nullptr;
}

void RowCache::LinkNewest(Entry& entry) {
  entry.older = newest_;
  entry.newer = nullptr;
  (newest_ != nullptr ? newest_->newer : oldest_) = &entry;
  newest_ = &entry;
}

}  // namespace freshet
