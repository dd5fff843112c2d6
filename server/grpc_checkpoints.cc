// AdminService's calls about checkpoints.
#include "server/counted_call.h"
#include "server/grpc_catalog_admin.h"
#include "server/proto_checkpoint.h"

namespace freshet {
namespace {

ServeError NotMade() {
  ServeError error;
  error.code = absl::StatusCode::kFailedPrecondition;
  error.reason = "NO_CHECKPOINTS";
  error.message =
      "this server makes no checkpoints: declare storage.checkpoints.to, and start it anew";
  return error;
}

ServeError AsError(const Status& status) {
  ServeError error;
  error.code = status.code();
  error.reason = absl::IsAborted(status) ? "CHECKPOINT_RUNNING" : "CHECKPOINT_FAILED";
  error.message = MessageOf(status);
  return error;
}

}  // namespace

void AdminServer::SetCheckpointing(Checkpointing checkpointing) {
  const std::lock_guard lock(mutex_);
  checkpointing_ = std::move(checkpointing);
}

Checkpointing AdminServer::checkpointing() const {
  const std::lock_guard lock(mutex_);
  return checkpointing_;
}

grpc::Status AdminServer::CreateCheckpoint(grpc::ServerContext*, const v1::CreateCheckpointRequest*,
                                           v1::CreateCheckpointResponse* response) {
  const CountedCall counted(create_checkpoint_);
  const Checkpointing checkpointing = this->checkpointing();
  if (!checkpointing.create) return counted.Done(NotMade());
  const StatusOr<Checkpoint> made = checkpointing.create();
  if (!made.ok()) return counted.Done(AsError(made.status()));
  ToProto(*made, *plans_.catalog(), *response->mutable_checkpoint());
  return counted.Done(std::nullopt);
}

grpc::Status AdminServer::ListCheckpoints(grpc::ServerContext*, const v1::ListCheckpointsRequest*,
                                          v1::ListCheckpointsResponse* response) {
  const CountedCall counted(list_checkpoints_);
  const Checkpointing checkpointing = this->checkpointing();
  if (!checkpointing.list) return counted.Done(NotMade());
  const auto list = checkpointing.list();
  if (!list.ok()) return counted.Done(AsError(list.status()));
  response->set_folder(checkpointing.folder);
  for (const Checkpoint& checkpoint : *list) {
    ToProto(checkpoint, *plans_.catalog(), *response->add_checkpoints());
  }
  return counted.Done(std::nullopt);
}

}  // namespace freshet
