// Each block begins with the sentence of docs/semantics.md that it is.
#include "featurestore/oracle/collections.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "featurestore/base/hash.h"
#include "featurestore/model/packed.h"
#include "featurestore/oracle/aggregates.h"

namespace freshet::oracle {
namespace {

struct LessValue {
  bool operator()(const Value& a, const Value& b) const { return Value::Compare(a, b) < 0; }
};

// −0.0 and 0.0 are one value.
Value OneZero(const Value& value) {
  return value.kind() == Value::Kind::kDouble && value.as_double() == 0 ? Value::Double(0) : value;
}

Expected Present(Collection collection, size_t values) {
  Expected expected{.status = CellStatus::kPresent};
  expected.collection = std::move(collection);
  expected.values = values;
  return expected;
}

// "All others → NULL_VALUE": but the built-in 0 of count and sum, which with `by` is an empty map.
Expected Nothing(const Feature& feature) {
  if (feature.default_value) {
    return {.status = CellStatus::kPresent, .value = DefaultOf(feature)};
  }
  if (feature.arguments.by) return EmptyCollection(feature, CellStatus::kPresent);
  return {.status = CellStatus::kNullValue};
}

// "`first_n`, `last_n`: what the field held in the first or the last n events; nulls are kept".
Expected Events(const Feature& feature, const std::vector<const Kept*>& events) {
  if (events.empty()) return Nothing(feature);
  Collection list{.type = feature.type};
  for (const Kept* event : events) list.elements.push_back(Short(event->fields[*feature.of]));
  if (feature.aggregate == "last_n") std::reverse(list.elements.begin(), list.elements.end());
  if (list.elements.size() > feature.arguments.n) list.elements.resize(feature.arguments.n);
  return Present(std::move(list), events.size());
}

// "the n different values that came last, the newest first"; nulls are skipped.
Expected LastDistinct(const Feature& feature, const std::vector<const Kept*>& events) {
  Collection list{.type = feature.type};
  std::set<Value, LessValue> seen;
  size_t values = 0;
  for (size_t i = events.size(); i-- > 0;) {
    const Value value = Short(events[i]->fields[*feature.of]);
    if (value.is_null()) continue;
    ++values;
    if (list.elements.size() < feature.arguments.n && seen.insert(OneZero(value)).second) {
      list.elements.push_back(value);
    }
  }
  if (values == 0) return Nothing(feature);
  return Present(std::move(list), values);
}

using Counts = std::map<Value, uint64_t, LessValue>;

// "the k most frequent values, by falling count, ties by value; past `exact_to` different ones each count is within 3.5 / slots
// of all values, where three quarters of the slots, a power of two and at least 8, hold exact_to values".
Expected TopK(const Feature& feature, const std::vector<const Kept*>& events) {
  Counts counts;
  size_t values = 0;
  for (const Kept* event : events) {
    const Value value = Short(event->fields[*feature.of]);
    if (value.is_null()) continue;
    ++counts[OneZero(value)];
    ++values;
  }
  if (values == 0) return Nothing(feature);
  Collection top{.type = feature.type};
  for (const auto& [value, count] : counts) {
    top.entries.push_back({value, Value::Int64(static_cast<int64_t>(count))});
  }
  top.k = feature.arguments.n;
  if (counts.size() > feature.arguments.exact_to) {
    double slots = 8;
    while (slots * 0.75 < feature.arguments.exact_to) slots *= 2;
    top.count_error = 3.5 / slots * static_cast<double>(values);
    Expected sketched = Present(std::move(top), values);
    sketched.sketch_error = sketched.collection->count_error;
    return sketched;
  }
  std::stable_sort(top.entries.begin(), top.entries.end(), [](const auto& a, const auto& b) {
    return a.mapped.as_int64() > b.mapped.as_int64();
  });
  if (top.entries.size() > top.k) top.entries.resize(top.k);
  if (feature.arguments.counts) {
    std::sort(top.entries.begin(), top.entries.end(),
              [](const auto& a, const auto& b) { return Value::Compare(a.key, b.key) < 0; });
  } else {
    for (const auto& entry : top.entries) top.elements.push_back(entry.key);
    top.entries.clear();
  }
  return Present(std::move(top), values);
}

// "how many values fell between bounds: below b1, [b1, b2), b2 and above".
Expected Histogram(const Feature& feature, const std::vector<const Kept*>& events) {
  const std::vector<double>& bounds = feature.arguments.bounds;
  std::vector<int64_t> counts(bounds.size() + 1);
  size_t values = 0;
  for (const Kept* event : events) {
    const Value& value = event->fields[*feature.of];
    if (value.is_null()) continue;
    const long double x = value.kind() == Value::Kind::kInt64
                              ? static_cast<long double>(value.as_int64())
                              : static_cast<long double>(value.as_double());
    size_t bucket = 0;
    while (bucket < bounds.size() && x >= static_cast<long double>(bounds[bucket])) ++bucket;
    ++counts[bucket];
    ++values;
  }
  if (values == 0) return Nothing(feature);
  Collection list{.type = feature.type};
  for (const int64_t count : counts) list.elements.push_back(Value::Int64(count));
  return Present(std::move(list), values);
}

uint64_t HashOfKey(const Value& key) {
  if (key.kind() == Value::Kind::kText) return Hash64(key.as_text());
  uint64_t bits = key.kind() == Value::Kind::kDouble ? std::bit_cast<uint64_t>(key.as_double())
                                                     : static_cast<uint64_t>(key.as_int64());
  char bytes[8];
  for (char& byte : bytes) {
    byte = static_cast<char>(bits & 0xff);
    bits >>= 8;
  }
  return Hash64({bytes, 8});
}

// "`by` maps keep ... the `max_keys` keys of least xxh64(key bytes); what is kept is exact; DEGRADED if any pane covered
// dropped a key", or the answer did. "histogram ... without bounds a map by value".
Expected Map(const Feature& feature, const std::vector<const Kept*>& events) {
  struct Group {
    int64_t count = 0;
    __int128 integers = 0;
    long double sum = 0;
    long double sizes = 0;  // Σ|x|
  };
  std::map<Value, Group, LessValue> groups;
  const uint32_t key_field = feature.arguments.by ? *feature.arguments.by : *feature.of;
  size_t values = 0;
  for (const Kept* event : events) {
    const Value key = Short(event->fields[key_field]);
    Value value = feature.of ? event->fields[*feature.of] : Value::Bool(true);
    if (KeepsEvents(feature.window)) value = Short(value);
    if (key.is_null() || value.is_null()) continue;
    ++values;
    Group& group = groups[OneZero(key)];
    ++group.count;
    if (feature.aggregate != "sum") continue;
    if (value.kind() == Value::Kind::kInt64) {
      group.integers += value.as_int64();
    } else {
      group.sum += static_cast<long double>(value.as_double());
      group.sizes += std::fabs(static_cast<long double>(value.as_double()));
    }
  }
  if (groups.empty()) return Nothing(feature);
  std::vector<std::pair<uint64_t, Value>> by_hash;
  for (const auto& [key, group] : groups) by_hash.emplace_back(HashOfKey(key), key);
  std::sort(by_hash.begin(), by_hash.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : Value::Compare(a.second, b.second) < 0;
  });
  const bool dropped = by_hash.size() > feature.arguments.max_keys;
  if (dropped) by_hash.resize(feature.arguments.max_keys);
  std::set<Value, LessValue> kept;
  for (const auto& [hash, key] : by_hash) kept.insert(key);

