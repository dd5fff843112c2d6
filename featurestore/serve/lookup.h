// keys → rows → finished columns: one request from the store to the wire's bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/base/arena.h"
#include "featurestore/base/clock.h"
#include "featurestore/model/event.h"
#include "featurestore/serve/answer.h"
#include "featurestore/serve/explain.h"
#include "featurestore/serve/plan.h"
#include "featurestore/serve/request.h"
#include "featurestore/serve/serve_error.h"
#include "featurestore/state/row.h"
#include "featurestore/store/store.h"

namespace freshet {

struct LookupOptions {
  AnswerForm form = AnswerForm::kColumns;
  bool event_times = false;
  // Not null: why the first row's values are what they are. Whole where every view of the plan answered.
  Explanation* explanation = nullptr;
  size_t max_rows = 10000;
  size_t max_response_bytes = 4 << 20;
  // For answers that are sent in another form, of which packed values are a part: in place of RESPONSE_TOO_LARGE the first rows whose
  // values fit (Answer::rows_filled), so that the caller can say how many fit in its form.
  bool cut_to_fit = false;
  // True once nobody waits for the answer. Asked before work and between blocks of work; none: never.
  std::function<bool()> expired;
};

// INVALID_ARGUMENT / RESPONSE_TOO_LARGE.
ServeError ResponseTooLarge(size_t rows, size_t rows_fit, size_t limit_bytes);

// Not thread-safe: one a thread, kept, so that the memory of one request serves the next. `store` and `clock` must outlive it.
class Lookup {
 public:
  Lookup(const Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // Beside what BindKeys refuses: UNAVAILABLE / VIEW_REBUILDING, INVALID_ARGUMENT / RESPONSE_TOO_LARGE and NOT_NUMERIC,
  // DEADLINE_EXCEEDED, DATA_LOSS. After an error `answer` holds nothing of use.
  //
  // `now` is fixed after all rows were read: with `clock: event_time` it is the greatest event time accepted over the views
  // asked, and never before the newest event of a row that was read.
  Outcome Run(const Plan& plan, const FeatureRequest& request, const LookupOptions& options,
              Answer& answer);
  // Of the last Run: for answers that repeat them.
  const BoundKeys& keys() const { return keys_; }

 private:
  // Leaves the blocks of the rows that it read pinned.
  Outcome RunPinned(const Plan& plan, const FeatureRequest& request, const LookupOptions& options,
                    Answer& answer);
  static constexpr uint32_t kNoEntity = UINT32_MAX;  // a key is null

  // What one view of the plan contributes.
  struct ViewRun {
    size_t reads = 0;       // entities: 1 where all its keys are of one value
    size_t values = 0;      // sent: 1 only where as_of is one, too
    size_t first_read = 0;  // in read_of_
  };
  // Where a column's cells go.
  struct Sink {
    Type type = Type::kDouble;
    uint32_t vector_size = 0;
    char* fixed = nullptr;  // of fixed width; else `column`
    AnswerColumn* column = nullptr;
    size_t first_status = 0;
  };

  Outcome CheckPlan(const Plan& plan, const LookupOptions& options) const;
  void PlanViews(const Plan& plan, const FeatureRequest& request);
  size_t RowsByWidth(const Plan& plan, const LookupOptions& options) const;
  Status ReadRows(const Plan& plan);
  Timestamp Now(const Plan& plan) const;
  void PrepareAnswer(const Plan& plan, const LookupOptions& options, Answer& answer);
  Outcome FinishView(const Plan& plan, size_t view, const FeatureRequest& request,
                     const LookupOptions& options, Answer& answer);
  // Row i of a view; `row`: what the view's last one left, for keys that are one.
  Outcome FinishRow(const Plan& plan, size_t view, size_t i, const FeatureRequest& request,
                    const LookupOptions& options, std::optional<Row>& row, Answer& answer);
  static ReadTime TimeOf(const FeatureRequest& request, size_t i, const Answer& answer);
  // Behind each row, of which the columns in hand hold `filled`: DEADLINE_EXCEEDED, where the work since the last look is worth one.
  Outcome AfterRow(const Plan& plan, const LookupOptions& options, size_t filled, Answer& answer);
  // Goes on with those of the first `filled` rows that can still be sent, where text, lists and maps have outgrown it.
  void FitRows(const Plan& plan, const LookupOptions& options, size_t filled, Answer& answer);
  // Cell i of a column; `spread`: one value that a matrix repeats in every row.
  void PutCell(AnswerForm form, uint32_t column, size_t i, bool spread, const Cell& cell,
               Answer& answer);
  void PutText(AnswerColumn& column, const Value& value);
  void PutList(const Sink& sink, const Value& value);
  void PutValue(const Sink& sink, size_t index, const Cell& cell);
  void PutMatrix(AnswerForm form, size_t index, const Cell& cell, Answer& answer) const;

  // lookup_request.cc: what comes with the request.
  // The views that the request's own event joins, row by row, so that it is made once for all of them.
  Outcome FinishJoined(const Plan& plan, const FeatureRequest& request,
                       const LookupOptions& options, Answer& answer);
  // The request's own event at `q` for row i, in event_fields_. False where there is none: one that was stored would have been
  // refused, or is for no view of its source.
  bool MakeEvent(const Plan& plan, size_t i, Timestamp q, Answer& answer);
  // That event, as a stored one would, to the row that `view` reads for row i; none: there is no row yet.
  // True where it was counted: not where the row remembers its id.
  bool JoinEvent(const Plan& plan, const PlanView& view, size_t i, Timestamp q,
                 std::optional<Row>& row);
  void KeepValues(const PlanView& view, size_t i, size_t values);
  Outcome FinishDerived(const Plan& plan, const FeatureRequest& request,
                        const LookupOptions& options, Answer& answer);
  Value ScopeValue(const Plan& plan, const FeatureRequest& request, uint32_t column, size_t i,
                   Timestamp now) const;
  void ExplainDerivedCell(const Plan& plan, uint32_t derived, const Evaluated& result,
                          CellStatus status, Explanation& explanation) const;
  bool EventVaries(const Plan& plan) const;
  // Only grows; a unit is worth about a nanosecond.
  uint64_t ExpressionWork() const { return scratch_.steps() + text_read_; }
  bool Varies(const PlanDerived& derived, const FeatureRequest& request) const;

  const Store& store_;
  const Clock& clock_;
  // Of the request in hand.
  BoundKeys keys_;
  RowReads reads_;
  std::vector<ViewRun> runs_;
  std::vector<uint32_t> read_of_;  // index in reads_, or kNoEntity
  std::string key_bytes_;
  std::vector<size_t> key_ends_;
  std::vector<Value> key_values_;
  std::vector<Cell> cells_;
  std::vector<Sink> sinks_;
  std::vector<size_t> column_values_;  // by column: how many are sent
  size_t rows_ = 0;                    // that are filled: all, or as many as can be sent
  size_t text_bytes_ = 0;              // of text, lists and maps so far
  size_t rows_unlooked_ = 0;           // since the deadline was looked at
  uint64_t looked_at_ = 0;             // ExpressionWork() then
  bool damaged_ = false;               // a list, vector or map was not what its column is
  bool any_status_ = false;
  bool any_degraded_ = false;
  // Of inputs, derived features and the request's event.
  std::vector<std::vector<Value>> kept_;  // by slot of PlanView::kept: one value a value sent
  std::vector<std::vector<Value>> kept_derived_;  // by derived feature that another one reads
  TextArena kept_texts_;
  std::vector<Value> scope_;
  std::vector<Value> event_fields_;
  bool has_event_ = false;
  uint64_t text_read_ = 0;  // bytes that expressions were given
  Scratch scratch_;
};

}  // namespace freshet
