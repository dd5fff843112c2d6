#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "featurestore/store/backups.h"
#include "featurestore/store/folder.h"

namespace freshet {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kKeptFree = 16ull << 20;

Status Rename(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (!error) return OkStatus();
  return Unavailable("{}: could not rename it to {}: {}", from.string(), to.filename().string(),
                     error.message());
}

Status Remove(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (!error) return OkStatus();
  return Unavailable("{}: could not remove it: {}", folder.string(), error.message());
}

// Renames in it outlive a power cut.
void SyncFolder(const fs::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  (void)fsync(fd);
  (void)close(fd);
}

Status CheckRoom(const Checkpoint& checkpoint, const fs::path& data) {
  const auto free = FreeBytes(data);
  if (!free || *free >= checkpoint.bytes + kKeptFree) return OkStatus();
  return MakeStatus(absl::StatusCode::kResourceExhausted,
                    "{}: checkpoint {} has {} bytes, and {} are free; make room there",
                    data.string(), checkpoint.id, checkpoint.bytes, *free);
}

// The checkpoint's files in `into`, each held against its checksum as it is copied.
Status Fetch(const rocksdb::BackupEngineReadOnly& engine, const RestoreOptions& options,
             const Checkpoint& checkpoint, const fs::path& into) {
  RETURN_IF_ERROR(Remove(into));
  RETURN_IF_ERROR(checkpoint.state);
  RETURN_IF_ERROR(CheckRoom(checkpoint, options.data));
  RETURN_IF_ERROR(
      FromBackups(engine.RestoreDBFromBackup(checkpoint.id, into.string(), into.string()),
                  fmt::format("restore checkpoint {}", checkpoint.id), options.checkpoints));
  Checkpoint restored;
  return ReadContents(into.string(), rocksdb::Env::Default(), restored);
}

StatusOr<RestoredCheckpoint> FetchNewestGood(const RestoreOptions& options, const fs::path& into) {
  ASSIGN_OR_RETURN(const auto engine, OpenBackups(options.checkpoints));
  std::vector<Checkpoint> all;
  if (engine != nullptr) all = ReadBackups(*engine, options.checkpoints);
  if (options.id) std::erase_if(all, [&](const Checkpoint& c) { return c.id != *options.id; });
  if (all.empty()) {
    return NotFound("{}: there is no checkpoint{}", options.checkpoints.string(),
                    options.id ? fmt::format(" {}", *options.id) : std::string());
  }
  RestoredCheckpoint result;
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    if (it->state.code() == absl::StatusCode::kFailedPrecondition) return it->state;
    if (it->state.ok() && it->project != options.project) {
      return FailedPrecondition(
          "{}: holds checkpoints of project \"{}\", not of \"{}\"; nothing was restored",
          options.checkpoints.string(), it->project, options.project);
    }
    const Status fetched = Fetch(*engine, options, *it, into);
    if (fetched.ok()) {
      result.checkpoint = std::move(*it);
      return result;
    }
    // It is the data folder's disk then, and an older checkpoint does not help.
    if (absl::IsResourceExhausted(fetched)) return fetched;
    result.skipped.push_back({it->id, fetched});
  }
  std::string why;
  for (const auto& skipped : result.skipped) {
    why += fmt::format("\n  checkpoint {}: {}", skipped.id, MessageOf(skipped.why));
  }
  return DataLoss("{}: no checkpoint is good; nothing was restored{}", options.checkpoints.string(),
                  why);
}

}  // namespace

StatusOr<RestoredCheckpoint> RestoreCheckpoint(const RestoreOptions& options) {
  std::error_code error;
  fs::create_directories(options.data, error);
  if (error) {
    return Unavailable("{}: could not make the data folder: {}", options.data.string(),
                       error.message());
  }
  const fs::path database = DatabaseFolder(options.data);
  const fs::path restored = RestoredDatabaseFolder(options.data);
  const fs::path replaced = ReplacedDatabaseFolder(options.data);
  // A restore that was cut short between its two renames.
  if (!fs::exists(database, error) && fs::exists(replaced, error)) {
    RETURN_IF_ERROR(Rename(replaced, database));
  }
  RETURN_IF_ERROR(Remove(restored));
  ASSIGN_OR_RETURN(const FolderState state, InspectFolder(options.data));
  std::unique_ptr<FileLock> held;
  if (state == FolderState::kHasDatabase) {
    if (!options.replace) {
      return FailedPrecondition(
          "{}: holds data; move it away, or let --replace remove it once the checkpoint stands in "
          "its place",
          options.data.string());
    }
    ASSIGN_OR_RETURN(held, FileLock::Take(database / "LOCK"));
    if (held == nullptr) return LockedError(options.data);
  }
  StatusOr<RestoredCheckpoint> result = FetchNewestGood(options, restored);
  if (!result.ok()) {
    RETURN_IF_ERROR(Remove(restored));
    return result;
  }
  RETURN_IF_ERROR(Remove(replaced));
  if (state == FolderState::kHasDatabase) RETURN_IF_ERROR(Rename(database, replaced));
  RETURN_IF_ERROR(Rename(restored, database));
  SyncFolder(options.data);
  RETURN_IF_ERROR(Remove(replaced));
  return result;
}

}  // namespace freshet
