// What the parts of the Store share. Only for store/*.cc.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/store/expiry.h"
#include "featurestore/store/outbox.h"
#include "featurestore/store/rocks_options.h"
#include "featurestore/store/rocks_status.h"
#include "featurestore/store/store.h"

namespace freshet {

// A view version that was opened. Lives as long as its Store, at one place.
struct OpenedView {
  std::string name;
  std::string version;
  std::string family;
  rocksdb::ColumnFamilyHandle* handle = nullptr;
  std::shared_ptr<Expiry> expiry;
  std::atomic<bool> complete{false};
  std::atomic<bool> dropped{false};  // another version took its place
  uint64_t asked =
      0;  // when a declaration asked for it last, in the order of asking; under views_mutex
  ViewStatus status;
};

struct Store::Impl {
  ~Impl();

  // A view's family in the folder, opened by a declaration or not.
  struct Family {
    std::string view;
    std::string version;
    rocksdb::ColumnFamilyHandle* handle = nullptr;
    std::shared_ptr<Expiry> expiry;
  };
  static constexpr size_t kMaxViews = 4096;

  StoreOptions options;
  std::unique_ptr<SharedRocks> shared;
  std::unique_ptr<rocksdb::DB> db;
  rocksdb::ColumnFamilyHandle* meta = nullptr;
  rocksdb::ColumnFamilyHandle* progress = nullptr;
  rocksdb::ColumnFamilyHandle* dead_letters = nullptr;
  rocksdb::ColumnFamilyHandle* refusals = nullptr;
  rocksdb::ColumnFamilyHandle* local_log = nullptr;   // read-only of an older folder: none
  std::vector<rocksdb::ColumnFamilyHandle*> retired;  // of dropped versions that may still be read

  // Written under views_mutex and never moved or freed while the Store lives: readers take no lock.
  std::array<std::atomic<OpenedView*>, kMaxViews> views{};
  std::atomic<uint32_t> view_count{0};

  mutable std::mutex views_mutex;               // families, complete, views
  std::map<std::string, Family> families;       // by family name
  std::map<std::string, std::string> complete;  // view → version
  uint64_t asked = 0;                           // for versions, so far

  // Held by whoever writes, so that no commit goes to a family that MarkComplete drops.
  // Taken after views_mutex where both are.
  std::mutex write_mutex;
  bool needs_resume = false;  // RocksDB refuses writes since one failed, until told to go on
  Status last_failure;        // the one that it was

  std::mutex local_mutex;  // appends to the local log, and what they begin with
  OutboxPlaces outbox;     // its bytes are changed under write_mutex

  std::mutex sources_mutex;
  std::map<std::string, SourceStatus> sources;

  OpenedView& view(ViewId id) const { return *views[id.index].load(std::memory_order_acquire); }
  const std::filesystem::path& folder() const { return options.path; }

  // store.cc
  Status OpenDatabase(bool create);
  Status ReadMeta();
  Status RaiseFormat(const std::string& stored);
  Status DropLeftovers();
  // One batch, under write_mutex. On error nothing of it was applied.
  // RESOURCE_EXHAUSTED where `bytes` more and a reserve for flushes do not fit the disk.
  Status CheckSpace(uint64_t bytes, std::string_view doing) const;
  Status Write(rocksdb::WriteBatch& batch, bool sync, std::string_view doing);
  void WaitForMemtables() const;
  // views.cc
  Status DropFamily(const std::string& family);
  Status NoteKeep(const StoreView& view, const std::string& family);
  // Into `batch`: all that a family has read is forgotten.
  Status DeleteProgress(const std::string& family, rocksdb::WriteBatch& batch);
  // MarkComplete; also of versions that were asked for later.
  Status Choose(OpenedView& chosen, bool later_too);
  // outbox.cc
  Status CountDeadLetters();
  // Visits what a place holds, in order, until `visit` returns false.
  template <typename Visit>
  rocksdb::Status ForDeadLetters(const OutboxPlaces::Place& place, Visit visit) const {
    rocksdb::ReadOptions read;
    read.fill_cache = false;
    const std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(read, dead_letters));
    for (it->Seek(place.first); it->Valid(); it->Next()) {
      const std::string_view key(it->key().data(), it->key().size());
      if (key > place.last) break;
      if (!visit(key, std::string_view(it->value().data(), it->value().size()))) break;
    }
    return it->status();
  }
};

// What meta keeps of a source's logs.
std::string EncodeLogs(const std::vector<Store::SourceLog>& logs);

// `visit` gets (key, value) of every key that begins with `prefix`, in order, until it returns
// false.
template <typename Visit>
rocksdb::Status ForPrefix(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family,
                          std::string_view prefix, Visit visit) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(db.NewIterator(options, family));
  for (it->Seek(rocksdb::Slice(prefix.data(), prefix.size())); it->Valid(); it->Next()) {
    const std::string_view key(it->key().data(), it->key().size());
    if (!key.starts_with(prefix)) break;
    if (!visit(key, std::string_view(it->value().data(), it->value().size()))) break;
  }
  return it->status();
}

inline rocksdb::Slice AsSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace freshet
