// What stands in a data folder, and whether it is ours: asked before anything in it is touched.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "featurestore/base/status.h"

namespace freshet {

// Of the whole folder: which families there are and what is in their keys. Rows and progress number
// their own formats.
inline constexpr int kStorageFormat = 1;

// The database inside a data folder. It is made as `rocksdb.new` and renamed when whole, so that a
// crash while it is made leaves nothing that looks like data.
inline std::filesystem::path DatabaseFolder(const std::filesystem::path& folder) {
  return folder / "rocksdb";
}
inline std::filesystem::path UnfinishedDatabaseFolder(const std::filesystem::path& folder) {
  return folder / "rocksdb.new";
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

Status LockedError(const std::filesystem::path& folder);

}  // namespace freshet
