// Counts and sums by key: count and sum with `by`, histogram without bounds. And what top_k counts by, up to its exact bound.
//
// Kept are the max_keys keys of least xxh64: a key that is among them in the whole is among them in every part, so what is
// kept is exact, and the same in whatever order events and panes come.
#pragma once

#include <algorithm>
#include <cstdint>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/heap_array.h"
#include "featurestore/aggregate/kept_value.h"
#include "featurestore/aggregate/numeric.h"

namespace freshet {

// A: what is kept of each key, one of numeric.h.
template <typename A>
class Keyed {
 public:
  struct Entry {
    uint64_t hash = 0;
    KeptValue key;
    A kept;
  };

  size_t size() const { return entries_.size(); }
  bool any() const { return !entries_.empty(); }
  // There were more keys than are kept.
  bool dropped() const { return dropped_; }
  const HeapArray<Entry>& entries() const { return entries_; }

  void Add(const Added& added) {
    if (A* kept = Include(added.order_by, added.arguments.max_keys)) {
      kept->Add(added.value, added.at);
    }
  }
  // What is kept of `key`, made where it is new; null: the key is not among those that are kept.
  A* Include(const Value& key, uint32_t max_keys) {
    max_keys_ = max_keys;
    const uint64_t hash = HashOf(key);
    Entry* at =
        std::lower_bound(entries_.begin(), entries_.end(), hash,
                         [&](const Entry& entry, uint64_t h) { return Order(entry, h, key) < 0; });
    if (at != entries_.end() && Order(*at, hash, key) == 0) return &at->kept;
    if (size() == max_keys_) {
      dropped_ = true;
      if (at == entries_.end()) return nullptr;
      entries_.Resize(size() - 1);
    }
    const auto i = static_cast<size_t>(at - entries_.begin());
    Entry entry{.hash = hash, .key = {}, .kept = {}};
    entry.key.Own(key);
    entries_.Insert(entries_.begin() + i, std::move(entry));
    return &entries_[i].kept;
  }

  void Combine(const Keyed& b) { Merge(b, false); }
  void CombineBorrowed(const Keyed& b) { Merge(b, true); }

  // 2 × count, + 1 if keys were dropped | by rising hash: the key | what is kept of it.
  void Encode(ByteWriter& out, const CodingContext& context) const {
    out.Varint(uint64_t{size()} << 1 | (dropped_ ? 1 : 0));
    EncodeEntries(out, context);
  }
  void EncodeEntries(ByteWriter& out, const CodingContext& context) const {
    for (const Entry& entry : entries_) {
      WriteKept(out, context.arguments->types[0], entry.key.get(), context.base);
      entry.kept.Encode(out, context);
    }
  }
  void Decode(ByteReader& in, const CodingContext& context) {
    const uint64_t head = in.Varint();
    if (head == 0) return;
    const uint32_t most = context.arguments->max_keys;
    if ((head & 1) != 0 && head >> 1 != most) return in.MarkBad();
    DecodeEntries(in, context, head >> 1, most);
    dropped_ = (head & 1) != 0;
  }
  void DecodeEntries(ByteReader& in, const CodingContext& context, uint64_t count,
                     uint32_t max_keys) {
    // Before memory is taken: no more than can be there.
    max_keys_ = max_keys;
    if (count > max_keys || count > in.remaining() / 2) return in.MarkBad();
    entries_.Resize(count);
    for (size_t i = 0; i < count; ++i) {
      Entry& entry = entries_[i];
      entry.key.Borrow(ReadKept(in, context.arguments->types[0], context.base));
      if (entry.key.get().is_null()) in.MarkBad();
      if (!in.ok()) return;
      entry.hash = HashOf(entry.key.get());
      entry.kept.Decode(in, context);
      if (IsNone(entry.kept)) in.MarkBad();
      if (i > 0 && Order(entries_[i - 1], entry.hash, entry.key.get()) >= 0) in.MarkBad();
    }
  }
  size_t heap_bytes() const {
    size_t total = entries_.heap_bytes();
    for (const Entry& entry : entries_) total += entry.key.heap_bytes();
    return total;
  }
  static uint64_t EncodedMax(const AccumulatorArguments& arguments) {
    return 3 + arguments.max_keys * EntryMax(arguments);
  }
  static uint64_t EncodedOne(const AccumulatorArguments& arguments) {
    return 1 + EntryMax(arguments);
  }
  static uint64_t EntryMax(const AccumulatorArguments& arguments) {
    constexpr uint64_t kKeptMax = std::is_same_v<A, Count> ? 6 : 13;
    return KeptBytesMax(arguments.types[0]) + kKeptMax;
  }

 private:
  static int Order(const Entry& entry, uint64_t hash, const Value& key) {
    if (entry.hash != hash) return entry.hash < hash ? -1 : 1;
    return Value::Compare(entry.key.get(), key);
  }
  static bool IsNone(const A& kept) {
    if constexpr (std::is_same_v<A, Count>) return kept.n == 0;
    if constexpr (std::is_same_v<A, DoubleSum>) return !kept.any();
    if constexpr (std::is_same_v<A, IntSum>) return !kept.any;
  }

  void Merge(const Keyed& b, bool borrow) {
    if (!b.any()) return;
    if (max_keys_ == 0) max_keys_ = b.max_keys_;
    dropped_ |= b.dropped_;
    HeapArray<Entry> both;
    both.Reserve(std::min<size_t>(max_keys_, size() + b.size()));
    size_t i = 0;
    size_t j = 0;
    while (i < size() || j < b.size()) {
      if (both.size() == max_keys_) {
        dropped_ = true;
        break;
      }
      const int order =
          i == size()
              ? 1
              : (j == b.size() ? -1
                               : Order(entries_[i], b.entries_[j].hash, b.entries_[j].key.get()));
      if (order <= 0) {
        both.Append(std::move(entries_[i++]));
        if (order == 0) both[both.size() - 1].kept.Combine(b.entries_[j++].kept);
        continue;
      }
      const Entry& theirs = b.entries_[j++];
      Entry entry{.hash = theirs.hash, .key = {}, .kept = theirs.kept};
      entry.key.Set(theirs.key, borrow);
      both.Append(std::move(entry));
    }
    entries_.Swap(both);
  }

  HeapArray<Entry> entries_;  // by rising (hash, key)
  uint32_t max_keys_ = 0;
  bool dropped_ = false;
};

}  // namespace freshet
