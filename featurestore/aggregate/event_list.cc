#include "featurestore/aggregate/event_list.h"

#include <algorithm>

namespace freshet {
namespace {

size_t ColumnsOf(const AccumulatorArguments& arguments) {
  return static_cast<size_t>(std::find(arguments.types.begin(), arguments.types.end(), Type{}) -
                             arguments.types.begin());
}

}  // namespace

template <bool kLatest>
void EventList<kLatest>::Begin(const AccumulatorArguments& arguments) {
  n_ = arguments.n;
  columns_ = static_cast<uint32_t>(ColumnsOf(arguments));
}

template <bool kLatest>
uint64_t EventList<kLatest>::EncodedOne(const AccumulatorArguments& arguments) {
  uint64_t bytes = kPositionAfterMax;
  for (size_t c = 0; c < ColumnsOf(arguments); ++c) bytes += KeptBytesMax(arguments.types[c]);
  return 1 + bytes;
}

template <bool kLatest>
void EventList<kLatest>::Add(const Added& added) {
  if (n_ == 0) Begin(added.arguments);
  // Most events are the newest.
  size_t i = size();
  while (i > 0 && added.at < at_[i - 1]) --i;
  if (size() < n_) {
    at_.Insert(at_.begin() + i, added.at);
    for (size_t c = 0; c < columns_; ++c) {
      values_.Insert(values_.begin() + i * columns_ + c, KeptValue());
    }
  } else {
    if (i == (kLatest ? 0 : size())) return;
    // The one that goes makes room: those between move by one.
    Position* at = at_.begin();
    KeptValue* values = values_.begin();
    if (kLatest) {
      std::move(at + 1, at + i, at);
      std::move(values + columns_, values + i * columns_, values);
      --i;
    } else {
      std::move_backward(at + i, at_.end() - 1, at_.end());
      std::move_backward(values + i * columns_, values_.end() - columns_, values_.end());
    }
    at_[i] = added.at;
  }
  for (size_t c = 0; c < columns_; ++c) values_[i * columns_ + c].Own(added.columns[c]);
}

// From the end that is kept for certain: one event after the other, until there are n.
template <bool kLatest>
void EventList<kLatest>::Merge(const EventList& b, bool borrow) {
  if (b.size() == 0) return;
  if (n_ == 0) {
    n_ = b.n_;
    columns_ = b.columns_;
  }
  const size_t total = std::min<size_t>(n_, size() + b.size());
  HeapArray<Position> at;
  HeapArray<KeptValue> values;
  at.Resize(total);
  values.Resize(total * columns_);
  size_t mine = 0;  // taken
  size_t theirs = 0;
  for (size_t taken = 0; taken < total; ++taken) {
    const auto place = [&](const EventList& list, size_t k) {
      return kLatest ? list.size() - 1 - k : k;
    };
    bool take_mine = theirs == b.size();
    if (!take_mine && mine < size()) {
      const Position& m = at_[place(*this, mine)];
      const Position& t = b.at_[place(b, theirs)];
      take_mine = kLatest ? t < m : m < t;
    }
    const size_t from = take_mine ? place(*this, mine++) : place(b, theirs++);
    const size_t to = kLatest ? total - 1 - taken : taken;
    at[to] = take_mine ? at_[from] : b.at_[from];
    for (size_t c = 0; c < columns_; ++c) {
      KeptValue& value = values[to * columns_ + c];
      if (take_mine) {
        value = std::move(values_[from * columns_ + c]);
      } else {
        value.Set(b.values_[from * columns_ + c], borrow);
      }
    }
  }
  at_.Swap(at);
  values_.Swap(values);
}

// count | from the newest event to the oldest: its position behind that of the event before (of the first: behind base) |
// its columns.
template <bool kLatest>
void EventList<kLatest>::Encode(ByteWriter& out, const CodingContext& context) const {
  out.Varint(size());
  Position before{context.base, {}};
  for (size_t i = size(); i-- > 0;) {
    WritePositionAfter(out, before, at_[i]);
    before = at_[i];
    for (size_t c = 0; c < columns_; ++c) {
      WriteKept(out, context.arguments->types[c], value(i, c), before.time);
    }
  }
}

template <bool kLatest>
void EventList<kLatest>::Decode(ByteReader& in, const CodingContext& context) {
  const uint64_t count = in.Varint();
  if (count == 0) return;
  Begin(*context.arguments);
  // Before memory is taken: no more than can be there.
  if (count > n_ || count > in.remaining() / (kPositionAfterLeast + columns_)) return in.MarkBad();
  at_.Resize(count);
  values_.Resize(count * columns_);
  Position before{context.base, {}};
  for (size_t i = count; i-- > 0;) {
    at_[i] = ReadPositionAfter(in, before);
    if (i + 1 < count && before < at_[i]) in.MarkBad();
    before = at_[i];
    for (size_t c = 0; c < columns_; ++c) {
      values_[i * columns_ + c].Borrow(ReadKept(in, context.arguments->types[c], before.time));
    }
    if (!in.ok()) return;
  }
}

template <bool kLatest>
size_t EventList<kLatest>::heap_bytes() const {
  size_t total = at_.heap_bytes() + values_.heap_bytes();
  for (const KeptValue& value : values_) total += value.heap_bytes();
  return total;
}

template class EventList<false>;
template class EventList<true>;

void DistinctList::Add(const Added& added) {
  if (n_ == 0) n_ = added.arguments.n;
  const Entry* same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return Value::Compare(entry.value.get(), added.value) == 0;
  });
  Entry entry;
  if (same != entries_.end()) {
    if (added.at < same->at) return;
    entry.value = std::move(entries_[same - entries_.begin()].value);
    entries_.Erase(same);
  } else {
    if (size() == n_) {
      if (added.at < entries_[0].at) return;
      entries_.Erase(entries_.begin());
    }
    entry.value.Own(added.value);
  }
  entry.at = added.at;
  size_t i = size();
  while (i > 0 && added.at < entries_[i - 1].at) --i;
  entries_.Insert(entries_.begin() + i, std::move(entry));
}

