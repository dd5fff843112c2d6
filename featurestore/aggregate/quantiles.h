// Quantiles: up to `exact_to` values as they are, past that a histogram whose buckets are about 2·error wide relative
// to their values, as DDSketch's. Where DDSketch takes logarithms, a bucket here is the leading bits of the double:
// the exponent and as many bits behind it as the error asks for. So it is the same on every machine, negative
// values mirror the positive, and a coarser histogram is made by dropping a bit.
//
// Which of the forms, and how coarse, depends on the set of values alone and not on their order: a part never has
// more values or more distinct buckets than the whole.
#pragma once

#include <cstdint>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/heap_array.h"

namespace freshet {

class Quantiles {
 public:
  uint64_t n() const { return n_; }
  // The least value with rank ≥ max(1, ceil(q·n)), or in the histogram a value within `error` of it. Only where n > 0.
  double At(double q) const;
  // More distinct buckets than kOctaves full powers of two: the histogram was made coarser than declared.
  bool degraded() const { return bits_ < declared_bits_; }

  void Add(const Added& added);
  void Combine(const Quantiles& b);
  void CombineBorrowed(const Quantiles& b) { Combine(b); }
  void Encode(ByteWriter& out, const CodingContext& context) const;
  void Decode(ByteReader& in, const CodingContext& context);
  size_t heap_bytes() const { return values_.heap_bytes() + buckets_.heap_bytes(); }
  static uint64_t EncodedMax(const AccumulatorArguments& arguments);
  static uint64_t EncodedOne(const AccumulatorArguments&) { return 10; }

 private:
  struct Bucket {
    int64_t key =
        0;  // leading bits of |x|, with x's sign; 0: of zero and the least subnormal numbers
    uint64_t count = 0;
  };
  static constexpr uint64_t kOctaves = 64;

  // Bits of the mantissa that a bucket keeps.
  static int BitsFor(double error);
  static uint64_t BucketsMax(int declared_bits);
  static int64_t KeyOf(double x, int bits);
  static double ValueOf(int64_t key, int bits);

  void Begin(const AccumulatorArguments& arguments);
  bool exact() const { return n_ <= exact_to_; }
  void AddToBucket(double x);
  void Spill();  // values_ into buckets_
  void CoarsenTo(int bits);
  void MergeBuckets(const HeapArray<Bucket>& more);
  void Bound();

  uint64_t n_ = 0;
  HeapArray<double> values_;   // ascending, while exact()
  HeapArray<Bucket> buckets_;  // by key, once not
  uint32_t exact_to_ = 0;
  int8_t declared_bits_ = 0;
  int8_t bits_ = 0;  // of the buckets; below 0 also exponents are merged
};

}  // namespace freshet
