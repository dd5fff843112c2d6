#include "server/client_channel.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>

#include "freshet/v1/admin.grpc.pb.h"
#include "freshet/v1/catalog.grpc.pb.h"
#include "freshet/v1/ingest.grpc.pb.h"
#include "freshet/v1/serving.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace freshet {
namespace {

constexpr std::chrono::seconds kDeadline{10};
constexpr std::chrono::seconds kLettersDeadline{60};   // the whole topic is read
constexpr std::chrono::hours kCheckpointDeadline{24};  // the first one is a copy of everything

void ReadDetails(const grpc::Status& status, CallResult& result) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return;
  google::rpc::ErrorInfo info;
  google::rpc::BadRequest bad;
  for (const auto& detail : details.details()) {
    if (result.reason.empty() && detail.UnpackTo(&info)) result.reason = info.reason();
    if (!detail.UnpackTo(&bad)) continue;
    for (const auto& one : bad.field_violations()) {
      result.violations.emplace_back(one.field(), one.description());
    }
  }
}

}  // namespace

struct ClientChannel::Impl {
  explicit Impl(const std::string& address) : address(address) {
    grpc::ChannelArguments arguments;
    // What a server may answer is its own limit (max_response); ours must not stand below.
    arguments.SetMaxReceiveMessageSize(-1);
    // A server that restarts is found again within half a second, not after gRPC's backoff of up to two minutes.
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
    // The time-out of an attempt to connect, whatever its name: a busy server takes its time to answer the first one.
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
    serving = v1::ServingService::NewStub(channel);
    catalog = v1::CatalogService::NewStub(channel);
    admin = v1::AdminService::NewStub(channel);
    ingest = v1::IngestService::NewStub(channel);
  }

  template <typename Call>
  CallResult Do(const Call& call, std::chrono::seconds deadline = kDeadline) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    const grpc::Status status = call(&context);
    if (status.ok()) return {};
    CallResult result{
        Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message()), ""};
    ReadDetails(status, result);
    // gRPC's own words for "nobody listens" name neither what is missing nor what to do.
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE && result.reason.empty()) {
      result.status = Unavailable(
          "no freshet server answers at {} ({}); start one with `freshet serve DIR`, or say where "
          "it is with --address HOST:PORT",
          address, status.error_message());
    }
    return result;
  }

  const std::string address;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<v1::ServingService::Stub> serving;
  std::unique_ptr<v1::CatalogService::Stub> catalog;
  std::unique_ptr<v1::AdminService::Stub> admin;
  std::unique_ptr<v1::IngestService::Stub> ingest;
};

ClientChannel::ClientChannel(const std::string& address) : impl_(std::make_unique<Impl>(address)) {}
ClientChannel::~ClientChannel() = default;

CallResult ClientChannel::DescribeCatalog(const std::string& service,
                                          v1::DescribeCatalogResponse& answer) {
  v1::DescribeCatalogRequest request;
  request.set_feature_service(service);
  return impl_->Do([&](grpc::ClientContext* context) {
    return impl_->catalog->DescribeCatalog(context, request, &answer);
  });
}

CallResult ClientChannel::ExplainFeatures(const v1::ExplainFeaturesRequest& request,
                                          v1::ExplainFeaturesResponse& answer) {
  return impl_->Do([&](grpc::ClientContext* context) {
    return impl_->catalog->ExplainFeatures(context, request, &answer);
  });
}

CallResult ClientChannel::GetFeatures(const v1::GetFeaturesRequest& request,
                                      v1::GetFeaturesResponse& answer) {
  return impl_->Do([&](grpc::ClientContext* context) {
    return impl_->serving->GetFeatures(context, request, &answer);
  });
}

CallResult ClientChannel::GetProgress(const std::string& source, v1::GetProgressResponse& answer) {
  v1::GetProgressRequest request;
  request.set_source(source);
  return impl_->Do([&](grpc::ClientContext* context) {
    return impl_->admin->GetProgress(context, request, &answer);
  });
}

CallResult ClientChannel::PushEvents(const v1::PushEventsRequest& request,
                                     v1::PushResponse& answer) {
  return impl_->Do([&](grpc::ClientContext* context) {
    return impl_->ingest->PushEvents(context, request, &answer);
  });
}

CallResult ClientChannel::DeleteEntities(const v1::DeleteEntitiesRequest& request,
                                         v1::PushResponse& answer) {
  return impl_->Do([&](grpc::ClientContext* context) {
    return impl_->ingest->DeleteEntities(context, request, &answer);
  });
}

CallResult ClientChannel::ListDeadLetters(const v1::ListDeadLettersRequest& request,
                                          v1::ListDeadLettersResponse& answer) {
  return impl_->Do(
      [&](grpc::ClientContext* context) {
        return impl_->ingest->ListDeadLetters(context, request, &answer);
      },
      kLettersDeadline);
}

CallResult ClientChannel::ReplayDeadLetters(const v1::ReplayDeadLettersRequest& request,
                                            v1::ReplayDeadLettersResponse& answer) {
  return impl_->Do(
      [&](grpc::ClientContext* context) {
        return impl_->ingest->ReplayDeadLetters(context, request, &answer);
      },
      kLettersDeadline);
}

CallResult ClientChannel::ListViews(v1::ListViewsResponse& answer) {
  return impl_->Do([&](grpc::ClientContext* context) {
    return impl_->admin->ListViews(context, v1::ListViewsRequest(), &answer);
  });
}

CallResult ClientChannel::CreateCheckpoint(v1::CreateCheckpointResponse& answer) {
  return impl_->Do(
      [&](grpc::ClientContext* context) {
        return impl_->admin->CreateCheckpoint(context, v1::CreateCheckpointRequest(), &answer);
      },
      kCheckpointDeadline);
}

CallResult ClientChannel::ListCheckpoints(v1::ListCheckpointsResponse& answer) {
  return impl_->Do(
      [&](grpc::ClientContext* context) {
        return impl_->admin->ListCheckpoints(context, v1::ListCheckpointsRequest(), &answer);
      },
      kLettersDeadline);
}

CallResult ClientChannel::Reload(v1::ReloadResponse& answer) {
  return impl_->Do([&](grpc::ClientContext* context) {
    return impl_->admin->Reload(context, v1::ReloadRequest(), &answer);
  });
}

}  // namespace freshet
