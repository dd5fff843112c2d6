#include "featurestore/store/checkpoints.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <set>
#include <utility>

#include "featurestore/store/backups.h"
#include "featurestore/store/store_impl.h"

namespace freshet {

namespace fs = std::filesystem;

namespace {

// Beside tables: what a flush adds, the manifest, and that the disk is not left without any.
constexpr uint64_t kKeptFree = 16ull << 20;

// Says whose the folder is: RocksDB removes what it does not know in folders of backups.
constexpr const char* kMarker = "freshet-checkpoints";

// A folder of checkpoints: one that is, or one that holds nothing of anybody else.
Status MakeFolder(const fs::path& folder) {
  std::error_code error;
  fs::create_directory(folder, error);
  if (error || !fs::is_directory(folder, error)) {
    return FailedPrecondition(
        "{}: storage.checkpoints.to must be a folder, or one that can be made in a folder that is "
        "there ({}); is its volume mounted?",
        folder.string(), error ? error.message() : "it is a file");
  }
  const fs::path marker = folder / kMarker;
  if (fs::exists(marker, error)) return OkStatus();
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') || name == "lost+found" || name == "LOCK") continue;
    return FailedPrecondition(
        "{}: holds {}, and no checkpoint of freshet's was made there; set storage.checkpoints.to "
        "to "
        "a folder of its own, since what is not a checkpoint's is removed there",
        folder.string(), name);
  }
  std::ofstream out(marker);
  out << "checkpoints of a freshet server; `freshet checkpoint list` tells of them\n";
  out.close();
  if (!error && out) return OkStatus();
  return FailedPrecondition("{}: could not write into it{}{}", folder.string(), error ? ": " : "",
                            error ? error.message() : "");
}

// Tables that no checkpoint has yet, and what memory holds, against what is free: what does not fit is not begun, since it would fill
// the disk first.
Status CheckRoom(const Store::Impl& store, const rocksdb::BackupEngine& engine,
                 const fs::path& folder) {
  std::vector<rocksdb::BackupInfo> infos;
  engine.GetBackupInfo(&infos, /*include_file_details=*/true);
  std::set<std::pair<uint64_t, uint64_t>> there;  // number and size
  for (const rocksdb::BackupInfo& info : infos) {
    for (const rocksdb::BackupFileInfo& file : info.file_details) {
      // shared_checksum/000012_sSESSION_994.sst
      const std::string name = fs::path(file.relative_filename).filename().string();
      uint64_t number = 0;
      std::from_chars(name.data(), name.data() + name.size(), number);
      there.emplace(number, file.size);
    }
  }
  uint64_t needed = kKeptFree + store.shared->write_buffers->memory_usage();
  std::vector<rocksdb::LiveFileMetaData> tables;
  store.db->GetLiveFilesMetaData(&tables);
  for (const rocksdb::LiveFileMetaData& table : tables) {
    if (!there.contains({table.file_number, table.size})) needed += table.size;
  }
  const auto free = FreeBytes(folder);
  if (!free || *free >= needed) return OkStatus();
  return MakeStatus(absl::StatusCode::kResourceExhausted,
                    "{}: could not make a checkpoint: it needs {} bytes, and {} are free; make "
                    "room there, or keep fewer (storage.checkpoints.keep)",
                    folder.string(), needed, *free);
}

}  // namespace

struct Checkpointer::Engine {
  std::unique_ptr<rocksdb::BackupEngine> backups;
};

Checkpointer::Checkpointer(Store& store, fs::path folder, uint32_t keep)
    : store_(store), folder_(std::move(folder)), keep_(keep) {}

Checkpointer::~Checkpointer() = default;

void Checkpointer::Cancel() {
  const std::lock_guard lock(mutex_);
  cancelled_ = true;
  if (engine_ != nullptr) engine_->backups->StopBackup();
}

