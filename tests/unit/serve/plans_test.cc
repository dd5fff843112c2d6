#include "featurestore/serve/plans.h"

#include <catch2/catch.hpp>

#include "tests/support/served_project.h"

namespace freshet {
namespace {

Outcome Find(Plans& plans, const std::vector<std::string>& names,
             std::shared_ptr<const Plan>& plan) {
  std::vector<const std::string*> pointers;
  for (const std::string& name : names) pointers.push_back(&name);
  return plans.Features(pointers, plan);
}

std::vector<std::string> ColumnNames(const Plan& plan) {
  std::vector<std::string> names;
  for (const PlanColumn& column : plan.columns) names.push_back(column.name);
  return names;
}

}  // namespace

TEST_CASE("a service's plan lists the views, keys and columns that it needs, once each") {
  ServedProject project(ShopProject());
  Plans plans(project.catalog());
  std::shared_ptr<const Plan> plan;
  REQUIRE_FALSE(plans.Service("ranking", plan));
  CHECK(ColumnNames(*plan) == std::vector<std::string>{"spend_1h", "sales_1h", "visits_1h"});
  REQUIRE(plan->keys.size() == 2);
  CHECK(plan->keys[0].name == "card");
  CHECK(plan->keys[1].type == Type::kInt64);
  REQUIRE(plan->views.size() == 3);
  CHECK(plan->views[2].keys == std::vector<uint32_t>{0, 1});
  CHECK(plan->schema_id != 0);
}

TEST_CASE("features by name are answered once each, in the order of first mention") {
  ServedProject project(ShopProject());
  Plans plans(project.catalog());
  std::shared_ptr<const Plan> plan;
  REQUIRE_FALSE(
      Find(plans, {"card_last:cents_lifetime", "card_spend", "card_spend:spend_1h"}, plan));
  CHECK(ColumnNames(*plan) ==
        std::vector<std::string>{"cents_lifetime", "spend_1h", "payments_1h", "average_1h"});
}

TEST_CASE("names that collide between views are answered as view:feature") {
  ServedProject project(ShopProject());
  Plans plans(project.catalog());
  std::shared_ptr<const Plan> plan;
  REQUIRE_FALSE(Find(plans, {"card_spend:payments_1h", "shop_sales"}, plan));
  CHECK(ColumnNames(*plan) ==
        std::vector<std::string>{"card_spend:payments_1h", "sales_1h", "shop_sales:payments_1h"});
}

TEST_CASE("the schema id tells names, types and order apart") {
  ServedProject project(ShopProject());
  Plans plans(project.catalog());
  std::shared_ptr<const Plan> a;
  std::shared_ptr<const Plan> b;
  std::shared_ptr<const Plan> c;
  REQUIRE_FALSE(Find(plans, {"card_spend:spend_1h", "card_spend:payments_1h"}, a));
  REQUIRE_FALSE(Find(plans, {"card_spend:payments_1h", "card_spend:spend_1h"}, b));
  CHECK(a->schema_id != b->schema_id);
  REQUIRE_FALSE(Find(plans, {"card_spend:spend_1h", "card_spend:payments_1h"}, c));
  CHECK(a == c);  // kept
  Plans again(project.catalog());
  REQUIRE_FALSE(Find(again, {"card_spend:spend_1h", "card_spend:payments_1h"}, c));
  CHECK(a->schema_id == c->schema_id);
}

TEST_CASE(
    "lists of features that were asked for long ago are forgotten, and compiled again when asked "
    "for") {
  ServedProject project(ShopProject());
  Plans plans(project.catalog());
  std::shared_ptr<const Plan> first;
  REQUIRE_FALSE(Find(plans, {"card_spend"}, first));
  std::vector<std::string> names = {"card_spend"};
  for (size_t i = 0; i < Plans::kMaxLists; ++i) {
    names.push_back("card_spend");  // another list of the same features
    std::shared_ptr<const Plan> other;
    REQUIRE_FALSE(Find(plans, names, other));
  }
  std::shared_ptr<const Plan> again;
  REQUIRE_FALSE(Find(plans, {"card_spend"}, again));
  CHECK(again != first);
  CHECK(again->schema_id == first->schema_id);
}

TEST_CASE("an unknown service, view or feature names the nearest") {
  ServedProject project(ShopProject());
  Plans plans(project.catalog());
  std::shared_ptr<const Plan> plan;
  Outcome error = plans.Service("rnking", plan);
  REQUIRE(error);
  CHECK(error->code == absl::StatusCode::kNotFound);
  CHECK(error->reason == "UNKNOWN_FEATURE_SERVICE");
  CHECK(error->message.find("did you mean ranking?") != std::string::npos);
  error = Find(plans, {"card_spend", "card_spent:spend_1h"}, plan);
  REQUIRE(error);
  CHECK(error->reason == "UNKNOWN_FEATURE");
  CHECK(error->message.find("features.names[1]") != std::string::npos);
  CHECK(error->message.find("did you mean card_spend?") != std::string::npos);
  error = Find(plans, {"card_spend:spend_2h"}, plan);
  REQUIRE(error);
  CHECK(error->message.find("card_spend:spend_1h") != std::string::npos);
  error = Find(plans, {"sales_1h"}, plan);
  REQUIRE(error);
  CHECK(error->message.find("did you mean shop_sales:sales_1h?") != std::string::npos);
}

TEST_CASE("a request that selects nothing is wrong in itself, not about something unknown") {
  ServedProject project(ShopProject());
  Plans plans(project.catalog());
  std::shared_ptr<const Plan> plan;
  for (const Outcome& error : {plans.Service("", plan), Find(plans, {}, plan)}) {
    REQUIRE(error);
    CHECK(error->code == absl::StatusCode::kInvalidArgument);
    CHECK(error->reason == "MISSING_SELECTION");
    CHECK(error->violations.size() == 1);
  }
}

TEST_CASE("a name from outside is quoted whole or cut at a character's border") {
  CHECK(QuotedName("a\nb") == "\"a?b\"");
  std::string poles;
  for (int i = 0; i < 50; ++i) poles += "ł";
  const std::string quoted = QuotedName("x" + poles);
  CHECK(quoted.size() < 75);
  CHECK(quoted.substr(quoted.size() - 6) == "ł…\"");
}

TEST_CASE("a list of more names than anyone means is refused before it is searched") {
  ServedProject project(ShopProject());
  Plans plans(project.catalog());
  std::shared_ptr<const Plan> plan;
  std::vector<std::string> names(Plans::kMaxNames, "card_spend:spend_1h");
  REQUIRE_FALSE(Find(plans, names, plan));
  CHECK(plan->columns.size() == 1);
  names.push_back(names.front());
  const Outcome error = Find(plans, names, plan);
  REQUIRE(error);
  CHECK(error->reason == "TOO_MANY_FEATURES");
  CHECK(error->violations.at(0).field == "features.names");
}

}  // namespace freshet
