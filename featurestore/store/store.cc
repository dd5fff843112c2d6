#include "featurestore/store/store.h"

#include <rocksdb/convenience.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "featurestore/base/coding.h"
#include "featurestore/store/folder.h"
#include "featurestore/store/keys.h"
#include "featurestore/store/store_impl.h"

namespace freshet {

namespace fs = std::filesystem;

namespace {

constexpr uint8_t kLogsFormat = 2;  // 1 held one log, without its topic

// Makes the whole database, closes it, then puts it where it is looked for.
Status CreateDatabase(const StoreOptions& options, const SharedRocks& shared) {
  std::error_code error;
  fs::create_directories(options.path, error);
  if (error) {
    return Unavailable("{}: could not make the data folder: {}", options.path.string(),
                       error.message());
  }
  const fs::path unfinished = UnfinishedDatabaseFolder(options.path);
  rocksdb::DBOptions db_options = shared.DatabaseOptions();
  db_options.create_if_missing = true;
  db_options.create_missing_column_families = true;
  const rocksdb::ColumnFamilyOptions family = shared.FixedFamilyOptions();
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(db_options, unfinished.string(),
                                                   {{keys::kMeta, family},
                                                    {keys::kProgress, family},
                                                    {keys::kDeadLetters, family},
                                                    {keys::kRefusals, family},
                                                    {keys::kLocalLog, family}},
                                                   &handles, &raw);
  if (IsLocked(opened)) return LockedError(options.path);
  RETURN_IF_ERROR(FromRocks(opened, "make the database", options.path));
  const std::unique_ptr<rocksdb::DB> db(raw);

  rocksdb::WriteBatch batch;
  (void)batch.Put(keys::kFormat, std::to_string(kStorageFormat));
  (void)batch.Put(keys::kProject, options.project);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  rocksdb::Status written = db->Write(synced, &batch);
  for (rocksdb::ColumnFamilyHandle* handle : handles) (void)db->DestroyColumnFamilyHandle(handle);
  if (written.ok()) written = db->Close();
  RETURN_IF_ERROR(FromRocks(written, "make the database", options.path));
  fs::rename(unfinished, DatabaseFolder(options.path), error);
  if (error) {
    return Unavailable("{}: could not rename rocksdb.new to rocksdb: {}", options.path.string(),
                       error.message());
  }
  return OkStatus();
}

}  // namespace

Store::Impl::~Impl() {
  if (db == nullptr) return;
  rocksdb::CancelAllBackgroundWork(db.get(), /*wait=*/true);
  for (auto* handle : {meta, progress, dead_letters, refusals, local_log}) {
    if (handle != nullptr) (void)db->DestroyColumnFamilyHandle(handle);
  }
  for (auto& [name, family] : families) (void)db->DestroyColumnFamilyHandle(family.handle);
  for (auto* handle : retired) (void)db->DestroyColumnFamilyHandle(handle);
  (void)db->Close();
  for (uint32_t i = 0; i < view_count; ++i) delete views[i].load();
}

Status Store::Impl::OpenDatabase(bool create) {
  shared = std::make_unique<SharedRocks>(options.memory_bytes, options.write_buffer_bytes,
                                         options.background);
  if (create) RETURN_IF_ERROR(CreateDatabase(options, *shared));
  std::vector<std::string> names;
  std::vector<std::shared_ptr<Expiry>> expiries;
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  const auto open = [&]() -> Status {
    for (auto* handle : handles) (void)db->DestroyColumnFamilyHandle(handle);
    handles.clear();
    expiries.clear();
    db.reset();
    ASSIGN_OR_RETURN(names, ListFamilies(folder()));
    std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
    for (const std::string& name : names) {
      const bool is_view = name.find('@') != std::string::npos;
      expiries.push_back(is_view ? std::make_shared<Expiry>() : nullptr);
      const auto tuned = options.tuning.find(name.substr(0, name.rfind('@')));
      const StorageTuning tuning = tuned == options.tuning.end() ? StorageTuning() : tuned->second;
      descriptors.emplace_back(name, is_view ? shared->ViewFamilyOptions(expiries.back(), tuning)
                                             : shared->FixedFamilyOptions());
    }
    rocksdb::DBOptions db_options = shared->DatabaseOptions();
    rocksdb::DB* raw = nullptr;
    const std::string path = DatabaseFolder(folder()).string();
    // Read-only all files are held open: a running server may remove them while they are read.
    if (options.read_only) db_options.max_open_files = -1;
    const rocksdb::Status opened =
        options.read_only
            ? rocksdb::DB::OpenForReadOnly(db_options, path, descriptors, &handles, &raw)
            : rocksdb::DB::Open(db_options, path, descriptors, &handles, &raw);
    if (IsLocked(opened)) return LockedError(folder());
    RETURN_IF_ERROR(FromRocks(opened, "open the database", folder()));
    db.reset(raw);
    return OkStatus();
  };
  RETURN_IF_ERROR(options.read_only ? WhileQuiet(DatabaseFolder(folder()), open) : open());

  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == keys::kMeta) {
      meta = handles[i];
    } else if (names[i] == keys::kProgress) {
      progress = handles[i];
    } else if (names[i] == keys::kDeadLetters) {
      dead_letters = handles[i];
    } else if (names[i] == keys::kRefusals) {
      refusals = handles[i];
    } else if (names[i] == keys::kLocalLog) {
      local_log = handles[i];
    } else {  // a view's, or a newer format's: then CheckIdentity refuses the folder
      const size_t at = std::min(names[i].rfind('@'), names[i].size());
      const std::string version = at < names[i].size() ? names[i].substr(at + 1) : "";
      families[names[i]] = {names[i].substr(0, at), version, handles[i], expiries[i]};
    }
  }
  return OkStatus();
}

