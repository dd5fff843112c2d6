#include "featurestore/window/run_list.h"

#include <catch2/catch.hpp>
#include <string>

namespace freshet {
namespace {

constexpr Timestamp At(int64_t seconds) { return {seconds * 1'000'000}; }
constexpr Duration kGap = Duration::Seconds(10);

// A list of counted rows.
struct Fixture {
  Fixture(Duration lateness, bool ended, Duration skew = {})
      : layout(RunLayout::Session(kGap, lateness, skew, ended)), list(layout) {
    layout.set = *AccumulatorSet::Make({{AccumulatorKind::kRowCount, std::nullopt}}, Source{});
    list = RunList(layout);
  }
  bool Add(Timestamp t) {
    newest = std::max(newest, t);
    return list.Add({t, {0, 0, ++offset}, {}}, newest);
  }
  // Ends of the runs, the oldest first, after a round trip through bytes.
  std::vector<Timestamp> Ends() {
    list.Evict(newest);
    std::string bytes;
    ByteWriter out(bytes);
    list.Encode(out, newest);
    RunList read(layout);
    ByteReader in(bytes);
    read.Decode(in, newest);
    CHECK(in.AtEnd());
    std::vector<Timestamp> ends;
    for (size_t i = 0; i < read.size(); ++i) ends.push_back(read.end(i));
    return ends;
  }

  RunLayout layout;
  RunList list;
  Timestamp newest = Timestamp::Min();
  int64_t offset = 0;
};

using Times = std::vector<Timestamp>;

}  // namespace

TEST_CASE("neighbours closer than gap are of one session, neighbours at the gap are not") {
  Fixture f(Duration::Seconds(60), false);
  f.Add(At(0));
  f.Add(At(10) - Duration{1});
  CHECK(f.Ends() == Times{At(10) - Duration{1}});
  f.Add(At(20) - Duration{1});
  CHECK(f.Ends() == Times{At(10) - Duration{1}, At(20) - Duration{1}});
}

TEST_CASE("a late event joins the sessions on both of its sides") {
  Fixture f(Duration::Seconds(60), false);
  f.Add(At(0));
  f.Add(At(15));
  CHECK(f.Ends() == Times{At(0), At(15)});
  CHECK(f.Add(At(8)));
  CHECK(f.Ends() == Times{At(15)});
}

TEST_CASE("sessions keep every run with end ≥ newest − gap − lateness") {
  Fixture f(Duration::Seconds(60), false);
  f.Add(At(0));
  f.Add(At(70));
  CHECK(f.Ends() == Times{At(0), At(70)});
  f.Add(At(70) + Duration{1});
  CHECK(f.Ends() == Times{At(70) + Duration{1}});
}

TEST_CASE("an event older than newest − lateness changes nothing and is late") {
  Fixture f(Duration::Seconds(60), false);
  f.Add(At(100));
  CHECK_FALSE(f.Add(At(40) - Duration{1}));
  CHECK(f.Ends() == Times{At(100)});
  CHECK(f.Add(At(40)));
  CHECK(f.Ends() == Times{At(40), At(100)});
}

TEST_CASE(
    "report: ended keeps the newest ended session besides, also when a late event joins two") {
  Fixture f(Duration::Seconds(20), true);
  f.Add(At(0));
  f.Add(At(1000));
  CHECK(f.Ends() == Times{At(0), At(1000)});
  f.Add(At(1015));
  // 1000 may still be joined to 1015: then 0 is the newest that has ended.
  CHECK(f.Ends() == Times{At(0), At(1000), At(1015)});
  f.Add(At(1008));
  CHECK(f.Ends() == Times{At(0), At(1015)});
  f.Add(At(5000));
  CHECK(f.Ends() == Times{At(1015), At(5000)});
}

}  // namespace freshet
