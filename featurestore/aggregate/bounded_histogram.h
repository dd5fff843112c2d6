// How many values fell between given bounds: histogram with `bounds`.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/heap_array.h"
#include "featurestore/aggregate/numeric.h"

namespace freshet {

// Of bounds b1 … bn the n + 1 counts: below b1, [b1, b2), …, bn and above.
class BoundedHistogram {
 public:
  // Empty: no value.
  const HeapArray<uint64_t>& counts() const { return counts_; }

  void Add(const Added& added) {
    const std::vector<double>& bounds = added.arguments.bounds;
    if (counts_.empty()) counts_.Resize(bounds.size() + 1);
    const auto above = std::partition_point(
        bounds.begin(), bounds.end(), [&](double bound) { return !IsBelow(added.value, bound); });
    uint64_t& count = counts_[static_cast<size_t>(above - bounds.begin())];
    count = SumOfCounts(count, 1);
  }
  void Combine(const BoundedHistogram& b) {
    if (b.counts_.empty()) return;
    if (counts_.empty()) counts_.Resize(b.counts_.size());
    for (size_t i = 0; i < counts_.size(); ++i) {
      counts_[i] = SumOfCounts(counts_[i], b.counts_[i]);
    }
  }
  void CombineBorrowed(const BoundedHistogram& b) { Combine(b); }
  // How many are not 0 | of each: how many were left out before it | its count.
  void Encode(ByteWriter& out, const CodingContext&) const {
    out.Varint(counts_.size() -
               static_cast<uint64_t>(std::count(counts_.begin(), counts_.end(), uint64_t{0})));
    uint64_t skipped = 0;
    for (const uint64_t count : counts_) {
      if (count == 0) {
        ++skipped;
        continue;
      }
      out.Varint(skipped);
      out.Varint(count);
      skipped = 0;
    }
  }
  void Decode(ByteReader& in, const CodingContext& context) {
    const uint64_t used = in.Varint();
    if (used == 0) return;
    counts_.Resize(context.arguments->bounds.size() + 1);
    if (used > counts_.size()) return in.MarkBad();
    uint64_t i = 0;
    for (uint64_t k = 0; k < used; ++k, ++i) {
      const uint64_t skipped = in.Varint();
      const uint64_t count = ReadCount(in);
      if (count == 0 || skipped >= counts_.size() - std::min<uint64_t>(i, counts_.size())) {
        return in.MarkBad();
      }
      i += skipped;
      counts_[i] = count;
    }
  }
  size_t heap_bytes() const { return counts_.heap_bytes(); }
  static uint64_t EncodedMax(const AccumulatorArguments& arguments) {
    return 2 + (arguments.bounds.size() + 1) * (1 + kCountMax);
  }
  static uint64_t EncodedOne(const AccumulatorArguments&) { return 1 + 2 + 1; }

 private:
  // To the digit: not every int64 is a double.
  static bool IsBelow(const Value& value, double bound) {
    if (value.kind() != Value::Kind::kInt64) return value.as_double() < bound;
    if (bound >= 0x1p63) return true;
    return bound > -0x1p63 && value.as_int64() < static_cast<int64_t>(std::ceil(bound));
  }

  HeapArray<uint64_t> counts_;
};

}  // namespace freshet
