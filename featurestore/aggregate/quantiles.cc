#include "featurestore/aggregate/quantiles.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "featurestore/aggregate/numeric.h"

namespace freshet {
namespace {

constexpr int kMantissaBits = 52;
// Of bits_: below it all finite doubles would be a handful of buckets.
constexpr int kCoarsest = -8;

}  // namespace

// The bucket [a, b) with b = a·(1 + 2^-bits) at the widest; its value 2ab/(a+b) is at most 2^-bits / 2 from either end,
// relative to that end.
int Quantiles::BitsFor(double error) {
  int bits = 0;
  while (bits < 12 && std::ldexp(1.0, -bits - 1) > error) ++bits;
  return bits;
}

uint64_t Quantiles::BucketsMax(int declared_bits) { return kOctaves << declared_bits; }

int64_t Quantiles::KeyOf(double x, int bits) {
  const auto key =
      static_cast<int64_t>(std::bit_cast<uint64_t>(std::abs(x)) >> (kMantissaBits - bits));
  return x < 0 ? -key : key;
}

double Quantiles::ValueOf(int64_t key, int bits) {
  if (key == 0) return 0;
  const auto at = [bits](int64_t k) {
    const double v = std::bit_cast<double>(static_cast<uint64_t>(k) << (kMantissaBits - bits));
    return std::isfinite(v) ? v : std::numeric_limits<double>::max();
  };
  const double low = at(std::abs(key));
  const double high = at(std::abs(key) + 1);
  const double middle = low * (2 / (1 + low / high));  // 2ab/(a+b), without overflow
  return key < 0 ? -middle : middle;
}

void Quantiles::Begin(const AccumulatorArguments& arguments) {
  exact_to_ = arguments.exact_to;
  declared_bits_ = static_cast<int8_t>(BitsFor(arguments.error));
  bits_ = declared_bits_;
}

void Quantiles::Add(const Added& added) {
  const double x = added.value.number() + 0.0;  // one zero
  if (n_ == 0) Begin(added.arguments);
  if (n_ == kCountMost) return;
  ++n_;
  if (exact()) {
    values_.Insert(std::upper_bound(values_.begin(), values_.end(), x), x);
    return;
  }
  Spill();
  AddToBucket(x);
  Bound();
}

void Quantiles::AddToBucket(double x) {
  const int64_t key = KeyOf(x, bits_);
  Bucket* at = std::lower_bound(buckets_.begin(), buckets_.end(), key,
                                [](const Bucket& b, int64_t k) { return b.key < k; });
  if (at == buckets_.end() || at->key != key) {
    buckets_.Insert(at, {key, 1});
  } else {
    ++at->count;
  }
}

// Values are ascending, and so are their keys.
void Quantiles::Spill() {
  if (values_.empty()) return;
  HeapArray<Bucket> spilled;
  for (const double x : values_) {
    const int64_t key = KeyOf(x, bits_);
    if (!spilled.empty() && spilled[spilled.size() - 1].key == key) {
      ++spilled[spilled.size() - 1].count;
    } else {
      spilled.Append({key, 1});
    }
  }
  values_.Clear();
  MergeBuckets(spilled);
}

void Quantiles::MergeBuckets(const HeapArray<Bucket>& more) {
  if (buckets_.empty()) {
    buckets_ = more;
    return;
  }
  const HeapArray<Bucket> had = buckets_;
  buckets_.Resize(0);
  buckets_.Reserve(had.size() + more.size());
  size_t a = 0;
  size_t b = 0;
  while (a < had.size() || b < more.size()) {
    if (b == more.size() || (a < had.size() && had[a].key < more[b].key)) {
      buckets_.Append(had[a++]);
    } else if (a == had.size() || more[b].key < had[a].key) {
      buckets_.Append(more[b++]);
    } else {
      buckets_.Append({had[a].key, had[a].count + more[b].count});
      ++a;
      ++b;
    }
  }
}

void Quantiles::CoarsenTo(int bits) {
  if (bits >= bits_) return;
  const int drop = bits_ - bits;
  bits_ = static_cast<int8_t>(bits);
  size_t kept = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    const int64_t size = std::abs(buckets_[i].key) >> drop;
    const int64_t key = buckets_[i].key < 0 ? -size : size;
    if (kept > 0 && buckets_[kept - 1].key == key) {
      buckets_[kept - 1].count += buckets_[i].count;
    } else {
      buckets_[kept++] = {key, buckets_[i].count};
    }
  }
  buckets_.Resize(kept);
}

