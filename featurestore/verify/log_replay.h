// Reads a log from its start up to given offsets, once, for whoever looks at each record.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "featurestore/ingest/log_source.h"

namespace freshet {

// What was found of a partition.
struct ReplayedPartition {
  int64_t start = 0;                      // the log's, as reading began
  std::optional<RecordFingerprint> last;  // of the records read
};

// `visit` gets each record below `next` of its partition, in order within the partition; false ends the reading at once. OK also
// then. `progress`: share of the offsets passed. UNAVAILABLE where nothing comes for half a minute; OUT_OF_RANGE where the log lost
// records while it was read.
Status ReplayLog(LogSource& log, const Positions& next, bool every_gap_is_loss,
                 const std::function<StatusOr<bool>(const SourceRecord& record)>& visit,
                 const std::function<Status(double share)>& progress,
                 std::map<int32_t, ReplayedPartition>& found);

}  // namespace freshet
