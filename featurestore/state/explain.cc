#include "featurestore/state/explain.h"

#include <algorithm>
#include <set>

#include "featurestore/state/covered.h"
#include "featurestore/state/row_parts.h"

namespace freshet {
namespace {

class Explainer {
 public:
  Explainer(const Row& row, const ReadTime& read)
      : row_(row),
        parts_(row.parts()),
        read_(read),
        q_(ClampRead(read.at())),
        before_newest_(read.as_of && *read.as_of < parts_.newest) {}

  CoveredWindow Explain(uint32_t index) const {
    const FeaturePlan& feature = parts_.layout->features[index];
    CoveredWindow covered;
    switch (feature.place) {
      case FeaturePlace::kPanes:
        ExplainPanes(feature, covered);
        break;
      case FeaturePlace::kRuns:
        ExplainRun(feature, covered);
        break;
      case FeaturePlace::kLog:
        ExplainLog(index, feature, covered);
        break;
      case FeaturePlace::kLifetime:
        covered.kept_as = KeptAs::kLifetime;
        covered.end = parts_.newest;
        covered.end_included = true;
        break;
      case FeaturePlace::kLatest:
        covered.kept_as = KeptAs::kLatest;
        covered.start = covered.end = parts_.latest->SetAt(feature.list);
        covered.end_included = true;
        covered.set_to_null = parts_.latest->IsNull(feature.list);
        return covered;
    }
    if (!covered.events) covered.events = CountedBeside(index);
    return covered;
  }

 private:
  void ExplainPanes(const FeaturePlan& feature, CoveredWindow& covered) const {
    const PaneRange range =
        feature.zone ? CoveredCalendarPanes(feature.window, *feature.zone, q_, before_newest_)
                     : CoveredPanes(feature.window, q_, before_newest_);
    covered.start = range.begin;
    covered.end = range.end;
    covered.hop = feature.window.hop;
    covered.left_out_pane_of_read = before_newest_ && range.end == feature.grid.Floor(q_) &&
                                    !feature.window.completed &&
                                    feature.window.kind != WindowKind::kHopping;
    const Timestamp begin =
        std::max(range.begin, EvictionEdge(feature.grid, parts_.newest, *feature.keep));
    std::set<int64_t> panes;
    for (uint32_t r = feature.ring_begin; r < feature.ring_end; ++r) {
      const PaneRing& ring = parts_.rings[r];
      for (size_t i = ring.LowerBound(begin); i < ring.size() && ring.start(i) < range.end; ++i) {
        panes.insert(feature.grid.Index(ring.start(i)));
      }
    }
    covered.panes = panes.size();
  }

  void ExplainRun(const FeaturePlan& feature, CoveredWindow& covered) const {
    covered.kept_as = KeptAs::kRuns;
    covered.end_included = true;
    const RunList& list = parts_.runs[feature.list];
    const size_t run = CoveredRun(parts_.layout->view, feature, list, parts_.newest, q_);
    if (run == list.size()) {
      covered.events = 0;
      return;
    }
    covered.start = list.start(run);
    covered.end = list.end(run);
  }

  void ExplainLog(uint32_t index, const FeaturePlan& feature, CoveredWindow& covered) const {
    covered.kept_as = KeptAs::kEvents;
    covered.end_included = true;
    const EventLog& log = *parts_.log;
    const auto [from, to] = CoveredOf(feature, log, parts_.newest, q_);
    if (feature.window.kind == WindowKind::kExact) {
      covered.start = q_ - feature.window.length;
      covered.start_included = false;
      covered.end = q_;
    } else if (from < to) {
      covered.start = log.at(from).time;
      covered.end = log.at(to - 1).time;
    }
    const std::optional<uint32_t> where = parts_.layout->view.features[index].where;
    std::vector<Value> fields(parts_.layout->source.fields.size());
    uint64_t events = 0;
    for (size_t i = from; i < to; ++i) {
      if (where) {
        log.Restore(i, fields);
        if (fields[*where].is_null() || !fields[*where].as_bool()) continue;
      }
      ++events;
    }
    covered.events = events;
  }

  // What a `count` of the same events in the same view says.
  std::optional<uint64_t> CountedBeside(uint32_t index) const {
    const std::vector<Feature>& features = parts_.layout->view.features;
    const Feature& asked = features[index];
    for (uint32_t i = 0; i < features.size(); ++i) {
      const Feature& other = features[i];
      if (other.aggregate != "count" || other.of || other.arguments.by ||
          other.where != asked.where || !(other.window == asked.window)) {
        continue;
      }
      Cell cell;
      row_.FinishWithoutDefaults(read_, {&i, 1}, {&cell, 1});
      if (cell.status == CellStatus::kNullValue) return 0;
      if (cell.status != CellStatus::kPresent || cell.value.kind() != Value::Kind::kInt64) break;
      return static_cast<uint64_t>(cell.value.as_int64());
    }
    return std::nullopt;
  }

  const Row& row_;
  const RowParts parts_;
  const ReadTime& read_;
  const Timestamp q_;
  const bool before_newest_;
};

}  // namespace

std::vector<CoveredWindow> ExplainRow(const Row& row, const ReadTime& read,
                                      std::span<const uint32_t> features) {
  const Explainer explainer(row, read);
  std::vector<CoveredWindow> covered;
  covered.reserve(features.size());
  for (const uint32_t feature : features) covered.push_back(explainer.Explain(feature));
  return covered;
}

}  // namespace freshet
