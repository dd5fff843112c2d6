#include "featurestore/state/covered.h"

#include <algorithm>

namespace freshet {

Timestamp ClampRead(Timestamp q) {
  constexpr Duration kBeyondEvents = Duration::Days(1000 * 366);
  return std::clamp(q, kMinEventTime - kBeyondEvents, kMaxEventTime + kBeyondEvents);
}

// The last run. A session is over once q − end ≥ gap; `ended` asks for the newest that is, and that the row's ttl still reaches:
// an older one was gone with its row, if compaction came by, before the row's newest event.
size_t CoveredRun(const FeatureView& view, const FeaturePlan& feature, const RunList& list,
                  Timestamp newest, Timestamp q) {
  const size_t none = list.size();
  size_t run = list.size();
  if (run == 0) return none;  // of a row that was deleted
  if (feature.window.kind == WindowKind::kLifetime) return run - 1;
  const auto is_over = [&](size_t i) { return q - list.end(i) >= feature.window.length; };
  if (!feature.window.completed) return is_over(run - 1) ? none : run - 1;
  while (run > 0 && !is_over(run - 1)) --run;
  if (run == 0) return none;
  if (view.ttl && list.end(run - 1) < newest - *view.ttl) return none;
  return run - 1;
}

// Of the row's greatest events so many as the window has, none older than it reaches.
CoveredEvents CoveredOf(const FeaturePlan& feature, const EventLog& log, Timestamp newest,
                        Timestamp q) {
  const Window& window = feature.window;
  CoveredEvents covered{log.size() - std::min<size_t>(log.size(), window.events), log.size()};
  if (feature.keep) {
    covered.begin = std::max(covered.begin, log.LowerBound(newest - *feature.keep));
  }
  if (window.kind == WindowKind::kExact) {
    covered.begin = std::max(covered.begin, log.LowerBound(q - window.length + Duration{1}));
    covered.end = log.LowerBound(q + Duration{1});
  }
  return covered;
}

}  // namespace freshet
