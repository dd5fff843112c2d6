// Counts and sums in which an event's weight halves with every half-life h that passed since it.
//
// Kept is Σ x · 2^((t − r) / h) for a reference time r that is a whole number of half-lives. To combine two of them the
// older is moved to the newer reference: whole halvings, exact in binary (below 2^-1022 they are lost, and
// small enough for it). Only the weight within its own half-life is rounded, once an event (3e-16 of its |x|), and
// the sum is compensated: whatever the order, it agrees to some 1e-15 of Σ|x| decayed, far below the 1e-9
// that answers are compared with. Weights never exceed 1, so nothing overflows however far times lie apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/numeric.h"

namespace freshet {

// 2^(t / h) = weight · 2^step; weight in [1/2, 1].
struct Halvings {
  int64_t step = 0;
  double weight = 1;
  static Halvings At(Timestamp t, Duration half_life) {
    int64_t whole = t.us / half_life.us;
    int64_t rest = t.us % half_life.us;
    if (rest < 0) {
      rest += half_life.us;
      --whole;
    }
    return {whole + 1,
            std::exp2(static_cast<double>(rest) / static_cast<double>(half_life.us) - 1)};
  }
};

// v · 2^by. Beyond ±5000 a double is 0 or infinite in any case.
inline double Scaled(double v, int64_t by) {
  return std::ldexp(v, static_cast<int>(std::clamp<int64_t>(by, -5000, 5000))) + 0.0;
}

template <bool kCount>
struct Decayed {
  DoubleSum sum;     // at the reference: step · half_life
  int64_t step = 0;  // one above the whole half-lives of the newest event

  bool any() const { return sum.any(); }
  // As of `time`, which is not before the newest event.
  double At(Timestamp time, Duration half_life) const {
    const Halvings then = Halvings::At(time, half_life);
    return Scaled(sum.total(), step - then.step) / then.weight;
  }

  void Add(const Added& added) {
    const Halvings h = Halvings::At(added.at.time, added.arguments.half_life);
    Include(DoubleSum::Binary(h.weight * (kCount ? 1 : added.value.number()) + 0.0), h.step);
  }
  void Combine(const Decayed& b) {
    if (b.any()) Include(b.sum, b.step);
  }
  void CombineBorrowed(const Decayed& b) { Combine(b); }
  void Encode(ByteWriter& out, const CodingContext& context) const {
    sum.Encode(out, context);
    if (any()) out.Signed(step - Halvings::At(context.base, context.arguments->half_life).step);
  }
  void Decode(ByteReader& in, const CodingContext& context) {
    sum.Decode(in, context);
    if (!any()) return;
    if (sum.form != DoubleSum::Form::kBinary) return in.MarkBad();  // weighed, none is a decimal
    const int64_t distance = in.Signed();
    if (distance > kFar || distance < -kFar) return in.MarkBad();
    const int64_t half_life = context.arguments->half_life.us;
    step = Halvings::At(context.base, {half_life}).step + distance;
    // Of the time of some event: so it is not too far from whatever it is stored beside.
    if (step < kMinEventTime.us / half_life || step > kMaxEventTime.us / half_life + 1) {
      in.MarkBad();
    }
  }
  size_t heap_bytes() const { return 0; }

 private:
  // Microseconds between any two event times are fewer.
  static constexpr int64_t kFar = int64_t{1} << 61;

  void Include(DoubleSum b, int64_t b_step) {
    if (!any()) {
      sum = b;
      step = b_step;
      return;
    }
    if (b_step > step) {
      Move(sum, step - b_step);
      step = b_step;
    } else if (b_step < step) {
      Move(b, b_step - step);
    }
    sum.Combine(b);
  }
  static void Move(DoubleSum& a, int64_t by) {
    a.sum = Scaled(a.sum, by);
    a.compensation = Scaled(a.compensation, by);
  }
};

}  // namespace freshet