  Collection map{.type = feature.type};
  for (const auto& [key, group] : groups) {
    if (!kept.contains(key)) continue;
    Collection::Entry entry{.key = key, .mapped = Value::Int64(group.count)};
    if (feature.aggregate == "sum" && MappedOf(feature.type) == Type::kInt64) {
      // "Integer sums ... are checked when finished: overflow is status ERROR."
      if (group.integers < INT64_MIN || group.integers > INT64_MAX) {
        return {.status = CellStatus::kError, .values = values};
      }
      entry.mapped = Value::Int64(static_cast<int64_t>(group.integers));
    } else if (feature.aggregate == "sum") {
      const auto sum = static_cast<double>(group.sum);
      if (!std::isfinite(sum)) return {.status = CellStatus::kError, .values = values};
      entry.mapped = Value::Double(sum);
      entry.scale = static_cast<double>(group.sizes);
    }
    map.entries.push_back(entry);
  }
  Expected expected = Present(std::move(map), values);
  expected.degraded = dropped;
  return expected;
}

// Of a sketch: what it answers is as frequent as it says, and nothing more frequent is missing, but for the error.
bool AgreesWithSketch(const Collection& expected, PackedReader& in, bool map) {
  if (in.size() > expected.k) return false;
  const double error = expected.count_error * (1 + 1e-9);
  Counts counts;
  for (const auto& entry : expected.entries) {
    counts[entry.key] = static_cast<uint64_t>(entry.mapped.as_int64());
  }
  double least = std::numeric_limits<double>::infinity();  // of those answered
  double before = least;  // exact count of the one before in a list
  const uint32_t answered = in.size();
  for (uint32_t i = 0; i < answered; ++i) {
    const auto found = counts.find(in.Next());
    if (found == counts.end()) return false;
    const auto exact = static_cast<double>(found->second);
    least = std::min(least, exact);
    // A list falls by the counts that are told, each of which may be too great; a map is in the order of its keys.
    if (!map && exact > before + error) return false;
    before = exact;
    if (map) {
      const Value told = in.Next();
      if (told.number() < exact || told.number() > exact + error) return false;
    }
    counts.erase(found);
  }
  for (const auto& [value, count] : counts) {
    const double most = answered < expected.k ? error : least + error;
    if (static_cast<double>(count) > most) return false;
  }
  return in.ok();
}

}  // namespace

