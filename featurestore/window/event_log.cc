#include "featurestore/window/event_log.h"

#include <algorithm>
#include <cstring>

#include "featurestore/aggregate/kept_value.h"
#include "featurestore/aggregate/time_span.h"

namespace freshet {

bool EventLogLayout::Keeps(size_t rank, Timestamp t, Timestamp newest) const {
  return std::any_of(needs.begin(), needs.end(), [&](const Need& need) {
    return rank <= need.events && (!need.keep || t >= newest - *need.keep);
  });
}

std::optional<Duration> EventLogLayout::drops_reach() const {
  std::optional<Duration> reach;
  for (const Need& need : needs) {
    if (need.tells_drops) reach = std::max(reach.value_or(Duration{}), *need.keep);
  }
  return reach;
}

uint32_t EventLogLayout::events_max() const {
  uint32_t most = 0;
  for (const Need& need : needs) most = std::max(most, need.events);
  return most;
}

bool EventLogLayout::has_text() const {
  return std::any_of(columns.begin(), columns.end(),
                     [](const Column& column) { return IsText(column.type); });
}

uint64_t EventLogLayout::encoded_max() const {
  constexpr uint64_t kPlace = 6 + 2 + 4;  // time, partition, offset
  uint64_t bytes = kPlace;
  for (const Column& column : columns) {
    bytes += KeptBytesMax(column.type);
  }
  return bytes;
}

size_t EventLog::LowerBound(Timestamp t) const {
  const auto from = at_.begin() + static_cast<std::ptrdiff_t>(begin_);
  return static_cast<size_t>(
      std::partition_point(from, at_.end(), [t](const Position& at) { return at.time < t; }) -
      from);
}

void EventLog::Restore(size_t i, std::span<Value> fields) const {
  const Value* value = values(i);
  for (const EventLogLayout::Column& column : layout_->columns) fields[column.field] = *value++;
}

bool EventLog::Add(const Event& event, Timestamp newest) {
  if (!layout_->Reaches(event.time, newest)) return false;
  // Most events are the newest.
  const Position place = event.position();
  size_t i = size();
  while (i > 0 && place < at(i - 1)) --i;
  if (layout_->Keeps(size() - i + 1, event.time, newest)) {
    Insert(i, event);
  } else {
    NoteDrop(event.time);
  }
  Trim(newest);
  return true;
}

void EventLog::Insert(size_t i, const Event& event) {
  const auto place = static_cast<std::ptrdiff_t>(begin_ + i);
  at_.insert(at_.begin() + place, event.position());
  const auto first = values_.insert(
      values_.begin() + place * static_cast<std::ptrdiff_t>(columns()), columns(), Value());
  size_t text_bytes = 0;
  for (size_t c = 0; c < columns(); ++c) {
    Value& value = first[static_cast<std::ptrdiff_t>(c)];
    value = AsKept(event.fields[layout_->columns[c].field]);
    if (value.kind() == Value::Kind::kText) text_bytes += value.as_text().size();
    // −0.0 is stored as 0.0.
    if (value.kind() == Value::Kind::kDouble) value = Value::Double(value.as_double() + 0.0);
  }
  if (!layout_->has_text()) return;
  auto owned = text_bytes == 0 ? nullptr : std::make_unique<char[]>(text_bytes);
  char* free = owned.get();
  for (size_t c = 0; c < columns() && owned != nullptr; ++c) {
    Value& value = first[static_cast<std::ptrdiff_t>(c)];
    if (value.kind() != Value::Kind::kText) continue;
    const std::string_view text = value.as_text();
    if (!text.empty()) std::memcpy(free, text.data(), text.size());
    value = Value::Text({free, text.size()});
    free += text.size();
  }
  texts_.insert(texts_.begin() + place, std::move(owned));
}

void EventLog::NoteDrop(Timestamp t) {
  dropped_ = std::max(dropped_.value_or(Timestamp::Min()), t);
}

void EventLog::DropFront() {
  NoteDrop(at(0).time);
  if (!texts_.empty()) texts_[begin_].reset();
  ++begin_;
  // Half of it gone: move down.
  if (begin_ < 16 || begin_ < at_.size() / 2) return;
  const auto gone = static_cast<std::ptrdiff_t>(begin_);
  at_.erase(at_.begin(), at_.begin() + gone);
  values_.erase(values_.begin(), values_.begin() + gone * static_cast<std::ptrdiff_t>(columns()));
  if (!texts_.empty()) texts_.erase(texts_.begin(), texts_.begin() + gone);
  begin_ = 0;
}

void EventLog::Trim(Timestamp newest) {
  while (size() > 0 && !layout_->Keeps(size(), at(0).time, newest)) DropFront();
  const auto reach = layout_->drops_reach();
  if (dropped_ && (!reach || *dropped_ < newest - *reach)) dropped_.reset();
}

// count × 2 + whether a drop is told | from the newest event to the oldest: span of the time of the one before − this one's
// (not of the newest, whose time is the row's) | place in the log, as a difference from the one before | values | span of the
// oldest's time − the greatest dropped one's, where told.
void EventLog::Encode(ByteWriter& out, Timestamp newest) const {
  out.Varint(size() * 2 + (dropped_ ? 1 : 0));
  Position before{newest, {}};
  for (size_t i = size(); i-- > 0;) {
    const Position& here = at(i);
    if (i + 1 < size()) WriteTimeSpan(out, before.time - here.time);
    WritePlaceAfter(out, before.at, here.at);
    const Value* value = values(i);
    for (const EventLogLayout::Column& column : layout_->columns) {
      WriteKept(out, column.type, *value++, here.time);
    }
    before = here;
  }
  if (dropped_) WriteTimeSpan(out, before.time - *dropped_);
}

void EventLog::Decode(ByteReader& in, Timestamp newest) {
  const uint64_t head = in.Varint();
  const uint64_t count = head / 2;
  // The row has seen an event, and its newest is always kept. Before memory is taken: no more than can be there.
  if (count == 0 || count > layout_->events_max() ||
      count - 1 > in.remaining() / layout_->encoded_min()) {
    return in.MarkBad();
  }
  at_.resize(count);
  values_.resize(count * columns());
  if (layout_->has_text()) texts_.resize(count);
  Position before{newest, {}};
  for (size_t i = count; i-- > 0;) {
    Position here = before;
    if (i + 1 < count) here.time = before.time - ReadTimeSpan(in);
    here.at = ReadPlaceAfter(in, before.at);
    if (i + 1 < count && here > before) in.MarkBad();
    if (here.time < kMinEventTime || !in.ok()) return in.MarkBad();
    at_[i] = here;
    for (size_t c = 0; c < columns(); ++c) {
      values_[i * columns() + c] = ReadKept(in, layout_->columns[c].type, here.time);
    }
    before = here;
  }
  if (!layout_->Keeps(count, before.time, newest)) in.MarkBad();
  if (head % 2 == 0) return;
  const Timestamp dropped = before.time - ReadTimeSpan(in);
  const auto reach = layout_->drops_reach();
  if (!reach || dropped > before.time || dropped < newest - *reach) in.MarkBad();
  // It would be kept: then an event before it could come to be, and what is told could not be read again.
  if (layout_->Keeps(count + 1, dropped, newest)) in.MarkBad();
  dropped_ = dropped;
}

size_t EventLog::memory_bytes() const {
  size_t owned = 0;
  for (size_t i = begin_; i < texts_.size(); ++i) {
    if (texts_[i] == nullptr) continue;
    for (size_t c = 0; c < columns(); ++c) {
      const Value& value = values_[i * columns() + c];
      if (value.kind() == Value::Kind::kText) owned += value.as_text().size();
    }
  }
  return at_.capacity() * sizeof(Position) + values_.capacity() * sizeof(Value) +
         texts_.capacity() * sizeof(texts_[0]) + owned;
}

}  // namespace freshet
