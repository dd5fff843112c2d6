// The data folder: one RocksDB with a column family a view version, and beside them progress, dead
// letters, refusals and meta. docs/storage_format.md has the bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/base/time.h"
#include "featurestore/model/event.h"
#include "featurestore/model/feature_view.h"
#include "featurestore/store/live_status.h"
#include "featurestore/store/progress.h"

namespace freshet {

// Index of an opened view in this Store; the catalog's view index where views are opened in its
// order.
struct ViewId {
  uint32_t index = 0;
  friend bool operator==(ViewId, ViewId) = default;
};

// For tests/faults only: ways of committing that break invariant 1 (docs/architecture.md), so that
// the kill test can show that it would notice. The server sets it from FRESHET_TEST_COMMIT_FAULT
// and from nothing else.
struct CommitFaults {
  enum class Kind : uint8_t {
    kNone,
    kOffsetsInSecondBatch,  // "offsets_in_second_batch": rows, a window, then progress
    kOffsetsBeforeRows,     // "offsets_before_rows": progress, a window, then rows
    kOffsetOffByOne,        // "offset_off_by_one": partition 0's stored next offset is one too low
  };
  Kind kind = Kind::kNone;
  // Runs in the window between the two batches. Empty: waits 20 ms, so that a kill lands there.
  std::function<void()> between;
  // Runs as each Commit::Apply begins (true) and has ended well (false): how the kill test knows that
  // a batch was in flight. With any kind.
  std::function<void(bool begins)> around;

  static std::optional<Kind> FromName(std::string_view name);
};

struct StoreOptions {
  // The data folder. The database is its sub-folder `rocksdb`; broker.json and the like may stand
  // beside it.
  std::filesystem::path path;
  std::string project;
  uint64_t memory_bytes = 512ull << 20;  // for block cache and write buffers together
  bool create_if_missing = true;
  bool read_only = false;                      // `validate --data`: opens beside a running server
  std::optional<uint64_t> write_buffer_bytes;  // of memory_bytes, at most; none: a quarter
  BackgroundWork background;
  std::map<std::string, StorageTuning> tuning;  // of views that differ from the default, by name

  void TuneFor(std::span<const FeatureView> views);
  CommitFaults faults;
};

struct StoreView {
  std::string name;
  std::string version;  // 16 hex digits
  // A row may be removed once its newest event + keep < the view's expiry bound. None: never. One greater than the last time raises
  // complete_since of what was read till then.
  std::optional<Duration> keep;
  // The same of a row that was deleted, from the delete's time on.
  Duration keep_deleted;
  StorageTuning
      tuning;  // of a version that is not in the folder yet; of others StoreOptions says it

