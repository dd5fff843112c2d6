#include "featurestore/store/rocks_status.h"

#include <string>

namespace freshet {

Status FromRocks(const rocksdb::Status& status, std::string_view doing,
                 const std::filesystem::path& folder) {
  if (status.ok()) return OkStatus();
  const std::string found = status.ToString();
  // A file that the manifest names and that is gone is damage too.
  if (status.IsCorruption() || status.IsPathNotFound()) {
    return DataLoss(
        "{}: could not {}: the data is damaged ({}); stop the server, move the folder away (or put "
        "a backup in its "
        "place) and start again: what is missing is built anew from the log",
        folder.string(), doing, found);
  }
  if (status.IsNoSpace()) {
    return MakeStatus(
        absl::StatusCode::kResourceExhausted,
        "{}: could not {}: the disk is full ({}); free some space there: it goes on by itself",
        folder.string(), doing, found);
  }
  if (status.IsNotSupported()) {
    return FailedPrecondition("{}: could not {}: {}; is it open for reading only?", folder.string(),
                              doing, found);
  }
  if (status.IsIOError() || status.IsBusy() || status.IsTimedOut() || status.IsTryAgain() ||
      status.IsIncomplete() || status.IsAborted()) {
    return Unavailable(
        "{}: could not {}: {}; look at the disk and the folder's permissions; where it "
        "was a write that failed, restart the server once that is mended",
        folder.string(), doing, found);
  }
  return Internal("{}: could not {}: {}", folder.string(), doing, found);
}

bool IsLocked(const rocksdb::Status& status) {
  if (!status.IsIOError()) return false;
  // RocksDB has no code of its own for it. fcntl says EAGAIN or EACCES where another process holds
  // the lock (the second also where the file may not be opened, which is worded differently); its
  // own table knows this process's.
  const std::string text = status.ToString();
  return text.find("lock hold by current process") != std::string::npos ||
         (text.find("While lock file") != std::string::npos &&
          (text.find("Resource temporarily unavailable") != std::string::npos ||
           text.find("Permission denied") != std::string::npos));
}

}  // namespace freshet
