#include "featurestore/ingest/row_cache.h"

#include "featurestore/base/hash.h"

namespace freshet {
namespace {

constexpr size_t kFirstPlaces = 1024;
// An entry and its two places at least.
constexpr size_t kEntryOverheadBytes = sizeof(RowCache::Entry) + 2 * 8;

}  // namespace

RowCache::RowCache(uint64_t budget_bytes)
    : budget_bytes_(budget_bytes), mask_(kFirstPlaces - 1), places_(kFirstPlaces) {}

uint64_t RowCache::Hash(uint32_t slot, std::string_view key) { return Hash64(key, slot); }

void RowCache::PrefetchEntry(uint64_t hash) const {
  // The first place is nearly always it.
  const Place& place = places_[hash & mask_];
  if (place.entry != 0) __builtin_prefetch(&entry(place.entry - 1));
}

RowCache::Entry& RowCache::Touch(uint32_t slot, std::string_view key, uint64_t hash) {
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (uint64_t at = hash & mask_; places_[at].entry != 0; at = (at + 1) & mask_) {
    if (places_[at].tag != tag) continue;
    Entry& found = entry(places_[at].entry - 1);
    if (found.slot != slot || found.key != key) continue;
    found.used = true;
    return found;
  }
  return Insert(slot, key, hash);
}

RowCache::Entry& RowCache::Insert(uint32_t slot, std::string_view key, uint64_t hash) {
  if (2 * (size_ + 1) > places_.size()) Grow();
  uint32_t number = numbers_;
  if (!free_.empty()) {
    number = free_.back();
    free_.pop_back();
  } else {
    if (numbers_ % kBlock == 0) blocks_.push_back(std::make_unique<Entry[]>(kBlock));
    ++numbers_;
  }
  Entry& made = entry(number);
  made.slot = slot;
  made.key.assign(key);
  made.hash = hash;
  made.used = false;  // until it is used again: what is used once goes first
  made.taken = true;
  Put(hash, number);
  ++size_;
  return made;
}

void RowCache::Put(uint64_t hash, uint32_t number) {
  uint64_t at = hash & mask_;
  while (places_[at].entry != 0) at = (at + 1) & mask_;
  places_[at] = {static_cast<uint32_t>(hash >> 32), number + 1};
}

void RowCache::Grow() {
  places_.assign(places_.size() * 2, {});
  mask_ = places_.size() - 1;
  for (uint32_t number = 0; number < numbers_; ++number) {
    if (entry(number).taken) Put(entry(number).hash, number);
  }
}

void RowCache::Erase(uint32_t number) {
  Entry& gone = entry(number);
  uint64_t at = gone.hash & mask_;
  while (places_[at].entry != number + 1) at = (at + 1) & mask_;
  // What stands behind it, up to the next free place, moves up where it would not be found any more.
  for (uint64_t next = (at + 1) & mask_; places_[next].entry != 0; next = (next + 1) & mask_) {
    const uint64_t home = entry(places_[next].entry - 1).hash & mask_;
    if (((next - home) & mask_) < ((next - at) & mask_)) continue;
    places_[at] = places_[next];
    at = next;
  }
  places_[at] = {};
  bytes_ -= gone.bytes;
  gone = Entry();
  free_.push_back(number);
  --size_;
}

void RowCache::Count(Entry& entry) {
  const size_t now =
      kEntryOverheadBytes + entry.key.capacity() + (entry.row ? entry.row->memory_bytes() : 0);
  bytes_ += now - entry.bytes;
  entry.bytes = now;
}

void RowCache::Trim() {
  while (bytes_ > budget_bytes_ && size_ > 0) {
    if (hand_ >= numbers_) hand_ = 0;
    Entry& at_hand = entry(hand_);
    if (at_hand.taken && !at_hand.used) Erase(hand_);
    at_hand.used = false;
    ++hand_;
  }
}

void RowCache::Clear() {
  places_.assign(kFirstPlaces, {});
  mask_ = kFirstPlaces - 1;
  blocks_.clear();
  free_.clear();
  numbers_ = hand_ = 0;
  bytes_ = size_ = 0;
}

}  // namespace freshet