  static StoreView Of(const FeatureView& view) {
    return {view.name, view.version, view.keep(), view.keep_deleted(), view.tuning};
  }
};

struct DeadLetter {
  std::string reason;  // RefusalName
  std::string detail;
  std::optional<std::string> key;
  std::optional<std::string> value;
  int64_t record_time_us = 0;
};

// Rows asked for and found; reusable, so that the memory of one request serves the next. Not
// thread-safe.
class RowReads {
 public:
  RowReads();
  ~RowReads();
  RowReads(RowReads&&) noexcept;
  RowReads& operator=(RowReads&&) noexcept;
  void Clear();
  // `key` is borrowed until the rows were used. Returns the read's index.
  size_t Add(ViewId view, std::string_view key);
  size_t size() const;
  // After Store::Read: valid until Clear. None: there is no such row.
  std::optional<std::string_view> row(size_t index) const;

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// One share of memory_bytes. `block_cache` holds blocks, filters and indexes; `write_buffers` are
// charged to the same cache, so that together they keep to the budget.
struct MemoryPart {
  std::string part;  // "block_cache", "write_buffers"
  uint64_t budget_bytes = 0;
  uint64_t used_bytes = 0;
};

// What RocksDB's usual sum of a folder's memory comes to: block cache + column families x write buffer x buffers. Here they share
// one bound, so that it is what would be taken without.
struct UnboundedMemory {
  uint64_t block_cache = 0;
  size_t families = 0;
  uint64_t write_buffer = 0;
  int buffers = 0;
  uint64_t total() const { return block_cache + families * write_buffer * buffers; }
};

// Numbers for metrics, read when scraped: a millisecond or so for a large folder.
struct StoreStatistics {
  struct Level {
    int level = 0;
    uint64_t files = 0, bytes = 0;
  };
  struct BlockLookups {
    std::string block;  // "data", "index", "filter"
    uint64_t hits = 0, misses = 0;
  };
  struct View {
    std::string view;
    ViewId id;
    bool complete = false;  // else it is being built, maybe beside a version that is
    std::vector<Level> levels;
    uint64_t estimate_num_keys = 0, live_sst_files_bytes = 0, memtable_bytes = 0;
    uint64_t mem_table_flush_pending = 0, compaction_pending = 0, pending_compaction_bytes = 0,
             expired_rows_dropped = 0;
  };
  std::vector<View> views;
  uint64_t block_cache_capacity = 0, block_cache_usage = 0, block_cache_pinned = 0;
  uint64_t block_cache_hits = 0, block_cache_misses = 0;
  std::vector<BlockLookups> block_cache_lookups;
  uint64_t background_errors = 0;  // RocksDB does not say of which view
  uint64_t rows_read = 0;          // rows asked for, there or not
  uint64_t bloom_useful = 0, bloom_positive = 0, bloom_true_positive = 0;
  uint64_t wal_bytes_written = 0, flush_bytes_written = 0, compaction_bytes_read = 0,
           compaction_bytes_written = 0;
  double stall_seconds = 0;
  uint64_t actual_delayed_write_rate = 0;  // bytes a second; 0: not delayed
  uint64_t wal_bytes = 0;                  // held now
  uint64_t free_bytes = 0, size_bytes = 0;
};

class Commit;

// Of Store::Open: another process has the folder.
bool IsFolderInUse(const Status& status);

// Thread-safe: all that writes may run beside reads and beside each other.
// Errors everywhere: DATA_LOSS for damage (says what to do), RESOURCE_EXHAUSTED for a full disk,
// UNAVAILABLE for other errors of the disk; the last two may go away, and the same call may be made
// again.
class Store {
 public:
  // FAILED_PRECONDITION where the folder is another project's, of a newer format, in use by another
  // server, or holds something that is not Freshet's: the message says which and what to do.
  // NOT_FOUND where there is no data and none may be made. DATA_LOSS where it is damaged. An error
  // leaves a folder that was there as it was.
  static StatusOr<std::unique_ptr<Store>> Open(const StoreOptions& options);
  ~Store();

  // Opens the column family `name@version`, or makes it. Where the folder holds another version of
  // the view, that stays until MarkComplete. A view that is open already keeps its id; nobody may commit to it meanwhile, since a
  // longer `keep` raises what is stored of its progress. Sets view_status(view).complete. Read-only, NOT_FOUND where the folder has no such family.
  StatusOr<ViewId> OpenView(const StoreView& view);
  // The view of this version that is open already; nothing of it is changed, but that it was asked for last.
  std::optional<ViewId> FindOpened(const std::string& name, const std::string& version);
  // Frees what versions that were replaced hold still, for their readers: there are none any more.
  Status CloseReplaced();
  // This version was complete before (it answers at once). Otherwise it is new or was still being
  // built.
  bool IsComplete(ViewId view) const;
  // The version of `name` that is complete in the folder, whatever is declared. None: never seen.
  std::optional<std::string> CompleteVersion(const std::string& name) const;
  // The switch: one synced commit makes this version the view's and drops the other versions with
  // their progress; then their families go, or, after a crash in between, at the next Open. Reads
  // of another version that was opened here keep answering; commits to it fail. A version that was
  // asked for (OpenView, FindOpened) after this one is to follow it, and stays as it is. Again for a
  // complete version: tidies what was left, else nothing.
  Status MarkComplete(ViewId view);
  // The same, and nothing is to follow it: all other versions go.
  Status DropOthers(ViewId view);
  // Forgets all versions of a view, with their rows and progress: as if it had never been there. None of them may be open. NOT_FOUND
  // where the folder has no such view.
  Status ResetView(const std::string& name);
  // Names of views in the folder that were not opened: removed from the declaration, kept.
  std::vector<std::string> UnopenedViews() const;
  // All versions of a view that the folder holds rows of, complete or being built.
  std::vector<std::string> VersionsOf(const std::string& name) const;

