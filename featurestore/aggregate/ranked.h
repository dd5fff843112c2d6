// min_by and max_by: the value of one field where another is least or greatest.
#pragma once

#include "featurestore/aggregate/ordered.h"

namespace freshet {

// S holds what is returned, K what is compared. Of equal keys the later (time, incarnation, partition, offset) wins.
template <typename S, typename K, bool kGreatest>
struct Ranked {
  S kept;
  K key;
  Position at;
  bool any = false;

  void Add(const Added& added) {
    if (!Beats(added.order_by, added.at)) return;
    kept.Set(added.value);
    key.Set(added.order_by);
    at = added.at;
    any = true;
  }
  void Combine(const Ranked& b) {
    if (!b.any || !Beats(b.key.value(), b.at)) return;
    *this = b;
  }
  void CombineBorrowed(const Ranked& b) {
    if (!b.any || !Beats(b.key.value(), b.at)) return;
    Take(kept, b.kept);
    Take(key, b.key);
    at = b.at;
    any = true;
  }
  void Encode(ByteWriter& out, const CodingContext& context) const {
    kept.Encode(any, out, context);
    if (!any) return;
    key.Encode(true, out, context);
    WritePosition(out, at, context);
  }
  void Decode(ByteReader& in, const CodingContext& context) {
    any = kept.Decode(in, context);
    if (!any) return;
    if (!key.Decode(in, context)) in.MarkBad();
    at = ReadPosition(in, context);
  }
  size_t heap_bytes() const {
    size_t total = 0;
    if constexpr (kIsText<S>) total += kept.heap_bytes();
    if constexpr (kIsText<K>) total += key.heap_bytes();
    return total;
  }

 private:
  template <typename T>
  static void Take(T& a, const T& b) {
    if constexpr (kIsText<T>) {
      a.Borrow(b);
    } else {
      a = b;
    }
  }
  bool Beats(const Value& value, const Position& position) const {
    if (!any) return true;
    const int order = Value::Compare(value, key.value());
    if (order != 0) return kGreatest ? order > 0 : order < 0;
    return position > at;
  }
};

}  // namespace freshet
