#include "featurestore/store/backups.h"

#include <rocksdb/db.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "featurestore/base/coding.h"
#include "featurestore/store/folder.h"
#include "featurestore/store/keys.h"
#include "featurestore/store/rocks_status.h"
#include "featurestore/store/store_impl.h"

namespace freshet {

namespace fs = std::filesystem;

Status FromBackups(const rocksdb::Status& status, std::string_view doing, const fs::path& folder) {
  if (status.ok()) return OkStatus();
  const std::string found = status.ToString();
  if (status.IsCorruption() || status.IsNotFound() || status.IsPathNotFound()) {
    return DataLoss("{}: could not {}: damaged ({})", folder.string(), doing, found);
  }
  if (status.IsNoSpace()) {
    return MakeStatus(absl::StatusCode::kResourceExhausted,
                      "{}: could not {}: the disk is full ({}); make room there", folder.string(),
                      doing, found);
  }
  if (status.IsIncomplete()) return absl::CancelledError("stopped before the checkpoint was made");
  return Unavailable("{}: could not {}: {}; look at the disk and the folder's permissions",
                     folder.string(), doing, found);
}

rocksdb::BackupEngineOptions BackupOptions(const fs::path& folder) {
  rocksdb::BackupEngineOptions options(folder.string());
  options.sync = true;
  return options;
}

StatusOr<std::unique_ptr<rocksdb::BackupEngineReadOnly>> OpenBackups(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder / "meta", error)) return nullptr;
  rocksdb::BackupEngineReadOnly* raw = nullptr;
  RETURN_IF_ERROR(FromBackups(
      rocksdb::BackupEngineReadOnly::Open(BackupOptions(folder), rocksdb::Env::Default(), &raw),
      "read the checkpoints", folder));
  return std::unique_ptr<rocksdb::BackupEngineReadOnly>(raw);
}

Status ReadContents(const std::string& path, rocksdb::Env* env, Checkpoint& checkpoint) {
  rocksdb::DBOptions options;
  options.env = env;
  options.paranoid_checks = true;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  const auto damaged = [&path](const rocksdb::Status& status) {
    return status.ok() ? OkStatus() : DataLoss("{}: it does not open: {}", path, status.ToString());
  };
  std::vector<std::string> families;
  RETURN_IF_ERROR(damaged(rocksdb::DB::ListColumnFamilies(options, path, &families)));
  RETURN_IF_ERROR(
      damaged(rocksdb::DB::OpenForReadOnly(options, path,
                                           {{keys::kMeta, rocksdb::ColumnFamilyOptions()},
                                            {keys::kProgress, rocksdb::ColumnFamilyOptions()}},
                                           &handles, &raw)));
  const std::unique_ptr<rocksdb::DB> db(raw);
  struct Handles {
    rocksdb::DB& db;
    std::vector<rocksdb::ColumnFamilyHandle*>& handles;
    ~Handles() {
      for (auto* handle : handles) (void)db.DestroyColumnFamilyHandle(handle);
    }
  } const closed{*db, handles};

  std::string format;
  RETURN_IF_ERROR(damaged(db->Get({}, handles[0], keys::kFormat, &format)));
  RETURN_IF_ERROR(damaged(db->Get({}, handles[0], keys::kProject, &checkpoint.project)));
  RETURN_IF_ERROR(CheckIdentity(path, format, checkpoint.project, checkpoint.project));

  checkpoint.views.clear();
  Status failed;
  for (const std::string& family : families) {
    const size_t at = family.rfind('@');
    if (at == std::string::npos) continue;
    CheckpointView& view = checkpoint.views.emplace_back();
    view.name = family.substr(0, at);
    view.version = family.substr(at + 1);
    std::string complete;
    const rocksdb::Status got = db->Get({}, handles[0], keys::kViewPrefix + view.name, &complete);
    if (!got.IsNotFound()) RETURN_IF_ERROR(damaged(got));
    view.complete = complete == view.version;
    const std::string prefix = keys::ProgressPrefix(family);
    const auto read = [&](std::string_view key, std::string_view value) {
      if (keys::IsProducerKey(key, prefix)) return true;
      ByteReader partition(key.substr(prefix.size()));
      const auto number = static_cast<int32_t>(partition.Ordered32());
      StatusOr<Progress> progress = DecodeProgress(value);
      if (!progress.ok()) {
        failed = DataLoss("{}: progress of {}: {}", path, family, MessageOf(progress.status()));
        return false;
      }
      view.progress[number] = *std::move(progress);
      return true;
    };
    RETURN_IF_ERROR(damaged(ForPrefix(*db, handles[1], prefix, read)));
    RETURN_IF_ERROR(failed);
  }
  return OkStatus();
}

std::vector<Checkpoint> ReadBackups(const rocksdb::BackupEngineReadOnlyBase& engine,
                                    const fs::path& folder) {
  std::vector<Checkpoint> checkpoints;
  std::vector<rocksdb::BackupInfo> infos;
  engine.GetBackupInfo(&infos, /*include_file_details=*/true);
  for (const rocksdb::BackupInfo& info : infos) {
    Checkpoint& checkpoint = checkpoints.emplace_back();
    checkpoint.id = info.backup_id;
    checkpoint.made = Timestamp{info.timestamp * 1'000'000};
    checkpoint.bytes = info.size;
    checkpoint.state = ReadContents(info.name_for_open, info.env_for_open.get(), checkpoint);
  }
  std::vector<rocksdb::BackupID> damaged;
  engine.GetCorruptedBackups(&damaged);
  for (const rocksdb::BackupID id : damaged) {
    Checkpoint& checkpoint = checkpoints.emplace_back();
    checkpoint.id = id;
    checkpoint.state =
        FromBackups(engine.VerifyBackup(id), fmt::format("read checkpoint {}", id), folder);
  }
  std::sort(checkpoints.begin(), checkpoints.end(),
            [](const Checkpoint& a, const Checkpoint& b) { return a.id < b.id; });
  return checkpoints;
}

StatusOr<std::unique_ptr<FileLock>> FileLock::Take(const fs::path& file) {
  rocksdb::FileLock* lock = nullptr;
  const rocksdb::Status locked = rocksdb::Env::Default()->LockFile(file.string(), &lock);
  if (IsLocked(locked)) return nullptr;
  RETURN_IF_ERROR(
      FromBackups(locked, fmt::format("lock {}", file.filename().string()), file.parent_path()));
  return std::unique_ptr<FileLock>(new FileLock(lock));
}

FileLock::~FileLock() { (void)rocksdb::Env::Default()->UnlockFile(lock_); }

std::optional<uint64_t> FreeBytes(const fs::path& folder) {
  struct statvfs disk {};
  if (statvfs(folder.c_str(), &disk) != 0) return std::nullopt;
  return static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
}

}  // namespace freshet