void Quantiles::Bound() {
  while (buckets_.size() > BucketsMax(declared_bits_) && bits_ > kCoarsest) CoarsenTo(bits_ - 1);
}

void Quantiles::Combine(const Quantiles& b) {
  if (b.n_ == 0) return;
  if (n_ == 0) {
    *this = b;
    return;
  }
  if (b.n_ > kCountMost - n_) return;
  n_ += b.n_;
  if (exact()) {
    const size_t before = values_.size();
    values_.Resize(before + b.values_.size());
    std::copy(b.values_.begin(), b.values_.end(), values_.begin() + before);
    std::inplace_merge(values_.begin(), values_.begin() + before, values_.end());
    return;
  }
  CoarsenTo(b.bits_);
  Spill();
  Quantiles other = b;
  other.CoarsenTo(bits_);
  other.Spill();
  MergeBuckets(other.buckets_);
  Bound();
}

double Quantiles::At(double q) const {
  const double wanted = std::ceil(q * static_cast<double>(n_));
  const uint64_t rank =
      wanted < 1 ? 1 : (wanted >= static_cast<double>(n_) ? n_ : static_cast<uint64_t>(wanted));
  if (!values_.empty()) return values_[std::min<uint64_t>(rank, values_.size()) - 1];
  uint64_t passed = 0;
  for (const Bucket& bucket : buckets_) {
    passed += bucket.count;
    if (passed >= rank) return ValueOf(bucket.key, bits_);
  }
  return 0;
}

// n | exact: the values, ascending | else: bits that were dropped, buckets, the first key (signed), then for each its
// distance from the last less one and its count less one.
void Quantiles::Encode(ByteWriter& out, const CodingContext&) const {
  out.Varint(n_);
  if (n_ == 0) return;
  if (exact()) {
    for (const double x : values_) out.Double(x);
    return;
  }
  out.Byte(static_cast<uint8_t>(declared_bits_ - bits_));
  out.Varint(buckets_.size());
  int64_t last = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    if (i == 0) {
      out.Signed(buckets_[i].key);
    } else {
      out.Varint(static_cast<uint64_t>(buckets_[i].key - last - 1));
    }
    last = buckets_[i].key;
    out.Varint(buckets_[i].count - 1);
  }
}

void Quantiles::Decode(ByteReader& in, const CodingContext& context) {
  const uint64_t n = ReadCount(in);
  if (n == 0) return;
  Begin(*context.arguments);
  if (n <= exact_to_) {
    if (n > in.remaining()) return in.MarkBad();
    values_.Reserve(n);
    for (uint64_t i = 0; i < n; ++i) {
      const double x = in.Double();
      if (!std::isfinite(x) || (i > 0 && !(values_[i - 1] <= x))) in.MarkBad();
      values_.Append(x);
    }
    if (in.ok()) {
      n_ = n;
    } else {
      values_.Clear();
    }
    return;
  }
  const int dropped = in.Byte();
  const uint64_t count = in.Varint();
  if (dropped > declared_bits_ - kCoarsest || count == 0 || count > BucketsMax(declared_bits_) ||
      count > in.remaining() / 2) {
    return in.MarkBad();
  }
  bits_ = static_cast<int8_t>(declared_bits_ - dropped);
  const int64_t greatest = KeyOf(std::numeric_limits<double>::max(), bits_);
  buckets_.Reserve(count);
  uint64_t left = n;
  int64_t key = 0;
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    if (i == 0) {
      key = in.Signed();
      if (key < -greatest) in.MarkBad();
    } else {
      const uint64_t distance = in.Varint();
      if (distance >= static_cast<uint64_t>(greatest - key)) return in.MarkBad();
      key += static_cast<int64_t>(distance) + 1;
    }
    const uint64_t more = in.Varint();
    if (key > greatest || more >= left) return in.MarkBad();
    left -= more + 1;
    buckets_.Append({key, more + 1});
  }
  if (left != 0) in.MarkBad();
  if (in.ok()) n_ = n;
}

uint64_t Quantiles::EncodedMax(const AccumulatorArguments& arguments) {
  constexpr uint64_t kBucketMax = 1 + 2;  // neighbours, of a count below 16384
  const uint64_t exact = uint64_t{9} * arguments.exact_to;
  return kCountMax + 1 + 2 + std::max(exact, kBucketMax * BucketsMax(BitsFor(arguments.error)));
}

}  // namespace freshet
