// Is it still one and the same log, while it is read? A topic that is deleted, made again and filled past the place where reading
// stands, all before librdkafka looks again, is read on as if nothing had been: its records become what the stored place is told by.
// But in one log the first record after a given time never moves to a lower offset: records are added behind it, and retention and
// compaction only take some away. So a time is kept of each partition, and its offset is asked for at each refresh.
#pragma once

#include <map>
#include <string>

#include "featurestore/ingest/log_source.h"
#include "featurestore/ingest/verify.h"

namespace freshet {

// Not thread-safe.
class LogAnchors {
 public:
  // One request. `bounds`: asked before it; `progress`: what was read until then, by which the next call is to judge; `next`: what the
  // log is assigned to. Not ok: the log is another, and lost() says what it was told by. A failure to ask is ignored. Partitions whose
  // records have no times are not asked about, nor those that had none when it was called before.
  StatusOr<LogVerdict> Check(LogSource& log, const std::string& topic,
                             const std::map<int32_t, LogBounds>& bounds,
                             const std::map<int32_t, Progress>& progress, const Positions& next,
                             bool compacted);
  // The last record that is known to be of the log that was, in each partition that is another now.
  const std::map<int32_t, RecordFingerprint>& lost() const { return lost_; }

 private:
  struct Anchor {
    RecordFingerprint last;  // passed
    Timestamp time;          // the greatest of such
    int64_t floor = 0;       // no record after that time stands below
  };
  std::map<int32_t, Anchor> anchors_;
  std::map<int32_t, RecordFingerprint> lost_;
};

}  // namespace freshet