Value Short(const Value& value) {
  return value.kind() == Value::Kind::kText && value.as_text().size() > 1024 ? Value() : value;
}

bool KeepsEvents(const Window& window) {
  return window.kind == WindowKind::kRows || window.kind == WindowKind::kExact;
}

bool GivesCollection(const Feature& feature) { return IsList(feature.type) || IsMap(feature.type); }

Expected EmptyCollection(const Feature& feature, CellStatus status) {
  Expected expected{.status = status};
  expected.collection = Collection{.type = feature.type};
  return expected;
}

Expected AggregateCollection(const Feature& feature, const std::vector<const Kept*>& events) {
  const std::string& name = feature.aggregate;
  if (name == "first_n" || name == "last_n") return Events(feature, events);
  if (name == "last_distinct_n") return LastDistinct(feature, events);
  if (name == "top_k") return TopK(feature, events);
  if (name == "histogram" && !feature.arguments.bounds.empty()) return Histogram(feature, events);
  return Map(feature, events);
}

std::string ToDebugString(const Expected& expected) {
  std::string text(CellStatusName(expected.status));
  if (expected.degraded) text += " DEGRADED";
  if (!expected.collection) {
    text += " " + freshet::ToDebugString(expected.value);
  } else {
    text += " [";
    for (const Value& element : expected.collection->elements) {
      text += freshet::ToDebugString(element) + ", ";
    }
    for (const auto& entry : expected.collection->entries) {
      text +=
          freshet::ToDebugString(entry.key) + ": " + freshet::ToDebugString(entry.mapped) + ", ";
    }
    text += "]";
  }
  if (expected.sketch_error) text += " ± " + std::to_string(*expected.sketch_error);
  return text;
}

bool AgreesWith(const Collection& expected, const Value& value) {
  if (value.kind() != Value::Kind::kPacked) return false;
  PackedReader in(value.as_packed());
  if (in.type() != expected.type) return false;
  const bool map = IsMap(expected.type);
  if (expected.count_error > 0) return AgreesWithSketch(expected, in, map);
  if (in.size() != (map ? expected.entries.size() : expected.elements.size())) return false;
  for (const Value& element : expected.elements) {
    if (in.Next() != element) return false;
  }
  for (const auto& entry : expected.entries) {
    if (in.Next() != entry.key) return false;
    const Value mapped = in.Next();
    if (entry.mapped.kind() != Value::Kind::kDouble) {
      if (mapped != entry.mapped) return false;
      continue;
    }
    const double bound = std::max(1e-9 * entry.scale, std::numeric_limits<double>::min());
    if (mapped.kind() != Value::Kind::kDouble) return false;
    if (!(std::fabs(mapped.as_double() - entry.mapped.as_double()) <= bound)) return false;
  }
  return in.ok();
}

}  // namespace freshet::oracle
