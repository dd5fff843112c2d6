// The two forms that registers of count_distinct take in memory: what is stored and answered must not tell which.
#include "featurestore/aggregate/distinct.h"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "featurestore/base/hash.h"

namespace freshet {
namespace {

AccumulatorArguments Arguments(uint32_t exact_to, double error) {
  AccumulatorArguments arguments;
  arguments.exact_to = exact_to;
  arguments.error = error;
  return arguments;
}

void AddRange(Distinct& distinct, const AccumulatorArguments& arguments, int64_t begin,
              int64_t end) {
  for (int64_t i = begin; i < end; ++i) distinct.Add({Value::Int64(i), {}, {}, arguments});
}

std::string Bytes(const Distinct& distinct, const AccumulatorArguments& arguments) {
  std::string bytes;
  ByteWriter out(bytes);
  distinct.Encode(out, {{}, &arguments});
  return bytes;
}

Distinct Reread(const std::string& bytes, const AccumulatorArguments& arguments) {
  Distinct distinct;
  ByteReader in(bytes);
  distinct.Decode(in, {{}, &arguments});
  REQUIRE(in.AtEnd());
  return distinct;
}

}  // namespace

// Found with registers that were always kept in full: rows written before and after must be alike.
TEST_CASE("count_distinct's stored bytes and estimates are those of full registers") {
  struct Golden {
    uint32_t exact_to;
    double error;
    int64_t values;
    size_t bytes;
    uint64_t hash;
    uint64_t estimate;
  };
  const Golden goldens[] = {
      {1, 0.01, 3, 11, 0xeeb78648d70153f8, 3},
      {1, 0.01, 300, 764, 0x43fe59a61bd71b08, 301},
      {1, 0.01, 6000, 11454, 0x8e2a34b2c80e8c2c, 5992},
      {1, 0.01, 12000, 21817, 0x49249fdac2b487f1, 11930},
      {1, 0.01, 400000, 32799, 0x23c643856025cae0, 399832},
      {256, 0.02, 3, 25, 0x84cc0b680e0b57f1, 3},
      {256, 0.02, 300, 626, 0x34b837250767514e, 300},
      {256, 0.02, 1500, 2866, 0x2ea08148b63ec3cb, 1498},
      {256, 0.02, 6000, 8195, 0x8244d068d0d744ee, 6018},
      {256, 0.02, 60000, 8201, 0x79dbeb9bacd837dc, 59273},
      {16, 0.05, 300, 586, 0x5e1dc52d71577d72, 303},
      {16, 0.05, 1300, 2051, 0x6162708271b5c301, 1288},
      {16, 0.05, 400000, 2053, 0x40e925e356eabbd6, 398398},
      {5000, 0.02, 1500, 12002, 0x945453bf472bf5f1, 1500},
      {5000, 0.02, 6000, 8195, 0x8244d068d0d744ee, 6018},
      {5000, 0.02, 60000, 8201, 0x79dbeb9bacd837dc, 59273},
      {2, 0.9, 3, 10, 0xdfcc6644acdc088e, 3},
      {2, 0.9, 300, 10, 0xeab1863587bb8127, 298},
      {2, 0.9, 400000, 10, 0x69970739fa6d547e, 484246},
  };
  for (const Golden& golden : goldens) {
    const AccumulatorArguments arguments = Arguments(golden.exact_to, golden.error);
    Distinct distinct;
    AddRange(distinct, arguments, 0, golden.values);
    const std::string bytes = Bytes(distinct, arguments);
    INFO(golden.values << " values, exact to " << golden.exact_to << ", error " << golden.error);
    CHECK(bytes.size() == golden.bytes);
    CHECK(Hash64(bytes) == golden.hash);
    CHECK(distinct.Estimate() == golden.estimate);
    CHECK(Bytes(Reread(bytes, arguments), arguments) == bytes);
    CHECK(Reread(bytes, arguments).Estimate() == golden.estimate);
  }
}

TEST_CASE("parts of count_distinct in any form combine to the bytes of the whole") {
  const AccumulatorArguments arguments = Arguments(8, 0.05);
  // Exact, listed and in full; each may hold values of the others.
  const std::vector<std::pair<int64_t, int64_t>> parts = {
      {0, 5}, {3, 9}, {0, 60}, {50, 62}, {1000, 1300}, {900, 1600}, {0, 4000}, {3990, 9000}};
  for (const auto& a : parts) {
    for (const auto& b : parts) {
      Distinct left;
      AddRange(left, arguments, a.first, a.second);
      Distinct right;
      AddRange(right, arguments, b.first, b.second);
      Distinct whole;
      AddRange(whole, arguments, b.first, b.second);
      AddRange(whole, arguments, a.first, a.second);
      left.Combine(right);
      INFO(a.first << " to " << a.second << " with " << b.first << " to " << b.second);
      CHECK(Bytes(left, arguments) == Bytes(whole, arguments));
      CHECK(left.Estimate() == whole.Estimate());
    }
  }
}

TEST_CASE("count_distinct takes memory as its stored bytes do") {
  for (const uint32_t exact_to : {1U, 256U}) {
    const AccumulatorArguments arguments = Arguments(exact_to, 0.01);
    for (const int64_t values : {2, 300, 5'000, 11'500, 40'000}) {
      Distinct distinct;
      AddRange(distinct, arguments, 0, values);
      const std::string bytes = Bytes(distinct, arguments);
      INFO(values << " values, " << bytes.size() << " bytes");
      CHECK(distinct.heap_bytes() <= 4 * bytes.size() + 16);
      CHECK(Reread(bytes, arguments).heap_bytes() <= 2 * bytes.size());
    }
  }
}

TEST_CASE("damaged registers of count_distinct are refused before memory is taken for them") {
  const AccumulatorArguments arguments = Arguments(1, 0.01);  // of 65,536 registers
  for (const uint64_t used : {1U, 10'000U, 20'000U, 65'536U, 65'537U}) {
    std::string bytes;
    ByteWriter out(bytes);
    out.Varint(used << 1 | 1);
    if (used > 1) out.Fixed64(0x0101010101010101);
    Distinct distinct;
    ByteReader in(bytes);
    distinct.Decode(in, {{}, &arguments});
    CHECK_FALSE(in.ok());
    CHECK(distinct.heap_bytes() <= 16);
  }
}

}  // namespace freshet
