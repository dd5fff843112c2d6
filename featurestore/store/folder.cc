#include "featurestore/store/folder.h"

#include <rocksdb/db.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <system_error>
#include <thread>

#include "featurestore/store/keys.h"
#include "featurestore/store/rocks_status.h"

namespace freshet {
namespace {

namespace fs = std::filesystem;

constexpr const char* kInUse = "freshet/folder_in_use";

// Left by other parts of Freshet, by file systems and by version control.
bool MayStandBesideDatabase(const std::string& name) {
  return name == "rocksdb.new" || name == "lost+found" || name.starts_with("broker.") ||
         name.starts_with(".");
}

// What changes where a flush or a compaction ends: which files there are, and how long the manifest is. Tables are never written to
// again, and the log that commits go to only grows: it is read up to its last whole commit.
std::map<std::string, uintmax_t> ShapeOf(const fs::path& database) {
  std::map<std::string, uintmax_t> shape;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(database, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("LOG") || name.starts_with("OPTIONS")) continue;  // words
    shape[name] = name.starts_with("MANIFEST") ? entry.file_size(error) : 0;
  }
  return shape;
}

}  // namespace

StatusOr<FolderState> InspectFolder(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (status.type() == fs::file_type::not_found) return FolderState::kMayBeCreated;
  if (error)
    return Unavailable("{}: could not look at the data folder: {}", folder.string(),
                       error.message());
  if (!fs::is_directory(status)) {
    return FailedPrecondition(
        "{}: storage.path must name a folder, and this is a file; name another", folder.string());
  }
  if (fs::is_directory(DatabaseFolder(folder), error)) return FolderState::kHasDatabase;

  if (fs::exists(RestoredDatabaseFolder(folder), error) ||
      fs::exists(ReplacedDatabaseFolder(folder), error)) {
    return FailedPrecondition(
        "{}: a restore was cut short; run `freshet checkpoint restore` again, or move the folder "
        "away",
        folder.string());
  }

  fs::directory_iterator entries(folder, error);
  if (error) {
    return Unavailable("{}: could not read the data folder: {}; look at its permissions",
                       folder.string(), error.message());
  }
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (MayStandBesideDatabase(name)) continue;
    return FailedPrecondition(
        "{}: this is no Freshet data folder: it has no database (rocksdb/) but holds other things "
        "({}); set "
        "storage.path to an empty or new folder",
        folder.string(), name);
  }
  return FolderState::kMayBeCreated;
}

StatusOr<std::vector<std::string>> ListFamilies(const fs::path& folder) {
  std::vector<std::string> families;
  const rocksdb::Status listed = rocksdb::DB::ListColumnFamilies(
      rocksdb::DBOptions(), DatabaseFolder(folder).string(), &families);
  if (!listed.ok()) {
    // It was renamed into place whole: what it lacks was lost.
    const bool missing = listed.IsPathNotFound() || listed.IsNotFound() || listed.IsIOError();
    if (missing && !fs::exists(DatabaseFolder(folder) / "CURRENT")) {
      return DataLoss(
          "{}: rocksdb/ has no CURRENT file, so it is no database or a damaged one; move the "
          "folder away (or put a "
          "backup in its place) and start again: what is missing is built anew from the log",
          folder.string());
    }
    return FromRocks(listed, "list its column families", folder);
  }
  for (const char* needed : {keys::kProgress, keys::kDeadLetters, keys::kRefusals}) {
    if (std::find(families.begin(), families.end(), needed) != families.end()) continue;
    return FailedPrecondition(
        "{}: rocksdb/ is a RocksDB that is not Freshet's (it has no column family {}); set "
        "storage.path to an empty or "
        "new folder",
        folder.string(), needed);
  }
  return families;
}

Status CheckIdentity(const fs::path& folder, const std::string& stored_format,
                     const std::string& stored_project, const std::string& project) {
  int format = 0;
  const char* end = stored_format.data() + stored_format.size();
  const auto [stop, error] = std::from_chars(stored_format.data(), end, format);
  if (error != std::errc() || stop != end || format < 1) {
    return DataLoss(
        "{}: the data folder's format number is damaged (\"{}\"); move the folder away and start "
        "again",
        folder.string(), stored_format);
  }
  if (format > kStorageFormat) {
    return FailedPrecondition(
        "{}: the data folder has format {}, written by a newer freshet; this one reads up to {}: "
        "run the newer one, or "
        "set storage.path to another folder and let it be built from the log",
        folder.string(), format, kStorageFormat);
  }
  if (stored_project != project) {
    return FailedPrecondition(
        "{}: the data folder belongs to project \"{}\", not to \"{}\"; set storage.path to a "
        "folder of this project's "
        "own",
        folder.string(), stored_project, project);
  }
  return OkStatus();
}

Status WhileQuiet(const fs::path& database, const std::function<Status()>& open) {
  constexpr int kAttempts = 40;
  Status opened;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const auto before = ShapeOf(database);
    opened = open();
    if (ShapeOf(database) != before) {
      opened = Unavailable(
          "{}: a server writes so much that no moment was found to read it as a whole; ask again, "
          "or stop the server",
          database.parent_path().string());
    } else if (opened.ok() || attempt >= 2) {
      return opened;
    }
  }
  return opened;
}

Status LockedError(const fs::path& folder) {
  Status status = FailedPrecondition(
      "{}: the data folder is in use by another freshet server (it holds rocksdb/LOCK); stop that "
      "one, or set "
      "storage.path to a folder of this server's own",
      folder.string());
  status.SetPayload(kInUse, absl::Cord());
  return status;
}

bool IsFolderInUse(const Status& status) { return status.GetPayload(kInUse).has_value(); }

}  // namespace freshet
