// A running server's answers as cells that the oracle can be held against.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/model/cell.h"
#include "featurestore/model/feature_view.h"
#include "freshet/v1/serving.grpc.pb.h"

namespace freshet {

struct AskedRow {
  std::vector<Cell> cells;  // by feature of the view; texts are borrowed from the answer
  std::optional<Timestamp> event_time;
};

// The answer to one request. What its cells borrow lives as long as it does.
struct AskedAnswer {
  v1::GetFeaturesResponse response;
  Timestamp now;  // that the server used
  std::vector<AskedRow> rows;
};

class AskedServer {
 public:
  explicit AskedServer(const std::string& address);

  // All features of `view` for `keys`. `as_of`: none, one for all, or one a row.
  // An answer of another shape than declared is an error: the comparison would mean nothing.
  StatusOr<std::unique_ptr<AskedAnswer>> Ask(const FeatureView& view, const Entity& entity,
                                             std::span<const std::vector<Value>> keys,
                                             std::span<const Timestamp> as_of);

 private:
  std::unique_ptr<v1::ServingService::Stub> stub_;
};

}  // namespace freshet
