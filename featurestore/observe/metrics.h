// Prometheus instruments. Families are made once at start (observe/…_metrics.h), children looked up once and kept:
// a hot path only increments.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace freshet {

using Counter = prometheus::Counter;
using Gauge = prometheus::Gauge;
using Histogram = prometheus::Histogram;
template <typename T>
using MetricFamily = prometheus::Family<T>;

// 50µs to 5s, as docs/operations.md lists them; freshness goes on to an hour.
const prometheus::Histogram::BucketBoundaries& LatencyBuckets();
const prometheus::Histogram::BucketBoundaries& FreshnessBuckets();
const prometheus::Histogram::BucketBoundaries& RowCountBuckets();  // 1 to 10,000

// Thread-safe. Families live as long as it does.
class Metrics {
 public:
  Metrics();
  MetricFamily<Counter>& CounterFamily(const std::string& name, const std::string& help);
  MetricFamily<Gauge>& GaugeFamily(const std::string& name, const std::string& help);
  MetricFamily<Histogram>& HistogramFamily(const std::string& name, const std::string& help);
  // Runs before every scrape, one at a time: for what is read rather than counted (RocksDB's properties, lag). What it
  // captures must live as long as scrapes can come.
  void OnScrape(std::function<void()> refresh);
  // The text exposition format.
  std::string Expose();

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  std::vector<std::function<void()>> refreshers_;
  std::mutex mutex_;
};

// For a counter whose total is kept elsewhere (RocksDB's tickers): raises it to `total`, never lowers it.
void RaiseTo(Counter& counter, double total);

}  // namespace freshet
