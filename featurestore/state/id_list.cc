#include "featurestore/state/id_list.h"

#include <algorithm>
#include <cstring>

#include "featurestore/aggregate/time_span.h"
#include "featurestore/base/hash.h"
#include "featurestore/model/entity_key.h"

namespace freshet {
namespace {

constexpr uint64_t kIdBytes = 8;
constexpr uint64_t kSpanMax = 6;  // up to a year in microseconds

}  // namespace

StatusOr<std::optional<IdListLayout>> IdListLayout::Of(const Source& source) {
  if (!source.dedup) return std::optional<IdListLayout>();
  const Dedup& dedup = *source.dedup;
  if (dedup.by.empty() || dedup.within.us <= 0 || dedup.max_ids == 0) {
    return Internal("source {}: its dedup has no fields, time or room", source.name);
  }
  for (const uint32_t field : dedup.by) {
    if (field >= source.fields.size() || !CanBeKey(source.fields[field].type)) {
      return Internal("source {}: field {} cannot be an event's id", source.name, field);
    }
  }
  return std::optional(IdListLayout(dedup));
}

std::optional<uint64_t> IdListLayout::IdOf(std::span<const Value> fields) const {
  uint64_t hash = 0;
  for (const uint32_t field : dedup_.by) {
    const Value& value = fields[field];
    if (value.is_null()) return std::nullopt;
    if (value.kind() == Value::Kind::kText) {
      hash = Hash64(value.as_text(), hash);
    } else {
      const int64_t number = value.as_int64();  // a time's and a bool's too
      char bytes[sizeof number];
      std::memcpy(bytes, &number, sizeof number);
      hash = Hash64({bytes, sizeof bytes}, hash);
    }
  }
  return hash;
}

uint64_t IdListLayout::encoded_max(uint64_t ids) const {
  const uint64_t count = ids < 128 ? 1 : ids < 16384 ? 2 : 3;
  return count + ids * (kIdBytes + kSpanMax);
}

bool IdList::Holds(uint64_t id, Timestamp t, Timestamp newest) const {
  const Duration within = layout_->within();
  for (size_t i = entries_.size(); i-- > begin_;) {
    const Entry& entry = entries_[i];
    if (entry.time < newest - within) return false;  // and all before it
    if (entry.id == id && entry.time - t <= within) return true;
  }
  return false;
}

uint32_t IdList::Add(uint64_t id, Timestamp t, Timestamp newest) {
  Evict(newest);
  if (t < newest - layout_->within()) return 0;
  const auto place =
      std::upper_bound(entries_.begin() + static_cast<std::ptrdiff_t>(begin_), entries_.end(), t,
                       [](Timestamp time, const Entry& entry) { return time < entry.time; });
  entries_.insert(place, {id, t});
  if (size() <= layout_->max_ids()) return 0;
  DropFront(1);
  return 1;
}

void IdList::Evict(Timestamp newest) {
  const Timestamp edge = newest - layout_->within();
  size_t gone = 0;
  while (gone < size() && entries_[begin_ + gone].time < edge) ++gone;
  DropFront(gone);
}

void IdList::DropFront(size_t count) {
  begin_ += count;
  if (begin_ < 16 || begin_ < entries_.size() / 2) return;
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(begin_));
  begin_ = 0;
}

// count | from the newest to the oldest: time of the one before (of the first: the row's newest event time) − its own | id.
void IdList::Encode(ByteWriter& out, Timestamp newest) const {
  out.Varint(size());
  Timestamp before = newest;
  for (size_t i = entries_.size(); i-- > begin_;) {
    WriteTimeSpan(out, before - entries_[i].time);
    out.Fixed64(entries_[i].id);
    before = entries_[i].time;
  }
}

void IdList::Decode(ByteReader& in, Timestamp newest) {
  const uint64_t count = in.Varint();
  if (count > layout_->max_ids() || count > in.remaining() / (1 + kIdBytes)) return in.MarkBad();
  entries_.resize(count);
  Timestamp before = newest;
  for (size_t i = count; i-- > 0;) {
    const Duration span = ReadTimeSpan(in);
    if (span < Duration{} || before - span < newest - layout_->within()) in.MarkBad();
    if (!in.ok()) return;
    before = entries_[i].time = before - span;
    entries_[i].id = in.Fixed64();
  }
}

}  // namespace freshet
