// The laws of accumulator.h, for every accumulator over every type of field that it works for.
#include <rapidcheck.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "featurestore/aggregate/accumulator.h"
#include "featurestore/aggregate/catalog.h"

namespace freshet {
namespace {

constexpr std::array kKinds = {
    AccumulatorKind::kRowCount, AccumulatorKind::kValueCount, AccumulatorKind::kSum,
    AccumulatorKind::kMoments,  AccumulatorKind::kMin,        AccumulatorKind::kMax,
    AccumulatorKind::kFirst,    AccumulatorKind::kLast,
};
constexpr std::array kTypes = {Type::kBool,   Type::kInt64, Type::kDouble,   Type::kFloat,
                               Type::kString, Type::kBytes, Type::kTimestamp};
constexpr CodingContext kContext{{1'700'000'000'000'000}};

struct Sample {
  Value value;
  Position at;
};

// Owns texts that samples borrow.
struct Samples {
  std::vector<std::unique_ptr<std::string>> texts;
  std::vector<Sample> all;
};

// Whole numbers, so that sums of doubles are exact and laws can be checked to the bit.
Samples Generate(Type type, size_t count) {
  Samples samples;
  for (size_t i = 0; i < count; ++i) {
    Sample sample;
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
    sample.at.time = {kContext.base.us + *rc::gen::inRange<int64_t>(-3, 3) * 500'000};
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
    for (const Sample& sample : samples) ops.add(get(), sample.value, sample.at);
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

// Equal stored bytes: the strictest equality there is.
void CheckSame(const AccumulatorOps& ops, const Held& a, const Held& b) {
  if (ops.kind != AccumulatorKind::kMoments) {
    RC_ASSERT(a.Bytes() == b.Bytes());
    return;
  }
  // Means are rounded: equal to 1e-9 of the scale that entered (|x| ≤ 1000/8, and 2^63 for int64).
  struct {
    uint64_t n;
    double mean, m2;
  } x, y;
  std::memcpy(&x, a.get(), sizeof x);
  std::memcpy(&y, b.get(), sizeof y);
  RC_ASSERT(x.n == y.n);
  const double scale = std::max({1.0, std::abs(x.mean), std::sqrt(x.m2)});
  RC_ASSERT(std::abs(x.mean - y.mean) <= 1e-9 * scale);
  RC_ASSERT(std::abs(x.m2 - y.m2) <= 1e-9 * scale * scale);
}

template <typename Check>
void ForEach(const std::string& law, const Check& check) {
  for (const AccumulatorKind kind : kKinds) {
    if (const auto* ops = FindAccumulator(kind, std::nullopt)) {
      CHECK(rc::check(law + ": " + std::string(AccumulatorKindName(kind)),
                      [&] { check(*ops, Type::kInt64); }));
    }
    for (const Type type : kTypes) {
      const auto* ops = FindAccumulator(kind, type);
      if (ops == nullptr) continue;
      CHECK(rc::check(law + ": " + std::string(AccumulatorKindName(kind)) + " of " +
                          std::string(TypeName(type)),
                      [&] { check(*ops, type); }));
    }
  }
}

}  // namespace

TEST_CASE("each is a monoid: combining with the identity changes nothing") {
  ForEach("identity", [](const AccumulatorOps& ops, Type type) {
    const Samples s = Generate(type, *rc::gen::inRange(0, 6));
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
  ForEach("associative and commutative", [](const AccumulatorOps& ops, Type type) {
    const Samples s = Generate(type, *rc::gen::inRange(0, 12));
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
    CheckSame(ops, left, first);
    Held turned(ops, c);  // c + b + a
    ops.combine(turned.get(), Held(ops, b).get());
    ops.combine(turned.get(), Held(ops, a).get());
    CheckSame(ops, left, turned);
    CheckSame(ops, left, Held(ops, all));  // no panes at all
  });
}

TEST_CASE("decoding what was encoded gives the same accumulator") {
  ForEach("decode after encode", [](const AccumulatorOps& ops, Type type) {
    const Samples s = Generate(type, *rc::gen::inRange(0, 6));
    const Held a(ops, s.all);
    const std::string bytes = a.Bytes();
    Held back(ops);
    ByteReader in(bytes);
    ops.decode(back.get(), in, kContext);
    RC_ASSERT(in.AtEnd());
    RC_ASSERT(back.Bytes() == bytes);
    // And it goes on the same.
    const Samples more = Generate(type, 3);
    Held on(ops, s.all);
    for (const Sample& sample : more.all) {
      ops.add(on.get(), sample.value, sample.at);
      ops.add(back.get(), sample.value, sample.at);
    }
    RC_ASSERT(back.Bytes() == on.Bytes());
    RC_ASSERT(!bytes.empty());
  });
}

TEST_CASE("a combination that borrows equals one that owns") {
  ForEach("borrowed", [](const AccumulatorOps& ops, Type type) {
    const Samples s = Generate(type, 6);
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
          [](const AccumulatorOps& ops, Type) { RC_ASSERT(Held(ops).Bytes().size() == 1U); });
}

TEST_CASE("hostile bytes of an accumulator are marked bad or read, never a crash") {
  ForEach("hostile", [](const AccumulatorOps& ops, Type type) {
    const auto bytes = *rc::gen::arbitrary<std::string>();
    Held a(ops);
    ByteReader in(bytes);
    ops.decode(a.get(), in, kContext);
    const Samples s = Generate(type, 2);
    for (const Sample& sample : s.all) ops.add(a.get(), sample.value, sample.at);
    Held b(ops);
    ops.combine(b.get(), a.get());
  });
}

TEST_CASE("an accumulator may be moved by memcpy") {
  ForEach("moved", [](const AccumulatorOps& ops, Type type) {
    const Samples s = Generate(type, 4);
    Held a(ops, s.all), b(ops);
    const std::string bytes = a.Bytes();
    std::memcpy(b.get(), a.get(), ops.size);
    std::memset(a.get(), 0, ops.size);
    RC_ASSERT(b.Bytes() == bytes);
  });
}

}  // namespace freshet
