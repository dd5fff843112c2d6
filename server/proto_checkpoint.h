// A checkpoint as AdminService sends it and `freshet checkpoint` prints it.
#pragma once

#include "featurestore/declare/catalog.h"
#include "featurestore/store/checkpoints.h"
#include "freshet/v1/admin.pb.h"

namespace freshet {

// `catalog` says which source its views have.
void ToProto(const Checkpoint& checkpoint, const Catalog& catalog, v1::CheckpointState& out);

}  // namespace freshet
