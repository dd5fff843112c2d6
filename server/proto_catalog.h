// The catalog as DescribeCatalog tells it.
#pragma once

#include <string_view>

#include "featurestore/serve/plans.h"
#include "featurestore/store/store.h"
#include "freshet/v1/catalog.pb.h"

namespace freshet {

// `service` empty: everything. Otherwise that service and what it uses; NOT_FOUND / UNKNOWN_FEATURE_SERVICE.
Outcome DescribeCatalog(const Plans& plans, const Store& store, std::string_view service,
                        v1::DescribeCatalogResponse& response);

}  // namespace freshet
