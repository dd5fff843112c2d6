#include "featurestore/aggregate/top_k.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <exception>
#include <frequent_items_sketch.hpp>
#include <memory>
#include <string>

#include "featurestore/base/hash.h"

namespace freshet {
namespace {

// The sketch's order of slots decides what it lets go: ours, so that it is the same on every machine.
struct HashBytesOf {
  size_t operator()(const std::string& bytes) const { return Hash64(bytes); }
};
using Items = datasketches::frequent_items_sketch<std::string, uint64_t, HashBytesOf>;

constexpr double kLoad = 0.75;               // of the slots that are filled before some values go
constexpr uint8_t kLgLeast = 3;              // DataSketches' own
constexpr uint64_t kTimesMost = 1ULL << 62;  // in all; damaged bytes alone tell of more

std::string BytesOf(const Value& value) {
  if (value.kind() == Value::Kind::kText) return std::string(value.as_text());
  uint64_t bits = 0;
  switch (value.kind()) {
    case Value::Kind::kDouble:
      bits = std::bit_cast<uint64_t>(value.as_double() + 0.0);  // one zero
      break;
    case Value::Kind::kTimestamp:
      bits = static_cast<uint64_t>(value.as_time().us);
      break;
    case Value::Kind::kBool:
      bits = value.as_bool() ? 1 : 0;
      break;
    default:
      bits = static_cast<uint64_t>(value.as_int64());
  }
  std::string bytes(sizeof bits, '\0');
  std::memcpy(bytes.data(), &bits, sizeof bits);
  return bytes;
}

// Text is borrowed from the bytes.
Value ValueOf(const std::string& bytes, Type type) {
  if (IsText(type)) return Value::Text(bytes);
  uint64_t bits = 0;
  std::memcpy(&bits, bytes.data(), std::min(sizeof bits, bytes.size()));
  switch (type) {
    case Type::kBool:
      return Value::Bool(bits != 0);
    case Type::kDouble:
    case Type::kFloat:
      return Value::Double(std::bit_cast<double>(bits));
    case Type::kTimestamp:
      return Value::Time({static_cast<int64_t>(bits)});
    default:
      return Value::Int64(static_cast<int64_t>(bits));
  }
}

struct Item {
  const std::string* bytes;
  uint64_t times;  // at least
};
// In the order of their bytes: equal sketches are stored alike.
std::vector<Item> ItemsOf(const Items& sketch) {
  std::vector<Item> items;
  for (const auto& row : sketch.get_frequent_items(datasketches::NO_FALSE_NEGATIVES, 0)) {
    items.push_back({&row.get_item(), row.get_lower_bound()});
  }
  std::sort(items.begin(), items.end(),
            [](const Item& a, const Item& b) { return *a.bytes < *b.bytes; });
  return items;
}

}  // namespace

struct TopK::Sketch {
  explicit Sketch(uint8_t lg_slots) : items(lg_slots) {}
  Items items;
};

uint8_t TopK::LgSlots(uint32_t exact_to) {
  uint8_t lg = kLgLeast;
  while (kLoad * static_cast<double>(uint64_t{1} << lg) < exact_to) ++lg;
  return lg;
}

double TopK::ErrorOf(uint32_t exact_to) { return Items::get_epsilon(LgSlots(exact_to)); }

TopK& TopK::operator=(const TopK& b) {
  if (this == &b) return *this;
  delete sketch_;
  sketch_ = b.sketch_ == nullptr ? nullptr : new Sketch(*b.sketch_);
  exact_ = b.exact_;
  uncounted_ = b.uncounted_;
  exact_to_ = b.exact_to_;
  type_ = b.type_;
  degraded_ = b.degraded_;
  return *this;
}

TopK::~TopK() { delete sketch_; }

void TopK::Begin(const AccumulatorArguments& arguments) {
  exact_to_ = arguments.exact_to;
  type_ = arguments.types[0];
}

void TopK::Add(const Added& added) {
  if (exact_to_ == 0) Begin(added.arguments);
  Include(added.value, 1);
}

void TopK::Include(const Value& value, uint64_t times) {
  if (sketch_ != nullptr) return IncludeBytes(BytesOf(value), times);
  exact_.Include(value, UINT32_MAX)->Combine({times});
  if (exact_.size() > exact_to_) Spill();
}

void TopK::IncludeBytes(std::string_view bytes, uint64_t times) {
  if (times > kTimesMost - sketch_->items.get_total_weight()) return;
  try {
    sketch_->items.update(std::string(bytes), times);
  } catch (const std::exception&) {
    // More than a thousand keys in one stretch of slots, which chance never brings about. Nothing is known any more but how
    // many there were.
    uncounted_ = std::min(uncounted_ + sketch_->items.get_total_weight() + times, kTimesMost);
    *sketch_ = Sketch(LgSlots(exact_to_));
    degraded_ = true;
  }
}

void TopK::Spill() {
  sketch_ = new Sketch(LgSlots(exact_to_));
  for (const auto& entry : exact_.entries()) IncludeBytes(BytesOf(entry.key.get()), entry.kept.n);
  exact_ = {};
}

void TopK::Merge(const TopK& b, bool borrow) {
  if (!b.any()) return;
  if (exact_to_ == 0) {
    exact_to_ = b.exact_to_;
    type_ = b.type_;
  }
  if (b.sketch_ == nullptr && sketch_ == nullptr) {
    if (borrow) {
      exact_.CombineBorrowed(b.exact_);
    } else {
      exact_.Combine(b.exact_);
    }
    if (exact_.size() > exact_to_) Spill();
    return;
  }
  if (sketch_ == nullptr) Spill();
  for (const auto& entry : b.exact_.entries()) Include(entry.key.get(), entry.kept.n);
  if (b.sketch_ == nullptr) return;
  // Not by the sketch's own merge, which forgets what one without items did not count.
  for (const Item& item : ItemsOf(b.sketch_->items)) IncludeBytes(*item.bytes, item.times);
  uncounted_ = std::min(uncounted_ + b.uncounted(), kTimesMost);
  degraded_ |= b.degraded_;
}

uint64_t TopK::uncounted() const {
  return std::min(uncounted_ + sketch_->items.get_maximum_error(), kTimesMost);
}

std::vector<TopK::Counted> TopK::Top(uint32_t k) const {
  std::vector<Counted> all;
  for (const auto& entry : exact_.entries()) all.push_back({entry.key.get(), entry.kept.n});
  if (sketch_ != nullptr) {
    for (const Item& item : ItemsOf(sketch_->items)) {
      all.push_back({ValueOf(*item.bytes, type_), item.times + uncounted()});
    }
  }
  const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(k, all.size()));
  std::partial_sort(all.begin(), end, all.end(), [](const Counted& a, const Counted& b) {
    return a.count != b.count ? a.count > b.count : Value::Compare(a.value, b.value) < 0;
  });
  all.erase(end, all.end());
  return all;
}

