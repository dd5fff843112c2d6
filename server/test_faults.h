// What tests/faults asks of a server by its environment, and nobody else.
#pragma once

#include "featurestore/base/status.h"
#include "featurestore/observe/log.h"
#include "featurestore/store/store.h"

namespace freshet {

// FRESHET_TEST_COMMIT_FAULT breaks invariant 1 on purpose (and is logged loudly); FRESHET_TEST_COMMIT_LOG names a file that
// gets a `b` before each commit and an `e` after it, each commit slowed down so that a kill
// can fall before its write and after it. INVALID_ARGUMENT for a fault that does not exist.
StatusOr<CommitFaults> CommitFaultsFromEnvironment(Log& log);

}  // namespace freshet
