// Where a source's reading begins: which making of the log this is, from where each view goes on, and which of them are behind.
#pragma once

#include <string_view>
#include <vector>

#include "featurestore/ingest/loop_context.h"
#include "featurestore/ingest/verify.h"
#include "featurestore/ingest/view_progress.h"

namespace freshet {

// Of the logs that a source has read the one of this topic and id, where it is among them.
const Store::SourceLog* FindSourceLog(const std::vector<Store::SourceLog>& logs,
                                      std::string_view topic, std::string_view log_id);

// The log's incarnation as this data folder counts it: 0 the first time a source is seen, a new one whenever its topic or the id of
// its log is another than it was, and the old one again where a topic comes back as it was (docs/architecture.md). A source that was
// renamed goes on where its views stand. Written before anything of it is read.
StatusOr<uint32_t> FindIncarnation(const LoopContext& context);

struct SourcePlan {
  LogVerdict stop;                            // not ok: nothing may be read
  std::vector<LoopView> live;                 // the views furthest on
  std::vector<std::vector<LoopView>> behind;  // by equal progress: a pass for each
};
// `bounds`: of each partition of the log as it is now. Views that are not complete have to reach its ends.
StatusOr<SourcePlan> PlanSource(const LoopContext& context, uint32_t incarnation,
                                const std::map<int32_t, LogBounds>& bounds);

// What a view has read of earlier incarnations of the log it keeps, and begins at the log's start in this one.
void RenewIncarnation(uint32_t incarnation, const std::map<int32_t, LogBounds>& bounds,
                      LoopView& view);

// Partitions that `view` has never read, at their beginning. True where there were some.
bool AddNewPartitions(uint32_t incarnation, const std::map<int32_t, LogBounds>& bounds,
                      LoopView& view);

}  // namespace freshet
