#include "featurestore/window/event_log.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <random>
#include <string>

namespace freshet {
namespace {

constexpr Timestamp At(int64_t seconds) { return {seconds * 1'000'000}; }
using Times = std::vector<Timestamp>;

struct Fixture {
  explicit Fixture(std::vector<EventLogLayout::Need> needs) : log(layout) {
    layout.needs = std::move(needs);
    layout.columns = {{0, Type::kDouble}, {1, Type::kString}};
  }
  bool Add(Timestamp t, Coordinates at, const char* text = "shop") {
    newest = std::max(newest, t);
    const std::array values = {Value::Double(static_cast<double>(at.offset)), Value::Text(text)};
    return log.Add({t, at, values}, newest);
  }
  bool Add(Timestamp t) { return Add(t, {0, 0, ++offset}); }
  std::string Bytes() {
    log.Trim(newest);
    std::string bytes;
    ByteWriter out(bytes);
    log.Encode(out, newest);
    return bytes;
  }
  Times Kept() const {
    Times times;
    for (size_t i = 0; i < log.size(); ++i) times.push_back(log.at(i).time);
    return times;
  }

  EventLogLayout layout;
  EventLog log;
  Timestamp newest = Timestamp::Min();
  int64_t offset = 0;
};

EventLogLayout::Need Rows(uint32_t n, std::optional<Duration> ttl) { return {n, ttl, false}; }
EventLogLayout::Need Exact(uint32_t n, Duration keep) { return {n, keep, true}; }

}  // namespace

TEST_CASE("the n greatest by (time, incarnation, partition, offset) are kept") {
  Fixture f({Rows(3, std::nullopt)});
  f.Add(At(5), {0, 1, 7});
  f.Add(At(5), {0, 1, 6});
  f.Add(At(5), {0, 0, 9});
  f.Add(At(5), {1, 0, 0});
  f.Add(At(4), {2, 2, 2});
  REQUIRE(f.log.size() == 3);
  CHECK(f.log.at(0).at == Coordinates{0, 1, 6});
  CHECK(f.log.at(1).at == Coordinates{0, 1, 7});
  CHECK(f.log.at(2).at == Coordinates{1, 0, 0});
}

TEST_CASE("none is older than newest − ttl, and one that is is late") {
  Fixture f({Rows(10, Duration::Seconds(60))});
  f.Add(At(0));
  CHECK(f.Add(At(60)));
  CHECK(f.Kept() == Times{At(0), At(60)});
  CHECK(f.Add(At(60) + Duration{1}));
  CHECK(f.Kept() == Times{At(60), At(60) + Duration{1}});
  CHECK_FALSE(f.Add(At(0)));
  CHECK(f.Add(Timestamp{1}));
  CHECK(f.Kept() == Times{Timestamp{1}, At(60), At(60) + Duration{1}});
}

TEST_CASE("one log serves features of different numbers and ages") {
  Fixture f({Exact(2, Duration::Seconds(100)), Exact(5, Duration::Seconds(10))});
  for (const int64_t t : {0, 50, 84, 92, 95}) f.Add(At(t));
  // Two of 100 s, five of 10 s.
  CHECK(f.Kept() == Times{At(92), At(95)});
  f.Add(At(91));
  CHECK(f.Kept() == Times{At(91), At(92), At(95)});
  CHECK(f.log.greatest_dropped() == At(84));
}

TEST_CASE("the greatest that was dropped is told as far as an exact window reaches") {
  Fixture rows({Rows(1, std::nullopt)});
  rows.Add(At(0));
  rows.Add(At(1));
  CHECK_FALSE(rows.log.greatest_dropped().has_value());
  Fixture f({Exact(1, Duration::Seconds(60))});
  f.Add(At(0));
  CHECK_FALSE(f.log.greatest_dropped().has_value());
  f.Add(At(60));
  CHECK(f.log.greatest_dropped() == At(0));
  f.Add(At(30));
  CHECK(f.log.greatest_dropped() == At(30));
  f.Add(At(90) + Duration{1});
  CHECK(f.log.greatest_dropped() == At(60));
  f.Add(At(1000));
  CHECK_FALSE(f.log.greatest_dropped().has_value());
}

TEST_CASE("what is kept does not depend on the order of events nor on batches") {
  const uint64_t seed = 20260101;
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  for (int turn = 0; turn < 200; ++turn) {
    const std::vector<EventLogLayout::Need> needs = {
        Rows(static_cast<uint32_t>(random() % 20 + 1), Duration::Seconds(40)),
        Exact(static_cast<uint32_t>(random() % 20 + 1), Duration::Seconds(10))};
    std::vector<std::pair<Timestamp, Coordinates>> events;
    for (int64_t i = 0; i < 60; ++i) {
      events.push_back(
          {At(static_cast<int64_t>(random() % 50)),
           {static_cast<uint32_t>(random() % 2), static_cast<int32_t>(random() % 3), i}});
    }
    std::string first;
    for (int order = 0; order < 3; ++order) {
      Fixture f(needs);
      for (const auto& [t, at] : events) {
        f.Add(t, at);
        if (order == 0) continue;
        // Through bytes after each event.
        const std::string bytes = f.Bytes();
        EventLog read(f.layout);
        ByteReader in(bytes);
        read.Decode(in, f.newest);
        REQUIRE(in.AtEnd());
        std::string again;
        ByteWriter out(again);
        read.Encode(out, f.newest);
        REQUIRE(again == bytes);
      }
      if (first.empty()) first = f.Bytes();
      REQUIRE(f.Bytes() == first);
      std::shuffle(events.begin(), events.end(), random);
    }
  }
}

TEST_CASE("hostile bytes of a log are an error or a log that can be used, never a crash") {
  Fixture f({Rows(30, Duration::Seconds(500)), Exact(20, Duration::Seconds(60))});
  for (int64_t i = 0; i < 60; ++i) f.Add(At(i * 3));
  const std::string good = f.Bytes();
  const uint64_t seed = 77;
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  size_t sound = 0;
  for (int i = 0; i < 50'000; ++i) {
    std::string bytes = good;
    for (uint64_t n = random() % 4 + 1; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    if (random() % 8 == 0) bytes.resize(random() % bytes.size());
    EventLog read(f.layout);
    ByteReader in(bytes);
    read.Decode(in, f.newest);
    if (!in.AtEnd()) continue;
    ++sound;
    std::array<Value, 2> fields;
    for (size_t e = 0; e < read.size(); ++e) read.Restore(e, fields);
    const std::array values = {Value::Double(1), Value::Text("y")};
    read.Add({f.newest + Duration{5}, {0, 0, 1}, values}, f.newest + Duration{5});
    std::string again;
    ByteWriter out(again);
    read.Encode(out, f.newest + Duration{5});
  }
  CHECK(sound > 0);
  CHECK(sound < 50'000);
  // A count that the bytes cannot hold takes no memory.
  std::string bytes;
  ByteWriter out(bytes);
  out.Varint(uint64_t{1} << 60);
  EventLog read(f.layout);
  ByteReader in(bytes);
  read.Decode(in, f.newest);
  CHECK_FALSE(in.ok());
}

}  // namespace freshet