  // Sources that have dead letters here, declared or not.
  StatusOr<std::vector<std::string>> DeadLetterSources() const;

  // By partition.
  StatusOr<std::map<int32_t, Progress>> ReadProgress(ViewId view) const;
  // By partition, who has sent with producer id and sequence.
  StatusOr<std::map<int32_t, ProducerMarks>> ReadProducers(ViewId view) const;

  // A log that a source has read: its topic, its id ("" for a real broker), and its incarnation as this folder counts them. No two
  // logs of a source share one: coordinates of the one say nothing about the other.
  struct SourceLog {
    uint32_t incarnation = 0;
    std::string log_id;
    std::string topic;
    friend bool operator==(const SourceLog&, const SourceLog&) = default;
  };
  // By source, the latest log of each topic that it has read.
  StatusOr<std::map<std::string, std::vector<SourceLog>>> ReadLogs() const;
  // Synced.
  Status WriteLogs(const std::string& source, const std::vector<SourceLog>& logs);

  // One MultiGet over all views; Gets for a few rows (row_reads.cc has the numbers). Rows of one
  // call may stand at different commits. After an error no row may be used.
  Status Read(RowReads& reads) const;
  // Every row of a view in key order, until `visit` returns false: for tools and tests, not for
  // serving.
  Status Scan(ViewId view,
              const std::function<bool(std::string_view key, std::string_view row)>& visit) const;

  // Dead letters wait here until a relay delivered them: oldest first.
  struct StoredDeadLetter {
    Coordinates at;
    DeadLetter letter;
    uint64_t bytes = 0;  // of key and value as they are stored
  };
  // Until `visit` returns false. One at a time is in memory.
  Status ForEachDeadLetter(const std::string& source,
                           const std::function<bool(StoredDeadLetter letter)>& visit) const;
  // At least one where there are any, whatever its bytes.
  StatusOr<std::vector<StoredDeadLetter>> ReadDeadLetters(
      const std::string& source, size_t at_most,
      uint64_t at_most_bytes = std::numeric_limits<uint64_t>::max()) const;
  Status RemoveDeadLetters(const std::string& source, std::span<const Coordinates> delivered);
  // Held now: of a source, bounded by its ingest loop; and over all of them.
  uint64_t dead_letter_bytes(const std::string& source) const;
  uint64_t dead_letter_bytes() const;

  // Refusals by the wall clock, kept so that a restart and a rebuild refuse the same records. What stands before the place that they were
  // pruned to is said to be refused: nobody knows any more.
  StatusOr<bool> IsRefused(const std::string& source, const Coordinates& at) const;
  // The greatest offset of a partition that was refused. None: none was.
  StatusOr<std::optional<int64_t>> LastRefused(const std::string& source, uint32_t incarnation,
                                               int32_t partition) const;
  Status PruneRefusals(const std::string& source, uint32_t incarnation, int32_t partition,
                       int64_t before_offset);
  // What was refused of a log under one source's name is refused under another's as well. Synced.
  Status CopyRefusals(const std::string& from, const std::string& to, uint32_t incarnation);

