// What tests/faults asks of a server by its environment, and nobody else.
#pragma once

#include "featurestore/base/status.h"
#include "featurestore/ingest/ingest.h"
#include "featurestore/observe/log.h"
#include "featurestore/store/store.h"

namespace freshet {

// FRESHET_TEST_COMMIT_FAULT breaks invariant 1 on purpose (and is logged loudly); FRESHET_TEST_COMMIT_LOG names a file that
// gets a `b` before each commit and an `e` after it, each commit slowed down so that a kill
// can fall before its write and after it. INVALID_ARGUMENT for a fault that does not exist.
StatusOr<CommitFaults> CommitFaultsFromEnvironment(Log& log);

// FRESHET_TEST_LOG_FAULT: what a consumer would do that lost its place when the stream of events broke off: when its source was
// assigned anew, or nothing came for 300 ms of a producer that never rests. `loses_after_break` leaves out the first record of each
// partition that comes then; `repeats_after_break` puts in its place the one that came before. The offsets look sound. Empty: no fault.
StatusOr<LogFaults> LogFaultsFromEnvironment(Log& log);

}  // namespace freshet
