// What `freshet reset-source` and `freshet reset-view` do to a data folder that no server has open: a source that stopped, because its
// log is not what it was, goes on, or a view is built anew. Nothing is counted twice, and what is missing is said by complete_since.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "featurestore/declare/catalog.h"
#include "featurestore/ingest/log_source.h"
#include "featurestore/store/store.h"

namespace freshet {

// What became of a topic that holds less than was read of it, or other records, which the log alone does not tell.
enum class LogChange : uint8_t {
  kNew,        // made anew: all that it holds is new
  kTruncated,  // it lost its end: what it holds was read already, and rows keep what it lost
};

struct ResetReport {
  std::vector<std::string> partitions;  // a sentence each
  std::string completeness;             // what answers will say
};

// `store`: the catalog's views are open, in its order. `log`: of the source's topic; `log_id` as LogAddress says.
// Lost records are left out: reading goes on at the log's start. A topic that was made anew is read whole, under a new incarnation;
// rows stay. But where a partition went on reading before another told that it is another log, it has passed what comes next: it goes
// on where it stands, and lacks what comes before. FAILED_PRECONDITION, and nothing was changed, where the log holds what comes next (there is nothing to reset), where
// `change` has to be said, and where it cannot be so; where the log lost its end, also where the folder holds views or versions that
// are not declared.
StatusOr<ResetReport> ResetSource(const Catalog& catalog, uint32_t source,
                                  const std::string& log_id, std::optional<LogChange> change,
                                  LogSource& log, Store& store);

// What has to be known and done before Store::ResetView forgets the rows of `view`.
struct ViewReset {
  bool new_incarnation = false;  // of the source's log
  std::vector<std::string>
      others;  // views of the source that stand on the log that was read before, if it is another now
};
// Without `accept_loss` FAILED_PRECONDITION, and nothing was changed, where rows may hold what the log does not any more: it has lost its
// beginning, it is another than was read, or they are of an earlier incarnation. Where it is another, or could not be asked, the
// source's log takes a new incarnation, so that what was refused of the one it was says nothing about it; other views keep their
// places, where a start still finds what is wrong. `store`, `log`, `log_id`: as for ResetSource.
StatusOr<ViewReset> PrepareViewReset(const Catalog& catalog, ViewId view, const std::string& log_id,
                                     bool accept_loss, LogSource& log, Store& store);

// What a view that is built anew from the log would lack: a sentence. None: the log has its beginning.
StatusOr<std::optional<std::string>> MissingBeginning(const std::string& topic, LogSource& log);

}  // namespace freshet
