// Which values are the most frequent. Up to `exact_to` distinct ones they are counted; past that Apache DataSketches' frequent
// items sketch holds the greater counts, each known to within `ErrorOf(exact_to)` of all values counted.
//
// Which of the forms depends on the set of values alone. What the sketch has let go does depend on the order of events and
// panes: the one exception to "the same log, the same answer" that semantics.md makes for it.
#pragma once

#include <cstdint>
#include <vector>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/keyed.h"

namespace freshet {

class TopK {
 public:
  struct Counted {
    Value value;
    uint64_t count = 0;
  };

  TopK() = default;
  TopK(const TopK& b) { *this = b; }
  TopK& operator=(const TopK& b);
  ~TopK();

  bool any() const { return exact_.any() || sketch_ != nullptr; }
  // At most k, by falling count, ties by value. Texts are borrowed. Past exact_to fewer, where the others are too rare to be told
  // apart; a count is then at most ErrorOf × all too great.
  std::vector<Counted> Top(uint32_t k) const;
  // The sketch had to let go of everything, which only keys that were made to collide bring about: counts are wrong.
  bool degraded() const { return degraded_; }

  void Add(const Added& added);
  void Combine(const TopK& b) { Merge(b, false); }
  void CombineBorrowed(const TopK& b) { Merge(b, true); }
  void Encode(ByteWriter& out, const CodingContext& context) const;
  void Decode(ByteReader& in, const CodingContext& context);
  size_t heap_bytes() const;
  static uint64_t EncodedMax(const AccumulatorArguments& arguments);
  static uint64_t EncodedOne(const AccumulatorArguments& arguments) {
    return 1 + Keyed<Count>::EntryMax(arguments);
  }

  // log2 of the sketch's slots: the least of which three quarters hold exact_to values.
  static uint8_t LgSlots(uint32_t exact_to);
  // How far a count past exact_to may be off, as a share of all values counted: 3.5 / slots.
  static double ErrorOf(uint32_t exact_to);

 private:
  struct Sketch;

  void Begin(const AccumulatorArguments& arguments);
  void Merge(const TopK& b, bool borrow);
  void Include(const Value& value, uint64_t times);
  void IncludeBytes(std::string_view bytes, uint64_t times);
  void Spill();                // exact_ into a new sketch_
  uint64_t uncounted() const;  // what of every value the sketch may not have counted
  void EncodeSketch(ByteWriter& out, const CodingContext& context) const;

  Keyed<Count> exact_;        // while there is no sketch_
  Sketch* sketch_ = nullptr;  // owned
  // Beside what the sketch_ knows itself.
  uint64_t uncounted_ = 0;
  uint32_t exact_to_ = 0;
  Type type_ = {};
  bool degraded_ = false;
};

}  // namespace freshet