Status Store::Impl::ReadMeta() {
  std::string format;
  std::string project;
  for (const auto& [key, value] :
       {std::pair{keys::kFormat, &format}, std::pair{keys::kProject, &project}}) {
    const rocksdb::Status got = db->Get({}, meta, key, value);
    if (got.IsNotFound()) {
      return FailedPrecondition(
          "{}: rocksdb/ does not say that it is Freshet's (no key {}); set storage.path to an "
          "empty or new folder",
          folder().string(), key);
    }
    RETURN_IF_ERROR(FromRocks(got, "read what the folder is", folder()));
  }
  RETURN_IF_ERROR(CheckIdentity(folder(), format, project, options.project));
  if (!options.read_only) RETURN_IF_ERROR(RaiseFormat(format));
  const std::string_view prefix = keys::kViewPrefix;
  return FromRocks(ForPrefix(*db, meta, prefix,
                             [&](std::string_view key, std::string_view version) {
                               complete[std::string(key.substr(prefix.size()))] = version;
                               return true;
                             }),
                   "read the views' versions", folder());
}

// An older freshet does not know what is added here, and must not open it any more.
Status Store::Impl::RaiseFormat(const std::string& stored) {
  const std::string now = std::to_string(kStorageFormat);
  if (stored == now && local_log != nullptr) return OkStatus();
  if (local_log == nullptr) {
    RETURN_IF_ERROR(
        FromRocks(db->CreateColumnFamily(shared->FixedFamilyOptions(), keys::kLocalLog, &local_log),
                  "make the local log", folder()));
  }
  rocksdb::WriteBatch batch;
  (void)batch.Put(meta, keys::kFormat, now);
  return Write(batch, /*sync=*/true, "raise the folder's format");
}

// A family that is not complete and has no progress holds nothing: what a crash left between the
// switch and the drop, or a build that had not begun.
Status Store::Impl::DropLeftovers() {
  std::vector<std::string> leftovers;
  for (const auto& [name, family] : families) {
    const auto it = complete.find(family.view);
    if (it != complete.end() && it->second == family.version) continue;
    bool has_progress = false;
    RETURN_IF_ERROR(FromRocks(ForPrefix(*db, progress, keys::ProgressPrefix(name),
                                        [&](std::string_view, std::string_view) {
                                          has_progress = true;
                                          return false;
                                        }),
                              "read progress", folder()));
    if (!has_progress) leftovers.push_back(name);
  }
  for (const std::string& name : leftovers) RETURN_IF_ERROR(DropFamily(name));
  return OkStatus();
}

