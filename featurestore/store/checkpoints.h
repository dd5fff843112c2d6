// Checkpoints of a data folder: its database as it was after some commit, rows and progress together, in a folder of their own. They are
// RocksDB's backups (docs/decisions/0020): a table is copied once and shared by the checkpoints that have it, and each file has a
// checksum.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/base/time.h"
#include "featurestore/store/store.h"

namespace freshet {

struct CheckpointView {
  std::string name;
  std::string version;
  bool complete = false;
  std::map<int32_t, Progress> progress;  // by partition
};

struct Checkpoint {
  uint32_t id = 0;
  // Not OK: it is damaged, as far as the names and sizes of its files tell; what is below may be missing.
  Status state;
  std::optional<Timestamp> made;  // whole seconds, when its copying began
  uint64_t bytes = 0;             // of its files, also those that it shares
  std::string project;
  std::vector<CheckpointView> views;
};

// Oldest first. A folder that is not there holds none. Also while one is being made.
StatusOr<std::vector<Checkpoint>> ListCheckpoints(const std::filesystem::path& folder);

// Every byte of it against its checksums, and whether it opens. DATA_LOSS says what is wrong; NOT_FOUND where there is no such checkpoint.
Status VerifyCheckpoint(const std::filesystem::path& folder, uint32_t id);

struct RestoreOptions {
  std::filesystem::path checkpoints;
  std::filesystem::path data;  // the data folder
  std::string project;
  std::optional<uint32_t> id;  // none: the newest that is good
  bool replace =
      false;  // what the data folder holds is removed once the checkpoint stands in its place
};
struct RestoredCheckpoint {
  Checkpoint checkpoint;
  struct Skipped {
    uint32_t id = 0;
    Status why;
  };
  std::vector<Skipped> skipped;  // newer ones
};
// FAILED_PRECONDITION where the data folder holds data and `replace` does not say that it may go, where a server has it open, or where
// the checkpoints are another project's or a newer freshet's; NOT_FOUND where there is none; DATA_LOSS where none is good. An error
// leaves what the data folder held; one that was cut short is taken up by the next.
StatusOr<RestoredCheckpoint> RestoreCheckpoint(const RestoreOptions& options);

// Makes checkpoints of a store that is open, beside everything that it does. Thread-safe; borrows `store`.
class Checkpointer {
 public:
  Checkpointer(Store& store, std::filesystem::path folder, uint32_t keep);
  ~Checkpointer();
  // ABORTED while another is being made, by this server or by another one in the same folder; CANCELLED after Cancel;
  // RESOURCE_EXHAUSTED where it does not fit; FAILED_PRECONDITION where the folder cannot be: its parent must exist, so that a volume
  // that is not mounted is noticed, and it holds nothing but checkpoints of this project. Then all but the `keep` newest good ones are removed.
  StatusOr<Checkpoint> Create();
  // The one that is being made ends soon, and leaves nothing; no other is begun.
  void Cancel();
  const std::filesystem::path& folder() const { return folder_; }

 private:
  struct Engine;

  Status RemoveOld(Engine& engine, const std::vector<Checkpoint>& all) const;

  Store& store_;
  const std::filesystem::path folder_;
  const uint32_t keep_;
  std::mutex making_;
  std::mutex mutex_;  // engine_, cancelled_
  Engine* engine_ = nullptr;
  bool cancelled_ = false;
};

}  // namespace freshet
