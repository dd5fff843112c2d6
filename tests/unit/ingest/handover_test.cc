#include "featurestore/ingest/handover.h"

#include <catch2/catch.hpp>

namespace freshet {
namespace {

TEST_CASE("the live loop stays held from the request until what was offered is taken") {
  Handover handover;
  const Positions here = {{0, 7}};
  std::vector<LoopView> views(1);
  handover.Publish(here);
  CHECK_FALSE(handover.Hold());

  handover.Request();
  CHECK(handover.Hold());
  CHECK_FALSE(handover.offered());
  // The offer falls between two questions of the live loop: it must not read on.
  REQUIRE(handover.Offer(here, views));
  CHECK(handover.Hold());
  CHECK_FALSE(handover.LetGo());
  CHECK(handover.offered());
  CHECK(handover.Take().size() == 1);
  CHECK_FALSE(handover.Hold());
}

TEST_CASE("a live loop that waited long enough goes on, and an offer after that is refused") {
  Handover handover;
  std::vector<LoopView> views(1);
  handover.Publish({{0, 7}});
  handover.Request();
  CHECK(handover.Hold());
  CHECK(handover.LetGo());
  CHECK_FALSE(handover.Hold());
  CHECK_FALSE(handover.Offer({{0, 7}}, views));
  CHECK(views.size() == 1);
}

TEST_CASE("views that stand elsewhere than the live loop cannot be offered") {
  Handover handover;
  std::vector<LoopView> views(1);
  handover.Publish({{0, 7}});
  handover.Request();
  CHECK(handover.Hold());
  CHECK_FALSE(handover.Offer({{0, 6}}, views));
}

}  // namespace
}  // namespace freshet
