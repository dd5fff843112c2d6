// The views of one source against its log.
#pragma once

#include <vector>

#include "featurestore/verify/verify_store.h"

namespace freshet {

struct ViewToVerify {
  uint32_t view = 0;  // in the catalog
  ViewId id;          // in the store
  ViewVerified* report = nullptr;
};

StatusOr<SourceVerified> VerifySource(const Catalog& catalog, uint32_t source,
                                      const std::vector<ViewToVerify>& views, Store& store,
                                      const VerifyLog& log, const VerifyOptions& options);

}  // namespace freshet
