#include "featurestore/observe/metrics.h"

#include <prometheus/text_serializer.h>

#include <sstream>
#include <utility>

namespace freshet {

const prometheus::Histogram::BucketBoundaries& LatencyBuckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets = {
      50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.5, 1, 5};
  return kBuckets;
}

const prometheus::Histogram::BucketBoundaries& FreshnessBuckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets = [] {
    auto all = LatencyBuckets();
    all.insert(all.end(), {30, 60, 300, 3600});
    return all;
  }();
  return kBuckets;
}

const prometheus::Histogram::BucketBoundaries& RowCountBuckets() {
  static const prometheus::Histogram::BucketBoundaries kBuckets = {
      1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000};
  return kBuckets;
}

Metrics::Metrics() : registry_(std::make_shared<prometheus::Registry>()) {}

MetricFamily<Counter>& Metrics::CounterFamily(const std::string& name, const std::string& help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry_);
}

MetricFamily<Gauge>& Metrics::GaugeFamily(const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(*registry_);
}

MetricFamily<Histogram>& Metrics::HistogramFamily(const std::string& name,
                                                  const std::string& help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(*registry_);
}

void Metrics::OnScrape(std::function<void()> refresh) {
  std::lock_guard lock(mutex_);
  refreshers_.push_back(std::move(refresh));
}

std::string Metrics::Expose() {
  {
    // Held while they run: two scrapes at once must not run one refresher twice at the same time.
    std::lock_guard lock(mutex_);
    for (const auto& refresh : refreshers_) refresh();
  }
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, registry_->Collect());
  return std::move(text).str();
}

void RaiseTo(Counter& counter, double total) {
  const double risen = total - counter.Value();
  if (risen > 0) counter.Increment(risen);
}

}  // namespace freshet
