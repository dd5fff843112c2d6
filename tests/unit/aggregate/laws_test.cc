// The laws of accumulator.h, for every accumulator over every type of field that it works for.
#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/catalog.h"
#include "featurestore/aggregate/decayed.h"
#include "featurestore/aggregate/four_moments.h"
#include "featurestore/aggregate/numeric.h"
#include "featurestore/aggregate/top_k.h"

namespace freshet {
namespace {

constexpr std::array kKinds = {
    AccumulatorKind::kRowCount,  AccumulatorKind::kValueCount,    AccumulatorKind::kSum,
    AccumulatorKind::kMoments,   AccumulatorKind::kMin,           AccumulatorKind::kMax,
    AccumulatorKind::kFirst,     AccumulatorKind::kLast,          AccumulatorKind::kFourMoments,
    AccumulatorKind::kMinBy,     AccumulatorKind::kMaxBy,         AccumulatorKind::kFirstTime,
    AccumulatorKind::kLastTime,  AccumulatorKind::kDecayedCount,  AccumulatorKind::kDecayedSum,
    AccumulatorKind::kQuantiles, AccumulatorKind::kDistinct,      AccumulatorKind::kFirstN,
    AccumulatorKind::kLastN,     AccumulatorKind::kLastDistinctN, AccumulatorKind::kTopK,
    AccumulatorKind::kHistogram, AccumulatorKind::kKeyedCount,    AccumulatorKind::kKeyedSum,
};
constexpr std::array kTypes = {Type::kBool,   Type::kInt64, Type::kDouble,   Type::kFloat,
                               Type::kString, Type::kBytes, Type::kTimestamp};
// exact_to is small, so that both forms of those that have two are met; so are n and max_keys, that something is dropped.
// The types are those of the accumulator in hand.
AccumulatorArguments& Arguments() {
  static auto& arguments = *new AccumulatorArguments{.exact_to = 4,
                                                     .error = 0.1,
                                                     .half_life = Duration::Seconds(1),
                                                     .n = 3,
                                                     .max_keys = 3,
                                                     .bounds = {-100, 0, 0.5, 100}};
  return arguments;
}
const CodingContext kContext{{1'700'000'000'000'000}, &Arguments()};

struct Sample {
  Value value;
  Value order_by;
  Position at;
  Added added() const { return {value, order_by, at, Arguments(), {&value, 1}}; }
};

// Owns texts that samples borrow.
struct Samples {
  std::vector<std::unique_ptr<std::string>> texts;
  std::vector<Sample> all;
};

constexpr int kSamplesMost = 12;

constexpr std::array kOrderTypes = {Type::kInt64, Type::kString, Type::kBool, Type::kTimestamp};

// Whole numbers, so that sums of doubles are exact and laws can be checked to the bit.
Value GenerateValue(Type type, Samples& samples) {
  Sample sample;
  {
    const auto number = *rc::gen::inRange<int64_t>(-1000, 1000);
    switch (type) {
      case Type::kBool:
        sample.value = Value::Bool(number > 0);
        break;
      case Type::kInt64:
        sample.value =
            Value::Int64(*rc::gen::element(int64_t{number}, INT64_MAX, INT64_MIN, int64_t{0}));
        break;
      case Type::kDouble:
      case Type::kFloat:
        sample.value = Value::Double(static_cast<double>(number) / 8);
        break;
      case Type::kTimestamp:
        sample.value = Value::Time({kContext.base.us + number * 999'999});
        break;
      case Type::kString:
      case Type::kBytes:
        sample.value = Value::Text(*samples.texts.emplace_back(
            std::make_unique<std::string>(*rc::gen::arbitrary<std::string>())));
        break;
    }
  }
  return sample.value;
}

Samples Generate(Type type, size_t count, Type order_by = Type::kInt64) {
  Samples samples;
  for (size_t i = 0; i < count; ++i) {
    Sample sample;
    sample.value = GenerateValue(type, samples);
    sample.order_by = GenerateValue(order_by, samples);
    const auto step = *rc::gen::element<int64_t>(500'000, 500'000, 500'000, 4'000'000'000'000);
    sample.at.time = {kContext.base.us + *rc::gen::inRange<int64_t>(-3, 3) * step};
    // Offsets are unlike, as in a log; times and partitions tie.
    sample.at.at = {static_cast<uint32_t>(*rc::gen::inRange(0, 2)), *rc::gen::inRange(0, 3),
                    static_cast<int64_t>(i)};
    samples.all.push_back(sample);
  }
  return samples;
}

// An accumulator in memory of its own.
class Held {
 public:
  explicit Held(const AccumulatorOps& ops) : ops_(ops), memory_((ops.size + 7) / 8) {}
  Held(const AccumulatorOps& ops, std::span<const Sample> samples) : Held(ops) {
    for (const Sample& sample : samples) ops.add(get(), sample.added());
  }
  Held(const Held&) = delete;
  ~Held() {
    if (ops_.destroy != nullptr) ops_.destroy(get());
  }
  void* get() { return memory_.data(); }
  const void* get() const { return memory_.data(); }
  std::string Bytes() const {
    std::string bytes;
    ByteWriter out(bytes);
    ops_.encode(get(), out, kContext);
    return bytes;
  }

 private:
  const AccumulatorOps& ops_;
  std::vector<uint64_t> memory_;  // zeros: the identity
};

template <typename A>
const A& As(const Held& held) {
  return *static_cast<const A*>(held.get());
}

void CheckNear(double a, double b, double scale) { RC_ASSERT(std::abs(a - b) <= 1e-9 * scale); }

// Equal stored bytes: the strictest equality there is. Where something is rounded: equal to 1e-9 of the scale that
// entered, |x| ≤ 1000/8, and 2^63 for int64.
void CheckSame(const AccumulatorOps& ops, const Held& a, const Held& b, Type type) {
  const double most = type == Type::kInt64 ? 0x1p63 : 125;
  const auto decayed = [&]<bool kCount>(const Decayed<kCount>& x, const Decayed<kCount>& y) {
    RC_ASSERT(x.any() == y.any());
    RC_ASSERT(x.step == y.step);
    RC_ASSERT(std::abs(x.sum.total() - y.sum.total()) <= 1e-13 * 12 * (kCount ? 1 : most));
  };
  switch (ops.kind) {
    case AccumulatorKind::kMoments: {
      const auto& x = As<Moments>(a);
      const auto& y = As<Moments>(b);
      RC_ASSERT(x.n == y.n);
      CheckNear(x.mean.DistanceOf(y.mean), 0, most);
      CheckNear(x.m2, y.m2, 12 * most * most);
      break;
    }
    case AccumulatorKind::kFourMoments: {
      const auto& x = As<FourMoments>(a);
      const auto& y = As<FourMoments>(b);
      RC_ASSERT(x.n == y.n);
      CheckNear(x.mean.DistanceOf(y.mean), 0, most);
      CheckNear(x.m2, y.m2, 12 * most * most);
      CheckNear(x.m3, y.m3, 12 * most * most * most);
      CheckNear(x.m4, y.m4, 12 * most * most * most * most);
      break;
    }
    case AccumulatorKind::kDecayedCount:
      decayed(As<Decayed<true>>(a), As<Decayed<true>>(b));
      break;
    case AccumulatorKind::kDecayedSum:
      decayed(As<Decayed<false>>(a), As<Decayed<false>>(b));
      break;
    case AccumulatorKind::kTopK: {
      const auto& x = As<TopK>(a);
      const auto& y = As<TopK>(b);
      RC_ASSERT((a.Bytes()[0] & 1) == (b.Bytes()[0] & 1));
      if ((a.Bytes()[0] & 1) == 0) {
        RC_ASSERT(a.Bytes() == b.Bytes());
        break;
      }
      // What a sketch lets go depends on the order; how far it may be off does not.
      RC_ASSERT(x.Top(100).size() <= 6U);
      RC_ASSERT(y.Top(100).size() <= 6U);
      const double off = TopK::ErrorOf(Arguments().exact_to) * kSamplesMost;
      for (const TopK::Counted& one : x.Top(100)) {
        for (const TopK::Counted& other : y.Top(100)) {
          if (Value::Compare(one.value, other.value) != 0) continue;
          RC_ASSERT(std::abs(static_cast<double>(one.count) - static_cast<double>(other.count)) <=
                    off);
        }
      }
      break;
    }
    default:
      RC_ASSERT(a.Bytes() == b.Bytes());
  }
}

// `check` is given an accumulator's table, the type of its field and that of order_by.
template <typename Check>
void ForEach(const std::string& law, const Check& check) {
  for (const AccumulatorKind kind : kKinds) {
    const std::string name = law + ": " + std::string(AccumulatorKindName(kind));
    const auto run = [&](const std::string& of, const AccumulatorOps& ops, Type type,
                         Type order_by) {
      Arguments().types[0] = IsKeyed(kind) ? order_by : type;
      CHECK(rc::check(of, [&] { check(ops, type, order_by); }));
    };
    if (const auto* ops = FindAccumulator(kind, std::nullopt)) {
      for (const Type type : KeepsEvents(kind) ? std::span<const Type>(kTypes)
                                               : std::span<const Type>(&kTypes[1], 1)) {
        run(name, *ops, type, Type::kInt64);
      }
    }
    for (const Type type : kTypes) {
      const std::string of = name + " of " + std::string(TypeName(type));
      if (const auto* ops = FindAccumulator(kind, type)) {
        run(of, *ops, type, Type::kInt64);
      }
      for (const Type order_by : kOrderTypes) {
        if (const auto* ops = FindAccumulator(kind, type, order_by)) {
          run(of + " by " + std::string(TypeName(order_by)), *ops, type, order_by);
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("each is a monoid: combining with the identity changes nothing") {
  ForEach("identity", [](const AccumulatorOps& ops, Type type, Type order_by) {
    const Samples s = Generate(type, *rc::gen::inRange(0, 6), order_by);
    Held a(ops, s.all);
    const Held same(ops, s.all);
    const Held none(ops);
    ops.combine(a.get(), none.get());
    RC_ASSERT(a.Bytes() == same.Bytes());
    Held from_none(ops);
    ops.combine(from_none.get(), a.get());
    RC_ASSERT(from_none.Bytes() == same.Bytes());
  });
}

TEST_CASE("combine is associative, and commutative by way of (time, partition, offset)") {
  ForEach("associative and commutative", [](const AccumulatorOps& ops, Type type, Type order_by) {
    const Samples s = Generate(type, *rc::gen::inRange(0, kSamplesMost), order_by);
    const size_t one = *rc::gen::inRange<size_t>(0, s.all.size() + 1);
    const size_t two = *rc::gen::inRange<size_t>(one, s.all.size() + 1);
    const std::span<const Sample> all(s.all);
    const auto a = all.first(one), b = all.subspan(one, two - one), c = all.subspan(two);
    Held left(ops, a);  // (a + b) + c
    ops.combine(left.get(), Held(ops, b).get());
    ops.combine(left.get(), Held(ops, c).get());
    Held right(ops, b);  // a + (b + c)
    ops.combine(right.get(), Held(ops, c).get());
    Held first(ops, a);
    ops.combine(first.get(), right.get());
    CheckSame(ops, left, first, type);
    Held turned(ops, c);  // c + b + a
    ops.combine(turned.get(), Held(ops, b).get());
    ops.combine(turned.get(), Held(ops, a).get());
    CheckSame(ops, left, turned, type);
    CheckSame(ops, left, Held(ops, all), type);  // no panes at all
  });
}

TEST_CASE("decoding what was encoded gives the same accumulator") {
  ForEach("decode after encode", [](const AccumulatorOps& ops, Type type, Type order_by) {
    const Samples s = Generate(type, *rc::gen::inRange(0, 6), order_by);
    const Held a(ops, s.all);
    const std::string bytes = a.Bytes();
    Held back(ops);
    ByteReader in(bytes);
    ops.decode(back.get(), in, kContext);
    RC_ASSERT(in.AtEnd());
    RC_ASSERT(back.Bytes() == bytes);
    // And it goes on the same.
    const Samples more = Generate(type, 3, order_by);
    Held on(ops, s.all);
    for (const Sample& sample : more.all) {
      ops.add(on.get(), sample.added());
      ops.add(back.get(), sample.added());
    }
    RC_ASSERT(back.Bytes() == on.Bytes());
    RC_ASSERT(!bytes.empty());
  });
}

TEST_CASE("a combination that borrows equals one that owns") {
  ForEach("borrowed", [](const AccumulatorOps& ops, Type type, Type order_by) {
    const Samples s = Generate(type, 6, order_by);
    const std::span<const Sample> all(s.all);
    const Held a(ops, all.first(3)), b(ops, all.subspan(3));
    Held owns(ops), borrows(ops);
    for (const Held* from : {&a, &b}) {
      ops.combine(owns.get(), from->get());
      ops.combine_borrowed(borrows.get(), from->get());
    }
    RC_ASSERT(owns.Bytes() == borrows.Bytes());
  });
}

TEST_CASE("the identity is one stored byte") {
  ForEach("identity's bytes",
          [](const AccumulatorOps& ops, Type, Type) { RC_ASSERT(Held(ops).Bytes().size() == 1U); });
}

TEST_CASE("hostile bytes of an accumulator are marked bad or read, never a crash") {
  ForEach("hostile", [](const AccumulatorOps& ops, Type type, Type order_by) {
    const auto bytes = *rc::gen::arbitrary<std::string>();
    Held a(ops);
    ByteReader in(bytes);
    ops.decode(a.get(), in, kContext);
    const Samples s = Generate(type, 2, order_by);
    for (const Sample& sample : s.all) ops.add(a.get(), sample.added());
    Held b(ops);
    ops.combine(b.get(), a.get());
  });
}

TEST_CASE("damaged bytes of an accumulator never crash, and what is read of them can be stored") {
  ForEach("damaged", [](const AccumulatorOps& ops, Type type, Type order_by) {
    const Samples s = Generate(type, *rc::gen::inRange(0, 12), order_by);
    std::string bytes = Held(ops, s.all).Bytes();
    for (int changes = *rc::gen::inRange(1, 4); changes > 0; --changes) {
      const auto at = *rc::gen::inRange<size_t>(0, bytes.size());
      bytes[at] = *rc::gen::arbitrary<char>();
      // Counts, sums and distances at the ends of their bits.
      if (*rc::gen::inRange(0, 3) > 0) continue;
      bytes.replace(at, 1, std::string(*rc::gen::element<size_t>(8, 9, 18), '\xff'));
      bytes.insert(at + 8, 1, *rc::gen::element('\x7f', '\x01', '\x03', '\xff'));
    }
    bytes.resize(bytes.size() - *rc::gen::inRange<size_t>(0, 2) * (bytes.size() / 2));
    Held a(ops);
    ByteReader in(bytes);
    ops.decode(a.get(), in, kContext);
    if (!in.ok()) return;
    Held b(ops, s.all);
    ops.combine(b.get(), a.get());
    for (const Sample& sample : s.all) ops.add(a.get(), sample.added());
    Held back(ops);
    const std::string again = a.Bytes();
    ByteReader reread(again);
    ops.decode(back.get(), reread, kContext);
    RC_ASSERT(reread.AtEnd());
    RC_ASSERT(back.Bytes() == again);
    const std::string combined = b.Bytes();
    Held parts(ops);
    ByteReader in_parts(combined);
    ops.decode(parts.get(), in_parts, kContext);
    RC_ASSERT(in_parts.AtEnd());
  });
}

TEST_CASE("an accumulator may be moved by memcpy") {
  ForEach("moved", [](const AccumulatorOps& ops, Type type, Type order_by) {
    const Samples s = Generate(type, 4, order_by);
    Held a(ops, s.all), b(ops);
    const std::string bytes = a.Bytes();
    std::memcpy(b.get(), a.get(), ops.size);
    std::memset(a.get(), 0, ops.size);
    RC_ASSERT(b.Bytes() == bytes);
  });
}

// "Of N values counted it tells each count up to 3.5 · N / slots too great (never too small) ... A value that came more often than
// that is never left out".
TEST_CASE("top_k past its exact bound tells counts within its error, however its parts combine") {
  AccumulatorArguments arguments;
  arguments.exact_to = 40;
  arguments.types[0] = Type::kInt64;
  for (const uint64_t parts : {1U, 7U, 30U}) {
    std::vector<TopK> made(parts);
    std::map<int64_t, uint64_t> counts;
    uint64_t all = 0;
    for (uint64_t i = 0; i < 20'000; ++i) {
      // A few often, hundreds now and then.
      const auto value = static_cast<int64_t>(i * 7919 % 600 < 300 ? i * i % 9 : i % 600);
      made[i * 31 % parts].Add({Value::Int64(value), {}, {}, arguments});
      ++counts[value];
      ++all;
    }
    TopK whole;
    for (const TopK& part : made) whole.Combine(part);
    const double error = TopK::ErrorOf(arguments.exact_to) * static_cast<double>(all);
    std::map<int64_t, uint64_t> told;
    for (const TopK::Counted& one : whole.Top(1000)) told[one.value.as_int64()] = one.count;
    REQUIRE(told.size() >= 5);
    REQUIRE(counts.size() > 100);
    for (const auto& [value, count] : told) {
      INFO(value << " of " << parts << " parts");
      CHECK(count >= counts[value]);
      CHECK(static_cast<double>(count) <= static_cast<double>(counts[value]) + error);
    }
    for (const auto& [value, count] : counts) {
      if (static_cast<double>(count) > error) CHECK(told.count(value) == 1);
    }
  }
}

}  // namespace freshet
