// The command line as a client of a running server: calls with deadlines, errors in words that say what to do.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "featurestore/base/status.h"
#include "freshet/v1/admin.pb.h"
#include "freshet/v1/catalog.pb.h"
#include "freshet/v1/ingest.pb.h"
#include "freshet/v1/serving.pb.h"

namespace freshet {

// An error of the server's: its message as it came, and the reason of api.md ("TOO_MANY_ROWS"; empty where it gave none).
struct CallResult {
  Status status;
  std::string reason;
  // Of the request's fields, as `events[3]`: what is wrong with them.
  std::vector<std::pair<std::string, std::string>> violations = {};
};

// Not thread-safe where one answer is passed to two calls.
class ClientChannel {
 public:
  explicit ClientChannel(const std::string& address);
  ~ClientChannel();

  CallResult DescribeCatalog(const std::string& service, v1::DescribeCatalogResponse& answer);
  CallResult ExplainFeatures(const v1::ExplainFeaturesRequest& request,
                             v1::ExplainFeaturesResponse& answer);
  CallResult GetFeatures(const v1::GetFeaturesRequest& request, v1::GetFeaturesResponse& answer);
  CallResult ListViews(v1::ListViewsResponse& answer);
  CallResult Reload(v1::ReloadResponse& answer);
  CallResult CreateCheckpoint(v1::CreateCheckpointResponse& answer);
  CallResult ListCheckpoints(v1::ListCheckpointsResponse& answer);
  CallResult GetProgress(const std::string& source, v1::GetProgressResponse& answer);
  CallResult PushEvents(const v1::PushEventsRequest& request, v1::PushResponse& answer);
  CallResult DeleteEntities(const v1::DeleteEntitiesRequest& request, v1::PushResponse& answer);
  CallResult ListDeadLetters(const v1::ListDeadLettersRequest& request,
                             v1::ListDeadLettersResponse& answer);
  CallResult ReplayDeadLetters(const v1::ReplayDeadLettersRequest& request,
                               v1::ReplayDeadLettersResponse& answer);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet
