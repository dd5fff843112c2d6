#include "server/doctor/exposition.h"

#include <catch2/catch.hpp>

#include "featurestore/observe/metrics.h"

namespace freshet {
namespace {

TEST_CASE("what a server exports is read back, whatever its labels hold") {
  Metrics metrics;
  metrics.GaugeFamily("freshet_x", "X, \"quoted\" {a}.")
      .Add({{"view", "a \"b\" \\ c\nd, e}"}, {"level", "0"}})
      .Set(2.5);
  metrics.CounterFamily("freshet_y_total", "Y.").Add({}).Increment(1e12);
  const auto read = Exposition::Parse(metrics.Expose());
  REQUIRE(read.ok());
  REQUIRE(read->Of("freshet_x").size() == 1);
  CHECK(read->Of("freshet_x")[0]->labels ==
        Exposition::Labels{{"view", "a \"b\" \\ c\nd, e}"}, {"level", "0"}});
  CHECK(read->Sum("freshet_x") == 2.5);
  CHECK(read->Sum("freshet_y_total") == 1e12);
}

TEST_CASE("samples are summed over the labels that are not asked for") {
  const auto read = Exposition::Parse(
      "a{x=\"1\",y=\"1\"} 1\na{x=\"1\",y=\"2\"} 2 1700000000\na{x=\"2\"} 4\nab 8\n");
  REQUIRE(read.ok());
  CHECK(read->Sum("a") == 7);
  CHECK(read->Sum("a", {{"x", "1"}}) == 3);
  CHECK(read->Sum("a", {{"y", "2"}}) == 2);
  CHECK_FALSE(read->Sum("a", {{"x", "3"}}));
  CHECK_FALSE(read->Sum("b"));
}

TEST_CASE("a line that is no sample is refused with its number") {
  for (const char* line :
       {"<html>", "a{x=1} 2", "a{x=\"1\"", "a", "a ", "a one", "a{x=\"1\"}2", "{x=\"1\"} 2"}) {
    const auto read = Exposition::Parse(std::string("# HELP a A.\n\nb 1\n") + line + "\n");
    CAPTURE(line);
    REQUIRE_FALSE(read.ok());
    CHECK(MessageOf(read.status()).find("line 4") != std::string_view::npos);
  }
  CHECK(Exposition::Parse("a +Inf\nb NaN")->Of("b").size() == 1);
  CHECK(Exposition::Parse("").ok());
}

}  // namespace
}  // namespace freshet
