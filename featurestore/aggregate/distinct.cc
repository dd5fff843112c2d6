#include "featurestore/aggregate/distinct.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <exception>
#include <hll.hpp>
#include <span>
#include <vector>

#include "featurestore/aggregate/kept_value.h"

namespace freshet {
namespace {

constexpr int kLgLeast = 4;
constexpr int kLgMost = 16;

// All registers in DataSketches' stored form (of HLL_8), whose reader is the one way to hand registers to its estimator:
// 40 bytes of preamble, then a byte each.
std::vector<uint8_t> ImageOf(const HeapArray<uint32_t>& listed, const HeapArray<uint8_t>& all,
                             int lg_k) {
  constexpr size_t kPreamble = 40;
  constexpr uint8_t kPreambleInts = 10;
  constexpr uint8_t kSerialVersion = 1;
  constexpr uint8_t kFamily = 7;
  constexpr uint8_t kOutOfOrder = 16;  // no estimate that depends on order
  constexpr uint8_t kHll8 = 2 | 2 << 2;
  std::vector<uint8_t> image(kPreamble + (size_t{1} << lg_k));
  const std::span<uint8_t> registers = std::span(image).subspan(kPreamble);
  std::copy(all.begin(), all.end(), registers.begin());
  for (const uint32_t one : listed) registers[one >> 8] = static_cast<uint8_t>(one);
  const std::array<uint8_t, 8> head = {
      kPreambleInts, kSerialVersion, kFamily, static_cast<uint8_t>(lg_k), 0, kOutOfOrder, 0, kHll8};
  std::copy(head.begin(), head.end(), image.begin());
  // Σ 2^-register, of those below 32 and of the others; both exact. Then how many are 0.
  double low = 0;
  double high = 0;
  uint32_t zeros = 0;
  for (const uint8_t r : registers) {
    (r < 32 ? low : high) += std::ldexp(1.0, -r);
    zeros += r == 0 ? 1 : 0;
  }
  std::memcpy(&image[16], &low, 8);
  std::memcpy(&image[24], &high, 8);
  std::memcpy(&image[32], &zeros, 4);
  return image;
}

// Few registers are listed; many are packed, half a byte each. Which is judged by their number, for equal bytes.
bool IsPacked(uint64_t used, uint64_t count) { return used * 3 > count / 2; }
constexpr uint8_t kAbove = 15;  // packed: the register follows the packed ones

}  // namespace

int Distinct::LgRegisters(double error) {
  int lg = kLgLeast;
  while (lg < kLgMost && 2.4 * 1.03896 / std::sqrt(std::ldexp(1.0, lg)) > error) ++lg;
  return lg;
}

std::optional<uint64_t> Distinct::Estimate() const {
  if (!estimated()) return hashes_.size();
  try {
    const std::vector<uint8_t> image = ImageOf(listed_, registers_, lg_k_);
    const auto sketch = datasketches::hll_sketch::deserialize(image.data(), image.size());
    const double estimate = std::round(sketch.get_composite_estimate());
    if (!(estimate >= 0 && estimate < 0x1p63)) return std::nullopt;
    // The truth is above exact_to, or there would be no registers.
    return std::max(static_cast<uint64_t>(estimate), uint64_t{exact_to_} + 1);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void Distinct::Begin(const AccumulatorArguments& arguments) {
  exact_to_ = arguments.exact_to;
  lg_k_ = static_cast<uint8_t>(LgRegisters(arguments.error));
}

void Distinct::Add(const Added& added) {
  if (!any()) Begin(added.arguments);
  const uint64_t hash = HashOf(added.value);
  if (estimated()) return Include(ListedOf(hash));
  uint64_t* at = std::lower_bound(hashes_.begin(), hashes_.end(), hash);
  if (at != hashes_.end() && *at == hash) return;
  hashes_.Insert(at, hash);
  if (hashes_.size() > exact_to_) Spill();
}

// The low bits name the register, the leading zeros of the others are counted.
uint32_t Distinct::ListedOf(uint64_t hash) const {
  const uint64_t low = register_count() - 1;
  return static_cast<uint32_t>(hash & low) << 8 |
         (static_cast<uint32_t>(std::countl_zero(hash | low)) + 1);
}

void Distinct::Include(uint32_t listed) {
  const uint32_t index = listed >> 8;
  if (!registers_.empty()) {
    registers_[index] = std::max(registers_[index], static_cast<uint8_t>(listed));
    return;
  }
  uint32_t* at = std::lower_bound(listed_.begin(), listed_.end(), index << 8);
  if (at != listed_.end() && *at >> 8 == index) {
    *at = std::max(*at, listed);
    return;
  }
  listed_.Insert(at, listed);
  ExpandIfMany();
}

void Distinct::IncludeHashes(const HeapArray<uint64_t>& hashes) {
  Listed listed;
  listed.Resize(hashes.size());
  std::transform(hashes.begin(), hashes.end(), listed.begin(),
                 [this](uint64_t hash) { return ListedOf(hash); });
  std::sort(listed.begin(), listed.end());
  IncludeListed(listed);
}

// By rising index; of one index what comes last is the greatest.
void Distinct::IncludeListed(const Listed& listed) {
  // Few beside many find their places one by one: the panes of a window come so.
  if (!registers_.empty() || listed.size() * 8 < listed_.size()) {
    for (const uint32_t one : listed) Include(one);
    return;
  }
  Listed both;
  both.Resize(listed_.size() + listed.size());
  std::merge(listed_.begin(), listed_.end(), listed.begin(), listed.end(), both.begin());
  size_t kept = 0;
  for (const uint32_t one : both) {
    if (kept > 0 && both[kept - 1] >> 8 == one >> 8) --kept;
    both[kept++] = one;
  }
  both.Resize(kept);
  listed_ = both;  // a copy, of no more memory than it needs
  ExpandIfMany();
}

void Distinct::Spill() {
  const HeapArray<uint64_t> hashes = hashes_;
  hashes_.Clear();
  IncludeHashes(hashes);
}

void Distinct::ExpandIfMany() {
  if (!IsPacked(listed_.size(), register_count())) return;
  registers_.Resize(register_count());
  for (const uint32_t one : listed_) registers_[one >> 8] = static_cast<uint8_t>(one);
  listed_.Clear();
}

void Distinct::Combine(const Distinct& b) {
  if (!b.any()) return;
  if (!any()) {
    *this = b;
    return;
  }
  if (!estimated() && !b.estimated()) {
    HeapArray<uint64_t> both;
    both.Resize(hashes_.size() + b.hashes_.size());
    const uint64_t* end = std::set_union(hashes_.begin(), hashes_.end(), b.hashes_.begin(),
                                         b.hashes_.end(), both.begin());
    both.Resize(static_cast<size_t>(end - both.begin()));
    hashes_ = both;
    if (hashes_.size() > exact_to_) Spill();
    return;
  }
  if (!hashes_.empty()) Spill();
  IncludeHashes(b.hashes_);
  IncludeListed(b.listed_);
  if (b.registers_.empty()) return;
  if (registers_.empty()) {
    const Listed mine = listed_;
    listed_.Clear();
    registers_ = b.registers_;
    return IncludeListed(mine);
  }
  for (size_t i = 0; i < b.registers_.size(); ++i) {
    registers_[i] = std::max(registers_[i], b.registers_[i]);
  }
}

uint64_t Distinct::used() const {
  if (registers_.empty()) return listed_.size();
  return static_cast<uint64_t>(
      std::count_if(registers_.begin(), registers_.end(), [](uint8_t r) { return r != 0; }));
}

// 2 · number of hashes, then the hashes | 2 · number of registers that are not 0, plus 1, then the registers.
void Distinct::Encode(ByteWriter& out, const CodingContext&) const {
  if (!estimated()) {
    out.Varint(uint64_t{hashes_.size()} << 1);
    for (const uint64_t hash : hashes_) out.Fixed64(hash);
    return;
  }
  EncodeRegisters(out);
}

void Distinct::EncodeRegisters(ByteWriter& out) const {
  out.Varint(used() << 1 | 1);
  if (registers_.empty()) {
    uint32_t next = 0;
    for (const uint32_t one : listed_) {
      out.Varint((one >> 8) - next);
      out.Byte(static_cast<uint8_t>(one));
      next = (one >> 8) + 1;
    }
    return;
  }
  const uint8_t least = *std::min_element(registers_.begin(), registers_.end());
  out.Byte(least);
  const auto packed = [&](size_t i) {
    return std::min<uint8_t>(static_cast<uint8_t>(registers_[i] - least), kAbove);
  };
  for (size_t i = 0; i < registers_.size(); i += 2) {
    out.Byte(static_cast<uint8_t>(packed(i) | packed(i + 1) << 4));
  }
  for (size_t i = 0; i < registers_.size(); ++i) {
    if (packed(i) == kAbove) out.Byte(registers_[i]);
  }
}

void Distinct::Decode(ByteReader& in, const CodingContext& context) {
  const uint64_t head = in.Varint();
  if (head == 0) return;
  Begin(*context.arguments);
  if ((head & 1) != 0) return DecodeRegisters(in, head >> 1);
  const uint64_t count = head >> 1;
  if (count > exact_to_ || count > in.remaining() / 8) return in.MarkBad();
  hashes_.Resize(count);
  for (uint64_t i = 0; i < count; ++i) {
    hashes_[i] = in.Fixed64();
    if (i > 0 && hashes_[i] <= hashes_[i - 1]) in.MarkBad();
  }
}

void Distinct::DecodeRegisters(ByteReader& in, uint64_t used) {
  if (used == 0 || used > register_count()) return in.MarkBad();
  if (IsPacked(used, register_count())) return DecodePacked(in, used);
  // Before memory is taken: no more than can be there.
  if (in.remaining() < used * 2) return in.MarkBad();
  listed_.Resize(used);
  uint64_t next = 0;
  for (uint32_t& one : listed_) {
    const uint64_t skipped = in.Varint();
    const uint8_t r = in.Byte();
    if (skipped >= register_count() - next || r == 0 || r > greatest()) return in.MarkBad();
    one = static_cast<uint32_t>(next + skipped) << 8 | r;
    next += skipped + 1;
  }
}

void Distinct::DecodePacked(ByteReader& in, uint64_t used) {
  if (in.remaining() < register_count() / 2) return in.MarkBad();
  const uint8_t least = in.Byte();
  if (least > greatest()) return in.MarkBad();
  registers_.Resize(register_count());
  for (size_t i = 0; i < registers_.size(); i += 2) {
    const uint8_t two = in.Byte();
    registers_[i] = static_cast<uint8_t>(least + (two & 15));
    registers_[i + 1] = static_cast<uint8_t>(least + (two >> 4));
  }
  for (uint8_t& r : registers_) {
    if (r == least + kAbove) {
      r = in.Byte();
      if (r < least + kAbove) in.MarkBad();
    }
    if (r > greatest()) in.MarkBad();
  }
  if (this->used() != used) in.MarkBad();
}

uint64_t Distinct::EncodedMax(const AccumulatorArguments& arguments) {
  const uint64_t registers = uint64_t{1} << LgRegisters(arguments.error);
  const uint64_t exact = uint64_t{8} * arguments.exact_to;
  // Of a packed register one in 2^14 stands beside.
  return 4 + std::max(exact, registers / 2 + 1 + registers / 1024);
}

}  // namespace freshet
