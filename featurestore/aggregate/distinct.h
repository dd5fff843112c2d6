// How many values are distinct. Up to `exact_to` of them their 64-bit hashes are kept, as good as the values
// themselves (of 256 values two collide once in 5·10^14 windows); past that a HyperLogLog: of each of 2^lg_k
// registers the greatest run of leading zeros that a hash brought. Registers are ours, so that equal sets have equal
// bytes; the estimate from them is Apache DataSketches' composite one, which no order of events changes.
#pragma once

#include <cstdint>
#include <optional>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/heap_array.h"

namespace freshet {

class Distinct {
 public:
  bool any() const { return !hashes_.empty() || !registers_.empty(); }
  // None: the estimator refused the registers, which only damaged bytes bring about.
  std::optional<uint64_t> Estimate() const;

  void Add(const Added& added);
  void Combine(const Distinct& b);
  void CombineBorrowed(const Distinct& b) { Combine(b); }
  void Encode(ByteWriter& out, const CodingContext& context) const;
  void Decode(ByteReader& in, const CodingContext& context);
  size_t heap_bytes() const { return hashes_.heap_bytes() + registers_.heap_bytes(); }
  static uint64_t EncodedMax(const AccumulatorArguments& arguments);
  static uint64_t EncodedOne(const AccumulatorArguments&) { return 10; }

  // So many registers that 98 of 100 estimates are within `error` of the truth: 2.4 standard errors of 1.039/√k.
  static int LgRegisters(double error);

 private:
  void Begin(const AccumulatorArguments& arguments);
  size_t register_count() const { return size_t{1} << lg_k_; }
  void Include(uint64_t hash);
  void Spill();  // hashes_ into registers_
  void EncodeRegisters(ByteWriter& out) const;
  void DecodeRegisters(ByteReader& in, uint64_t used);

  HeapArray<uint64_t> hashes_;    // ascending, while no more than exact_to_
  HeapArray<uint8_t> registers_;  // all of them, once there were more
  uint32_t exact_to_ = 0;
  uint8_t lg_k_ = 0;
};

}  // namespace freshet