  // The local log: what is pushed where there is no Kafka. One partition a source, of offsets that follow each other.
  struct LocalRecord {
    Timestamp time;
    std::optional<std::string> key;
    std::optional<std::string> value;  // none: a tombstone
    std::vector<std::pair<std::string, std::string>> headers;
  };
  struct LocalBounds {
    int64_t start = 0;
    int64_t end = 0;
    uint64_t bytes = 0;  // of the records between
  };
  StatusOr<LocalBounds> ReadLocalBounds(const std::string& source) const;
  // One batch, synced: they are there whatever happens next, or none is. Returns the first one's offset.
  StatusOr<int64_t> AppendLocal(const std::string& source, std::span<const LocalRecord> records);
  // From `offset` on, in order, until `visit` returns false.
  Status ReadLocal(const std::string& source, int64_t offset,
                   const std::function<bool(int64_t offset, LocalRecord record)>& visit) const;
  // Removes the oldest records: those below `before` that are older than `keep_from`, and then as many as leave `most_bytes`. Returns
  // where the log begins then.
  StatusOr<int64_t> TrimLocal(const std::string& source, int64_t before, Timestamp keep_from,
                              uint64_t most_bytes);

  // E of semantics.md: compaction may remove rows with newest + keep < bound. Monotone; kNoTime at
  // open.
  void SetExpiryBound(ViewId view, Timestamp bound);
  // Compacts all of a view now: tests and tools.
  Status CompactView(ViewId view);
  // Memtables to disk, WAL synced: at a graceful stop. On a full disk the WAL alone, which holds all of it.
  Status Flush();

  StoreStatistics Statistics() const;
  std::vector<MemoryPart> Memory() const;
  UnboundedMemory MemoryWithoutBound() const;
  ViewStatus& view_status(ViewId view);
  const ViewStatus& view_status(ViewId view) const;
  SourceStatus& source_status(const std::string& source);  // made at first use

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One micro-batch as one atomic write: the rows it changes, the progress that caused them, its dead
// letters and refusals, so that a restart resumes exactly after the last record passed. Not
// thread-safe; made and applied by the committing thread. Borrows `store`, which must outlive it.
class Commit {
 public:
  explicit Commit(Store& store);
  Commit(Commit&&) noexcept;
  Commit& operator=(Commit&&) noexcept;
  ~Commit();
  void PutRow(ViewId view, std::string_view key, std::string_view row);
  void DeleteRow(ViewId view, std::string_view key);
  void Advance(ViewId view, int32_t partition, const Progress& progress);
  // As if the view had never read the partition, which its log has no more. What producers sent to it stays.
  void Forget(ViewId view, int32_t partition);
  // Beside the progress of the same batch. No mark: the producer is forgotten.
  void NoteProducer(ViewId view, int32_t partition, std::string_view producer,
                    const std::optional<ProducerMark>& mark);
  void AddDeadLetter(const std::string& source, const Coordinates& at, const DeadLetter& letter);
  void AddRefusal(const std::string& source, const Coordinates& at);
  // WriteLogs, together with progress that names a new incarnation.
  void PutLogs(const std::string& source, const std::vector<Store::SourceLog>& logs);
  size_t bytes() const;
  // All of it as bytes that mean the same to every store of the project, since views are named and values are absolute: for a
  // changelog that others follow (docs/storage_format.md, A commit as bytes). Not of a commit with faults.
  StatusOr<std::string> Serialize() const;
  // DATA_LOSS for bytes that are no commit, FAILED_PRECONDITION where a view version of it is not open in `store`.
  static StatusOr<Commit> Deserialize(Store& store, std::string_view bytes);
  // Exactly one WriteBatch. Not synced: the log repeats what a power cut loses. On error nothing was
  // applied; applying again writes the same bytes. A full disk is RESOURCE_EXHAUSTED until some
  // seconds after there is space again; after any other failed write (UNAVAILABLE) RocksDB takes no
  // more until the folder is opened anew. After success the commit is empty and may be filled again.
  Status Apply();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace freshet