// RocksDB begins a flush when memtables reach their share, and lets writes go on meanwhile. Where
// the disk cannot keep up, the committing thread waits here, so that ingestion slows down and
// memory does not grow. Bounded: memtables that something else pins must not stop it for good.
void Store::Impl::WaitForMemtables() const {
  using std::chrono::steady_clock;
  const uint64_t most = 2 * shared->memory.write_buffers;
  if (shared->write_buffers->memory_usage() <= most) return;
  const auto give_up = steady_clock::now() + std::chrono::seconds(5);
  while (shared->write_buffers->memory_usage() > most && steady_clock::now() < give_up) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// A file of RocksDB's that failed to take a write must not be used again: Debian's build stops the process then (an assertion in
// its file writer). So what may not fit is not begun.
Status Store::Impl::CheckSpace(uint64_t bytes, std::string_view doing) const {
  constexpr uint64_t kLeast = 1 << 20;
  struct statvfs disk {};
  if (statvfs(folder().c_str(), &disk) != 0) return OkStatus();
  const uint64_t size = static_cast<uint64_t>(disk.f_blocks) * disk.f_frsize;
  const uint64_t free = static_cast<uint64_t>(disk.f_bavail) * disk.f_frsize;
  // Memtables are flushed beside: their room is kept free, but of a small disk not more than a fiftieth.
  const uint64_t reserve = std::max(kLeast, std::min(2 * shared->memory.write_buffers, size / 50));
  if (free >= reserve + bytes) return OkStatus();
  return MakeStatus(absl::StatusCode::kResourceExhausted,
                    "{}: could not {}: the disk is full ({} bytes free, of which {} are kept for "
                    "what is in memory); free some space there: it goes on by itself",
                    folder().string(), doing, free, reserve);
}

Status Store::Impl::Write(rocksdb::WriteBatch& batch, bool sync, std::string_view doing) {
  RETURN_IF_ERROR(CheckSpace(batch.GetDataSize(), doing));
  if (needs_resume) {
    const rocksdb::Status resumed = db->Resume();
    // RocksDB looks for free space by itself, every 5 s, and refuses to resume meanwhile.
    if (resumed.IsBusy()) return last_failure;
    RETURN_IF_ERROR(FromRocks(resumed, doing, folder()));
    needs_resume = false;
  }
  WaitForMemtables();
  rocksdb::WriteOptions write_options;
  write_options.sync = sync;
  const rocksdb::Status written = db->Write(write_options, &batch);
  if (written.ok()) return OkStatus();
  // The caller that hits an error is not told whether RocksDB stops for it; Resume does nothing
  // where it did not.
  needs_resume = true;
  last_failure = FromRocks(written, doing, folder());
  return last_failure;
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

StatusOr<std::unique_ptr<Store>> Store::Open(const StoreOptions& options) {
  ASSIGN_OR_RETURN(const FolderState state, InspectFolder(options.path));
  const bool create = state == FolderState::kMayBeCreated;
  if (create && (!options.create_if_missing || options.read_only)) {
    return NotFound("{}: there is no data yet; `freshet serve` makes it", options.path.string());
  }
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  RETURN_IF_ERROR(impl->OpenDatabase(create));
  RETURN_IF_ERROR(impl->ReadMeta());
  if (!options.read_only) RETURN_IF_ERROR(impl->DropLeftovers());
  RETURN_IF_ERROR(impl->CountDeadLetters());
  return std::unique_ptr<Store>(new Store(std::move(impl)));
}

StatusOr<std::map<std::string, std::vector<Store::SourceLog>>> Store::ReadLogs() const {
  std::map<std::string, std::vector<SourceLog>> all;
  const size_t prefix = std::strlen(keys::kLogPrefix);
  Status failed;
  const auto read = [&](std::string_view key, std::string_view value) {
    std::vector<SourceLog>& logs = all[std::string(key.substr(prefix))];
    ByteReader reader(value);
    if (reader.Byte() != kLogsFormat) reader.MarkBad();
    for (uint64_t left = reader.Varint(); left > 0 && reader.ok(); --left) {
      SourceLog& log = logs.emplace_back();
      log.incarnation = reader.Fixed32();
      log.log_id = reader.LengthPrefixed();
      log.topic = reader.LengthPrefixed();
    }
    if (reader.AtEnd()) return true;
    failed = DataLoss("{}: what is stored of source {}'s logs is damaged", impl_->folder().string(),
                      key.substr(prefix));
    return false;
  };
  RETURN_IF_ERROR(FromRocks(ForPrefix(*impl_->db, impl_->meta, keys::kLogPrefix, read),
                            "read which logs were read", impl_->folder()));
  RETURN_IF_ERROR(failed);
  return all;
}

std::string EncodeLogs(const std::vector<Store::SourceLog>& logs) {
  std::string bytes;
  ByteWriter writer(bytes);
  writer.Byte(kLogsFormat);
  writer.Varint(logs.size());
  for (const Store::SourceLog& log : logs) {
    writer.Fixed32(log.incarnation);
    writer.LengthPrefixed(log.log_id);
    writer.LengthPrefixed(log.topic);
  }
  return bytes;
}

Status Store::WriteLogs(const std::string& source, const std::vector<SourceLog>& logs) {
  rocksdb::WriteBatch batch;
  (void)batch.Put(impl_->meta, keys::kLogPrefix + source, EncodeLogs(logs));
  const std::lock_guard lock(impl_->write_mutex);
  return impl_->Write(batch, /*sync=*/true, "store which logs were read");
}

void Store::SetExpiryBound(ViewId view, Timestamp bound) {
  impl_->view(view).expiry->RaiseBound(bound);
}

Status Store::CompactView(ViewId view) {
  rocksdb::CompactRangeOptions options;
  // Each row meets the filter, also where all of them stand in the last level already.
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  options.exclusive_manual_compaction = false;
  const OpenedView& opened = impl_->view(view);
  return FromRocks(impl_->db->CompactRange(options, opened.handle, nullptr, nullptr),
                   fmt::format("compact view {}", opened.name), impl_->folder());
}

Status Store::Flush() {
  if (impl_->options.read_only) return OkStatus();
  std::vector<rocksdb::ColumnFamilyHandle*> handles = {
      impl_->meta, impl_->progress, impl_->dead_letters, impl_->refusals, impl_->local_log};
  {
    const std::lock_guard lock(impl_->views_mutex);
    for (const auto& [name, family] : impl_->families) handles.push_back(family.handle);
  }
  const bool room =
      impl_->CheckSpace(impl_->shared->write_buffers->memory_usage(), "write memory to disk").ok();
  if (room) {
    RETURN_IF_ERROR(
        FromRocks(impl_->db->Flush({}, handles), "write memory to disk", impl_->folder()));
  }
  return FromRocks(impl_->db->FlushWAL(/*sync=*/true), "sync the write-ahead log", impl_->folder());
}

std::vector<std::string> Store::VersionsOf(const std::string& name) const {
  const std::lock_guard lock(impl_->views_mutex);
  std::vector<std::string> versions;
  for (const auto& [family, found] : impl_->families) {
    if (found.view == name) versions.push_back(found.version);
  }
  return versions;
}

ViewStatus& Store::view_status(ViewId view) { return impl_->view(view).status; }
const ViewStatus& Store::view_status(ViewId view) const { return impl_->view(view).status; }

SourceStatus& Store::source_status(const std::string& source) {
  const std::lock_guard lock(impl_->sources_mutex);
  return impl_->sources[source];
}

}  // namespace freshet
