// What a row must answer, the slow way: every event kept, plain loops over them, written from the sentences of
// semantics.md. Shares nothing with window/ and state/ but the types of the answer.
#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/model/cell.h"
#include "featurestore/model/event.h"
#include "featurestore/model/feature_view.h"
#include "featurestore/state/row.h"

namespace freshet {

class ReferenceRow {
 public:
  struct Answer {
    CellStatus status = CellStatus::kNotFound;
    std::optional<double> number;  // of int64, double, bool and time
    std::optional<std::string> text;
    double scale = 0;  // of what entered
    bool degraded = false;
  };

  explicit ReferenceRow(const FeatureView& view) : view_(view) {}

  Applied Apply(const Event& event);
  Timestamp newest() const { return newest_; }
  bool empty() const { return events_.empty(); }
  // Of the row as of the read; none: there is none.
  std::optional<Timestamp> Time(const ReadTime& read) const;
  Answer Finish(const ReadTime& read, const Feature& feature) const;

 private:
  struct Kept {
    Position at;
    std::vector<Value> fields;
    bool late_for_runs;
  };
  static int64_t Floor(int64_t t, int64_t hop, int64_t offset) {
    int64_t f = (t - offset) / hop * hop + offset;
    while (f > t) f -= hop;
    while (f + hop <= t) f += hop;
    return f;
  }
  int64_t Edge(int64_t hop, int64_t offset, int64_t reach) const {
    return Floor(newest_.us - reach - view_.history.us - view_.max_future_skew.us, hop, offset);
  }
  std::vector<const Kept*> Covered(const ReadTime& read, const Feature& feature) const;
  // The runs of what was not late, the oldest first: neighbours are closer than `apart`.
  std::vector<std::vector<const Kept*>> Runs(Duration apart) const;
  std::vector<const Kept*> GreatestFirst() const;
  // The newest event at or before q of which a view with exact windows still knows.
  std::optional<Timestamp> KnownTo(Timestamp q) const;
  bool Degraded(const ReadTime& read, const Feature& feature) const;
  Answer Aggregate(const Feature& feature, const std::vector<const Kept*>& events) const;
  Answer Filled(const Feature& feature, CellStatus status) const;

  const FeatureView& view_;
  std::vector<Kept> events_;
  std::deque<std::string> texts_;
  Timestamp newest_ = Timestamp::Min();
};

}  // namespace freshet
