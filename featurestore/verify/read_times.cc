#include "featurestore/verify/read_times.h"

#include <algorithm>

namespace freshet {
namespace {

constexpr size_t kMostEdges = 6;
constexpr size_t kMostPast = 4;

// Where what `window` covers changes: ends of panes, and the moment when the newest event leaves.
void AddEdges(const Window& window, Timestamp newest, std::vector<Timestamp>& edges) {
  if (window.kind == WindowKind::kLifetime || window.kind == WindowKind::kRows) return;
  const Duration hop = window.has_panes() ? window.hop : Duration{1};
  const Timestamp pane = FloorTo(newest, hop, window.offset);
  for (const Duration later : {hop, Duration{window.length.us / 2}, window.length,
                               window.length + hop, Duration{2 * window.length.us}}) {
    const Timestamp edge =
        window.has_panes() ? FloorTo(pane + later, hop, window.offset) : newest + later;
    for (const Timestamp at : {edge - Duration{1}, edge}) {
      if (at > newest) edges.push_back(at);
    }
  }
}

// Keeps `most` of them, which by `seed`.
void Thin(std::vector<Timestamp>& times, size_t most, uint64_t seed) {
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  while (times.size() > most) {
    times.erase(times.begin() + static_cast<ptrdiff_t>(seed % times.size()));
    seed = seed * 6364136223846793005u + 1442695040888963407u;
  }
}

}  // namespace

std::vector<ReadTime> TimesToRead(const FeatureView& view, Timestamp newest, Timestamp latest,
                                  uint64_t seed) {
  latest = std::max(latest, newest);
  std::vector<ReadTime> reads = {{newest, std::nullopt}};

  std::vector<Timestamp> edges;
  for (const Feature& feature : view.features) {
    if (!view.latest_values) AddEdges(feature.window, newest, edges);
  }
  Thin(edges, kMostEdges, seed);
  if (view.ttl) {
    for (const Duration age : {*view.ttl, *view.ttl + view.grace()}) {
      edges.push_back(newest + age);
      edges.push_back(newest + age + Duration{1});
    }
  }
  for (const Timestamp edge : edges) reads.push_back({edge, std::nullopt});

  const auto add_past = [&](Timestamp now) {
    std::vector<Timestamp> past = {now - view.history, now - Duration{view.history.us / 2}};
    for (const Feature& feature : view.features) {
      const Window& window = feature.window;
      if (view.latest_values || !window.has_panes()) continue;
      const Timestamp edge =
          FloorTo(now - Duration{view.history.us / 3}, window.hop, window.offset);
      past.insert(past.end(), {edge, edge - Duration{1}});
    }
    std::erase_if(past, [&](Timestamp at) { return at < now - view.history || at >= now; });
    Thin(past, kMostPast, seed);
    for (const Timestamp at : past) reads.push_back({now, at});
    reads.push_back({now, now - view.history - Duration{1}});
  };
  add_past(newest);
  std::stable_sort(reads.begin(), reads.end(),
                   [](const ReadTime& a, const ReadTime& b) { return a.now < b.now; });
  reads.push_back({latest, std::nullopt});
  if (view.history > Duration{}) add_past(latest);
  std::stable_partition(reads.begin(), reads.end(),
                        [&](const ReadTime& read) { return read.now < latest; });
  return reads;
}

std::optional<Duration> ReachOf(const FeatureView& view, const Feature& feature) {
  if (view.latest_values || !feature.window.has_history()) return std::nullopt;
  return feature.window.reach() + feature.window.hop;
}

}  // namespace freshet
