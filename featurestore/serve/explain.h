// Why each value of an answer is what it is, in times, counts and a sentence (docs/testing.md, docs/api.md).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "featurestore/model/cell.h"
#include "featurestore/serve/plan.h"
#include "featurestore/state/explain.h"
#include "featurestore/store/live_status.h"

namespace freshet {

struct FeatureExplanation {
  std::string name;      // as answered
  std::string declared;  // "sum(amount), sliding 1h, hop 1m"; of a derived one its SQL
  uint32_t view = 0;     // index in Plan::views; kNoIndex: derived
  CellStatus status = CellStatus::kNotFound;
  bool degraded = false;
  std::optional<CoveredWindow> covered;  // none: no window was evaluated
  std::string why;                       // a sentence
};

struct ViewExplanation {
  std::string name;                 // in a role role:view
  bool row = false;                 // is stored, or made by the request's own event
  bool joined = false;              // by the request's own event (count_request)
  std::optional<Timestamp> newest;  // the row's newest event
  std::optional<Timestamp>
      event_time;  // of it as of the read; none: NOT_FOUND then, or outside history
  // After the first its features are OUTSIDE_MAX_AGE, after the second NOT_FOUND; none: never.
  std::optional<Timestamp> max_age_until;
  std::optional<Timestamp> found_until;
  std::optional<Timestamp> watermark;
  std::optional<Timestamp> complete_since;
  // Of the whole view since the server began; they are not kept by row.
  uint64_t late_events = 0;
  uint64_t skipped_no_key = 0;
  uint64_t skipped_where = 0;
};

struct Explanation {
  Timestamp evaluated_at;
  std::optional<Timestamp> as_of;
  std::vector<FeatureExplanation> features;  // by column
  std::vector<ViewExplanation> views;        // by Plan::views
};

// Of one view of the plan and one row: fills its columns' and its own entry. `row` null: there is none. `cells`: as they are answered,
// by PlanView::features.
void ExplainView(const Plan& plan, size_t view, const Row* row, const ReadTime& read,
                 std::optional<Timestamp> event_time, std::span<const Cell> cells,
                 const ViewStatus& status, Explanation& explanation);

// What a derived feature's expression read.
struct ReadColumn {
  ServiceExpressions::Column column;  // as in Plan::scope
  Value value;
};

// Of derived feature `derived` and one row, after what it is computed of: fills its column's entry.
void ExplainDerived(const Plan& plan, uint32_t derived, std::span<const ReadColumn> read,
                    const Evaluated& result, CellStatus status, Explanation& explanation);

// "[2026-01-01T10:00:00Z, 2026-01-01T11:05:00Z): 3 panes of 5m, 7 events"
std::string ToString(const CoveredWindow& covered);

}  // namespace freshet
