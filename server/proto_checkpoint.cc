#include "server/proto_checkpoint.h"

namespace freshet {

void ToProto(const Checkpoint& checkpoint, const Catalog& catalog, v1::CheckpointState& out) {
  out.set_id(checkpoint.id);
  if (!checkpoint.state.ok()) out.set_damage(std::string(MessageOf(checkpoint.state)));
  if (checkpoint.made) out.set_made_us(checkpoint.made->us);
  out.set_bytes(checkpoint.bytes);
  out.set_project(checkpoint.project);
  for (const CheckpointView& view : checkpoint.views) {
    v1::CheckpointView& to = *out.add_views();
    to.set_view(view.name);
    to.set_version(view.version);
    to.set_complete(view.complete);
    if (const auto index = catalog.ViewIndex(view.name)) {
      to.set_source(catalog.sources[catalog.views[*index].source].name);
    }
    for (const auto& [partition, progress] : view.progress) {
      v1::CheckpointPartition& at = *to.add_partitions();
      at.set_partition(partition);
      at.set_incarnation(progress.incarnation);
      at.set_next_offset(progress.next);
    }
  }
}

}  // namespace freshet
