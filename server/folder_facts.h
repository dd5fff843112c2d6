// What a project's data folder tells `freshet doctor`: all that there is where no server runs, and what no metric says where one
// does. Opens it read-only; may run beside a server.
#pragma once

#include "featurestore/base/status.h"
#include "featurestore/declare/catalog.h"
#include "server/doctor/exposition.h"

namespace freshet {

// What the folder's store would export, without what only a running server knows (all counters are 0).
StatusOr<Exposition> ReadFolderMetrics(const Catalog& catalog);

// kSampledRows and kExpiredRows of rules.h, of views whose rows expire by the wall clock.
Status AddExpiredRows(const Catalog& catalog, Exposition& exposition);

}  // namespace freshet
