#include "featurestore/observe/metrics.h"

#include <catch2/catch.hpp>
#include <thread>

namespace freshet {
namespace {

TEST_CASE("a family that is asked for twice is the same family") {
  Metrics metrics;
  metrics.CounterFamily("freshet_x_total", "X.").Add({{"source", "a"}}).Increment();
  metrics.CounterFamily("freshet_x_total", "X.").Add({{"source", "a"}}).Increment();
  CHECK(metrics.Expose().find("freshet_x_total{source=\"a\"} 2\n") != std::string::npos);
}

TEST_CASE("what is read rather than counted is refreshed before every scrape") {
  Metrics metrics;
  Gauge& gauge = metrics.GaugeFamily("freshet_y", "Y.").Add({});
  int scrapes = 0;
  metrics.OnScrape([&] { gauge.Set(++scrapes); });
  CHECK(metrics.Expose().find("freshet_y 1\n") != std::string::npos);
  CHECK(metrics.Expose().find("freshet_y 2\n") != std::string::npos);
}

TEST_CASE("two scrapes at once never run a refresher twice at the same time") {
  Metrics metrics;
  int unguarded = 0;
  metrics.OnScrape([&] { ++unguarded; });
  std::vector<std::thread> scrapers;
  for (int i = 0; i < 4; ++i) {
    scrapers.emplace_back([&] {
      for (int n = 0; n < 100; ++n) metrics.Expose();
    });
  }
  for (auto& scraper : scrapers) scraper.join();
  CHECK(unguarded == 400);
}

TEST_CASE("a counter kept elsewhere rises to its total and never falls") {
  Metrics metrics;
  Counter& counter = metrics.CounterFamily("freshet_z_total", "Z.").Add({});
  RaiseTo(counter, 5);
  RaiseTo(counter, 5);
  CHECK(counter.Value() == 5);
  RaiseTo(counter, 3);
  CHECK(counter.Value() == 5);
  RaiseTo(counter, 9);
  CHECK(counter.Value() == 9);
}

TEST_CASE("buckets are those of operations.md: 50µs to 5s, freshness to an hour") {
  CHECK(LatencyBuckets().front() == 50e-6);
  CHECK(LatencyBuckets().back() == 5);
  CHECK(LatencyBuckets().size() == 14);
  CHECK(FreshnessBuckets().size() == 18);
  CHECK(FreshnessBuckets().back() == 3600);
  for (const auto* buckets : {&LatencyBuckets(), &FreshnessBuckets(), &RowCountBuckets()}) {
    CHECK(std::is_sorted(buckets->begin(), buckets->end()));
  }
}

}  // namespace
}  // namespace freshet
