// What making, listing and restoring checkpoints share of RocksDB's backups. Only for store/*.cc.
#pragma once

#include <rocksdb/utilities/backup_engine.h>

#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "featurestore/store/checkpoints.h"

namespace freshet {

// `doing` continues "could not …"; `folder` is of checkpoints.
Status FromBackups(const rocksdb::Status& status, std::string_view doing,
                   const std::filesystem::path& folder);

rocksdb::BackupEngineOptions BackupOptions(const std::filesystem::path& folder);

// None: the folder holds no checkpoints.
StatusOr<std::unique_ptr<rocksdb::BackupEngineReadOnly>> OpenBackups(
    const std::filesystem::path& folder);

// All of a folder, oldest first, damaged ones too.
std::vector<Checkpoint> ReadBackups(const rocksdb::BackupEngineReadOnlyBase& engine,
                                    const std::filesystem::path& folder);

// What the database at `path` says that it is. FAILED_PRECONDITION for a newer format.
Status ReadContents(const std::string& path, rocksdb::Env* env, Checkpoint& checkpoint);

// A file that one process holds at a time, until this goes. None is returned where another one has it.
class FileLock {
 public:
  static StatusOr<std::unique_ptr<FileLock>> Take(const std::filesystem::path& file);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(rocksdb::FileLock* lock) : lock_(lock) {}
  rocksdb::FileLock* lock_;
};

// Bytes free where `folder` is; none where that cannot be told.
std::optional<uint64_t> FreeBytes(const std::filesystem::path& folder);

}  // namespace freshet
