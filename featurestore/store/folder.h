// What stands in a data folder, and whether it is ours: asked before anything in it is touched.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "featurestore/base/status.h"

namespace freshet {

// Of the whole folder: which families there are and what is in their keys. Rows and progress number
// their own formats.
// 1 had no local log; 2 no doubles as short decimals.
inline constexpr int kStorageFormat = 3;

// The database inside a data folder. It is made as `rocksdb.new` and renamed when whole, so that a
// crash while it is made leaves nothing that looks like data.
inline std::filesystem::path DatabaseFolder(const std::filesystem::path& folder) {
  return folder / "rocksdb";
}
inline std::filesystem::path UnfinishedDatabaseFolder(const std::filesystem::path& folder) {
  return folder / "rocksdb.new";
}
// While a checkpoint is restored (restore.cc): what was copied so far, and what it takes the place of. Where there is one of them and
// no database, the restore was cut short.
inline std::filesystem::path RestoredDatabaseFolder(const std::filesystem::path& folder) {
  return folder / "rocksdb.restored";
}
inline std::filesystem::path ReplacedDatabaseFolder(const std::filesystem::path& folder) {
  return folder / "rocksdb.replaced";
}

enum class FolderState : uint8_t { kHasDatabase, kMayBeCreated };

// FAILED_PRECONDITION for a folder that holds something else, or is no folder.
StatusOr<FolderState> InspectFolder(const std::filesystem::path& folder);

// The database's column families. FAILED_PRECONDITION where they are not Freshet's; DATA_LOSS where
// it is damaged.
StatusOr<std::vector<std::string>> ListFamilies(const std::filesystem::path& folder);

// What meta says against what is wanted: FAILED_PRECONDITION for a newer format or another project.
Status CheckIdentity(const std::filesystem::path& folder, const std::string& stored_format,
                     const std::string& stored_project, const std::string& project);

// Does `open`, again and again until a running server changed no file of the database meanwhile: what its log held is in a table once
// that was flushed, and an open that reads the tables' list before the flush and the log after it would lack rows. UNAVAILABLE where
// that does not come about within some seconds; else what `open` said last.
Status WhileQuiet(const std::filesystem::path& database, const std::function<Status()>& open);

Status LockedError(const std::filesystem::path& folder);

}  // namespace freshet