// 4 × count | by rising hash: value, times. Or the sketch: 4 × count + 2 × whether degraded + 1 | what was not counted | by
// rising bytes: value, times.
void TopK::Encode(ByteWriter& out, const CodingContext& context) const {
  if (sketch_ != nullptr) return EncodeSketch(out, context);
  out.Varint(uint64_t{exact_.size()} << 2);
  exact_.EncodeEntries(out, context);
}

void TopK::EncodeSketch(ByteWriter& out, const CodingContext& context) const {
  const std::vector<Item> items = ItemsOf(sketch_->items);
  out.Varint(uint64_t{items.size()} << 2 | (degraded_ ? 2 : 0) | 1);
  out.Varint(uncounted());
  for (const Item& item : items) {
    WriteKept(out, type_, ValueOf(*item.bytes, type_), context.base);
    out.Varint(item.times);
  }
}

void TopK::Decode(ByteReader& in, const CodingContext& context) {
  const uint64_t head = in.Varint();
  if (head == 0) return;
  Begin(*context.arguments);
  const uint64_t count = head >> 2;
  if ((head & 1) == 0) {
    if ((head & 2) != 0) return in.MarkBad();
    return exact_.DecodeEntries(in, context, count > exact_to_ ? UINT64_MAX : count, UINT32_MAX);
  }
  const double slots = static_cast<double>(uint64_t{1} << LgSlots(exact_to_));
  if (static_cast<double>(count) > kLoad * slots || count > in.remaining() / 2) {
    return in.MarkBad();
  }
  sketch_ = new Sketch(LgSlots(exact_to_));
  degraded_ = (head & 2) != 0;
  uncounted_ = in.Varint();
  if (uncounted_ > kTimesMost) in.MarkBad();
  std::string before;
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    const Value value = ReadKept(in, type_, context.base);
    const uint64_t times = in.Varint();
    if (value.is_null() || times == 0 || !in.ok() ||
        times > kTimesMost - sketch_->items.get_total_weight()) {
      return in.MarkBad();
    }
    std::string bytes = BytesOf(value);
    if (i > 0 && !(before < bytes)) return in.MarkBad();
    IncludeBytes(bytes, times);
    before = std::move(bytes);
  }
}

size_t TopK::heap_bytes() const {
  if (sketch_ == nullptr) return exact_.heap_bytes();
  // Of each slot a string, its count and how far it stands from home; texts beyond what a string holds itself.
  size_t total = sizeof(Sketch) + (size_t{1} << LgSlots(exact_to_)) *
                                      (sizeof(std::string) + sizeof(uint64_t) + sizeof(uint16_t));
  for (const Item& item : ItemsOf(sketch_->items)) {
    if (item.bytes->size() >= sizeof(std::string) / 2) total += item.bytes->size();
  }
  return total;
}

uint64_t TopK::EncodedMax(const AccumulatorArguments& arguments) {
  const uint64_t most = (uint64_t{1} << LgSlots(arguments.exact_to)) * 3 / 4;
  return 3 + 6 + most * Keyed<Count>::EntryMax(arguments);
}

}  // namespace freshet
