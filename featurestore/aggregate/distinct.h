// How many values are distinct. Up to `exact_to` of them their 64-bit hashes are kept, as good as the values
// themselves (of 256 values two collide once in 5·10^14 windows); past that a HyperLogLog: of each of 2^lg_k
// registers the greatest run of leading zeros that a hash brought. Registers are ours, so that equal sets have equal
// bytes; the estimate from them is Apache DataSketches' composite one, which no order of events changes.
//
// While few registers are set they are listed, in memory as in the stored form, so that a row of thousands of panes takes
// memory as its bytes say and not 64 KiB a pane.
#pragma once

#include <cstdint>
#include <optional>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/heap_array.h"

namespace freshet {

class Distinct {
 public:
  bool any() const { return !hashes_.empty() || estimated(); }
  // None: the estimator refused the registers, which only damaged bytes bring about.
  std::optional<uint64_t> Estimate() const;

  void Add(const Added& added);
  void Combine(const Distinct& b);
  void CombineBorrowed(const Distinct& b) { Combine(b); }
  void Encode(ByteWriter& out, const CodingContext& context) const;
  void Decode(ByteReader& in, const CodingContext& context);
  size_t heap_bytes() const {
    return hashes_.heap_bytes() + listed_.heap_bytes() + registers_.heap_bytes();
  }
  static uint64_t EncodedMax(const AccumulatorArguments& arguments);
  static uint64_t EncodedOne(const AccumulatorArguments&) { return 10; }

  // So many registers that 98 of 100 estimates are within `error` of the truth: 2.4 standard errors of 1.039/√k.
  static int LgRegisters(double error);

 private:
  // A register that is not 0: index << 8 | what it holds. So they sort by index.
  using Listed = HeapArray<uint32_t>;

  bool estimated() const { return !listed_.empty() || !registers_.empty(); }
  void Begin(const AccumulatorArguments& arguments);
  size_t register_count() const { return size_t{1} << lg_k_; }
  // What a register can hold at most.
  uint8_t greatest() const { return static_cast<uint8_t>(64 - lg_k_ + 1); }
  uint32_t ListedOf(uint64_t hash) const;
  void Include(uint32_t listed);
  void IncludeHashes(const HeapArray<uint64_t>& hashes);
  void IncludeListed(const Listed& listed);
  void Spill();         // hashes_ into registers
  void ExpandIfMany();  // listed_ into registers_
  uint64_t used() const;
  void EncodeRegisters(ByteWriter& out) const;
  void DecodeRegisters(ByteReader& in, uint64_t used);
  void DecodePacked(ByteReader& in, uint64_t used);

  // One of the three: hashes, ascending, while no more than exact_to_; then registers, ascending, while so few are set that
  // they are listed in the stored form; then all registers.
  HeapArray<uint64_t> hashes_;
  Listed listed_;
  HeapArray<uint8_t> registers_;
  uint32_t exact_to_ = 0;
  uint8_t lg_k_ = 0;
};

}  // namespace freshet