void DistinctList::Merge(const DistinctList& b, bool borrow) {
  if (b.size() == 0) return;
  if (n_ == 0) n_ = b.n_;
  const size_t mine = size();
  entries_.Resize(mine + b.size());
  for (size_t i = 0; i < b.size(); ++i) {
    entries_[mine + i].at = b.entries_[i].at;
    entries_[mine + i].value.Set(b.entries_[i].value, borrow);
  }
  // Of equal values the latest; of those the n latest.
  std::sort(entries_.begin(), entries_.end(), [](const Entry& x, const Entry& y) {
    const int order = Value::Compare(x.value.get(), y.value.get());
    return order != 0 ? order < 0 : y.at < x.at;
  });
  Entry* end = std::unique(entries_.begin(), entries_.end(), [](const Entry& x, const Entry& y) {
    return Value::Compare(x.value.get(), y.value.get()) == 0;
  });
  std::sort(entries_.begin(), end, [](const Entry& x, const Entry& y) { return x.at < y.at; });
  const auto distinct = static_cast<size_t>(end - entries_.begin());
  const size_t kept = std::min<size_t>(n_, distinct);
  if (kept < distinct) std::move(end - kept, end, entries_.begin());
  entries_.Resize(kept);
}

// count | from the newest to the oldest: position behind that of the one before (of the first: behind base) | value.
void DistinctList::Encode(ByteWriter& out, const CodingContext& context) const {
  out.Varint(size());
  Position before{context.base, {}};
  for (size_t i = size(); i-- > 0;) {
    WritePositionAfter(out, before, entries_[i].at);
    before = entries_[i].at;
    WriteKept(out, context.arguments->types[0], value(i), before.time);
  }
}

void DistinctList::Decode(ByteReader& in, const CodingContext& context) {
  const uint64_t count = in.Varint();
  if (count == 0) return;
  n_ = context.arguments->n;
  if (count > n_ || count > in.remaining() / (kPositionAfterLeast + 1)) return in.MarkBad();
  entries_.Resize(count);
  Position before{context.base, {}};
  for (size_t i = count; i-- > 0;) {
    Entry& entry = entries_[i];
    entry.at = ReadPositionAfter(in, before);
    if (i + 1 < count && before < entry.at) in.MarkBad();
    before = entry.at;
    entry.value.Borrow(ReadKept(in, context.arguments->types[0], before.time));
    if (entry.value.get().is_null()) in.MarkBad();
    if (!in.ok()) return;
  }
}

size_t DistinctList::heap_bytes() const {
  size_t total = entries_.heap_bytes();
  for (const Entry& entry : entries_) total += entry.value.heap_bytes();
  return total;
}

}  // namespace freshet
