// What explain tells of a row is what the answer was made of.
#include "featurestore/state/explain.h"

#include <catch2/catch.hpp>

#include "tests/unit/state/row_fixture.h"

namespace freshet {
namespace {

Window Ended(Duration gap) {
  return {.kind = WindowKind::kSession, .length = gap, .completed = true};
}
CoveredWindow Explain(Fixture& f, Timestamp now, uint32_t feature = 0) {
  return ExplainRow(*f.row, {now, std::nullopt}, {&feature, 1})[0];
}

}  // namespace

TEST_CASE("an ended session that the row's ttl does not reach is not told of") {
  Fixture f({Over("sum", 0, Ended(Duration::Minutes(1)))}, {}, Duration::Minutes(30));
  f.Add(At(0));
  f.Add(At(3600));
  CHECK(f.Now(At(3601)).value.as_double() == 0);
  CHECK_FALSE(Explain(f, At(3601)).start.has_value());
  CHECK(Explain(f, At(3601)).events == 0);
  // The second has ended by then.
  CHECK(f.Now(At(3660)).value.as_double() == 1);
  CHECK(Explain(f, At(3660)).start == At(3600));
}

TEST_CASE("events of an empty window are none, whatever the default of the count beside") {
  Feature count = Over("count", std::nullopt, kMinute);
  count.default_value = int64_t{5};
  Fixture f({count, Over("max", 0, kMinute)});
  f.Add(At(0));
  CHECK(f.Now(At(3600)).value.as_int64() == 5);
  CHECK(Explain(f, At(3600), 1).events == 0);
  CHECK(Explain(f, At(1), 1).events == 1);
  // Beyond the row's ttl nothing is known.
  CHECK_FALSE(Explain(f, At(3 * 3600), 1).events.has_value());
}

TEST_CASE("of exact windows and rows those events are told of that the answer counts") {
  const Window exact{.kind = WindowKind::kExact, .length = Duration::Seconds(60), .events = 3};
  const Window rows{.kind = WindowKind::kRows, .events = 2};
  Fixture f({Over("count", std::nullopt, exact), Over("count", std::nullopt, rows)});
  for (int i = 0; i < 6; ++i) f.Add(At(i * 20));
  for (const int now : {100, 119, 120, 159, 160, 200}) {
    INFO("at " << now << " s");
    for (const uint32_t feature : {0U, 1U}) {
      CHECK(static_cast<int64_t>(Explain(f, At(now), feature).events.value()) ==
            f.Now(At(now), feature).value.as_int64());
    }
  }
  CHECK(Explain(f, At(100), 1).start == At(80));
  CHECK(Explain(f, At(100), 0).start == At(40));
}

TEST_CASE("of a row that was deleted there is no session, and no lifetime's one run, to tell of") {
  const Window open{.kind = WindowKind::kSession, .length = Duration::Minutes(1)};
  Fixture f({Over("count", std::nullopt, open), Over("count", std::nullopt, Ended(Duration{1})),
             Over("count", std::nullopt, {.kind = WindowKind::kLifetime})});
  f.Add(At(0));
  CHECK(Explain(f, At(1)).start == At(0));
  f.row->Delete(At(2));
  for (const uint32_t feature : {0U, 1U, 2U}) {
    CHECK(Explain(f, At(3), feature).events.value_or(0) == 0);
  }
}

}  // namespace freshet
