#include "featurestore/serve/served_plans.h"

#include <catch2/catch.hpp>

#include "tests/support/served_project.h"

namespace freshet {

TEST_CASE("a plan keeps the catalog that it was compiled from, and the next request has the next") {
  ServedProject project(ShopProject());
  ServedPlans plans(project.catalog());
  std::shared_ptr<const Plan> before;
  REQUIRE_FALSE(plans.now()->Service("risk", before));
  CHECK(before->views[0].id == ViewId{0});

  auto next = std::make_shared<Catalog>(*project.catalog());
  next->store_views = {7, 1, 2, 3};
  next->services.erase(next->services.begin() + 1);
  const std::weak_ptr<const Catalog> served = next;
  plans.Serve(std::move(next));
  std::shared_ptr<const Plan> after;
  REQUIRE_FALSE(plans.now()->Service("risk", after));
  CHECK(after->views[0].id == ViewId{7});
  CHECK(before->views[0].id == ViewId{0});
  CHECK(before->catalog == project.catalog());

  plans.Serve(project.catalog());
  CHECK_FALSE(served.expired());
  after.reset();
  CHECK(served.expired());  // whoever waits for its readers may go on
}

}  // namespace freshet