StatusOr<Checkpoint> Checkpointer::Create() {
  const auto busy = [this] {
    return MakeStatus(absl::StatusCode::kAborted,
                      "{}: a checkpoint is being made there already; `freshet checkpoint list` "
                      "shows it once it is whole",
                      folder_.string());
  };
  const std::unique_lock making(making_, std::try_to_lock);
  if (!making) return busy();
  Store::Impl& store = store_.impl();
  RETURN_IF_ERROR(MakeFolder(folder_));
  ASSIGN_OR_RETURN(const std::unique_ptr<FileLock> lock, FileLock::Take(folder_ / "LOCK"));
  if (lock == nullptr) return busy();

  rocksdb::BackupEngine* raw = nullptr;
  RETURN_IF_ERROR(FromBackups(
      rocksdb::BackupEngine::Open(BackupOptions(folder_), rocksdb::Env::Default(), &raw),
      "read the checkpoints", folder_));
  Engine engine{std::unique_ptr<rocksdb::BackupEngine>(raw)};
  std::vector<Checkpoint> before = ReadBackups(*engine.backups, folder_);
  for (const Checkpoint& other : before) {
    // Of a newer freshet, or of another program: not ours to remove.
    if (absl::IsFailedPrecondition(other.state)) return other.state;
    if (!other.state.ok() || other.project == store.options.project) continue;
    return FailedPrecondition(
        "{}: holds checkpoints of project \"{}\", not of \"{}\"; set storage.checkpoints.to to a "
        "folder of this project's own",
        folder_.string(), other.project, store.options.project);
  }
  RETURN_IF_ERROR(CheckRoom(store, *engine.backups, folder_));
  RETURN_IF_ERROR(store.CheckSpace(store.shared->write_buffers->memory_usage(),
                                   "write memory to disk for a checkpoint"));

  struct Shown {  // to Cancel
    Checkpointer& of;
    ~Shown() {
      const std::lock_guard lock(of.mutex_);
      of.engine_ = nullptr;
    }
  } const shown{*this};
  {
    const std::lock_guard guard(mutex_);
    if (cancelled_) return absl::CancelledError("the server stops: no checkpoint is begun");
    engine_ = &engine;
  }
  rocksdb::CreateBackupOptions options;
  // Tables are shared between checkpoints, a log is not.
  options.flush_before_backup = true;
  options.decrease_background_thread_cpu_priority = true;
  options.background_thread_cpu_priority = rocksdb::CpuPriority::kLow;
  rocksdb::BackupID id = 0;
  RETURN_IF_ERROR(FromBackups(engine.backups->CreateNewBackup(options, store.db.get(), &id),
                              "make a checkpoint", folder_));

  std::vector<Checkpoint> now = ReadBackups(*engine.backups, folder_);
  const auto made =
      std::find_if(now.begin(), now.end(), [id](const Checkpoint& c) { return c.id == id; });
  if (made == now.end()) {
    return DataLoss("{}: checkpoint {} was made and is not there", folder_.string(), id);
  }
  RETURN_IF_ERROR(made->state);
  RETURN_IF_ERROR(RemoveOld(engine, now));
  return *made;
}

// All that is older than the `keep_` newest that open.
Status Checkpointer::RemoveOld(Engine& engine, const std::vector<Checkpoint>& all) const {
  std::vector<uint32_t> good;
  for (const Checkpoint& checkpoint : all) {
    if (checkpoint.state.ok()) good.push_back(checkpoint.id);
  }
  if (good.size() < keep_) return OkStatus();
  const uint32_t oldest_kept = good[good.size() - keep_];
  for (const Checkpoint& checkpoint : all) {
    if (checkpoint.id >= oldest_kept) break;
    RETURN_IF_ERROR(FromBackups(engine.backups->DeleteBackup(checkpoint.id),
                                fmt::format("remove checkpoint {}", checkpoint.id), folder_));
  }
  return OkStatus();
}

StatusOr<std::vector<Checkpoint>> ListCheckpoints(const fs::path& folder) {
  ASSIGN_OR_RETURN(const auto engine, OpenBackups(folder));
  if (engine == nullptr) return std::vector<Checkpoint>();
  std::vector<Checkpoint> list = ReadBackups(*engine, folder);
  // One that a server has removed meanwhile is not damaged.
  std::erase_if(list, [&folder](const Checkpoint& checkpoint) {
    std::error_code error;
    return !checkpoint.state.ok() &&
           !fs::exists(folder / "meta" / std::to_string(checkpoint.id), error);
  });
  return list;
}

Status VerifyCheckpoint(const fs::path& folder, uint32_t id) {
  ASSIGN_OR_RETURN(const auto engine, OpenBackups(folder));
  if (engine != nullptr) {
    for (const Checkpoint& checkpoint : ReadBackups(*engine, folder)) {
      if (checkpoint.id != id) continue;
      RETURN_IF_ERROR(FromBackups(engine->VerifyBackup(id, /*verify_with_checksum=*/true),
                                  fmt::format("read checkpoint {}", id), folder));
      return checkpoint.state;
    }
  }
  return NotFound(
      "{}: there is no checkpoint {}; `freshet checkpoint list DIR` names those that "
      "are",
      folder.string(), id);
}

}  // namespace freshet
