#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "featurestore/base/coding.h"
#include "featurestore/store/keys.h"
#include "featurestore/store/outbox.h"
#include "featurestore/store/store_impl.h"

namespace freshet {

using FaultKind = CommitFaults::Kind;

std::optional<FaultKind> CommitFaults::FromName(std::string_view name) {
  if (name == "offsets_in_second_batch") return Kind::kOffsetsInSecondBatch;
  if (name == "offsets_before_rows") return Kind::kOffsetsBeforeRows;
  if (name == "offset_off_by_one") return Kind::kOffsetOffByOne;
  return std::nullopt;
}

struct Commit::Impl {
  explicit Impl(Store::Impl& borrowed) : store(borrowed), faults(borrowed.options.faults) {}

  Store::Impl& store;
  const CommitFaults& faults;
  rocksdb::WriteBatch batch;
  rocksdb::WriteBatch
      second_batch;  // faults only: where progress goes that is not written with its rows
  std::map<std::string, uint64_t> dead_letters;  // by key: bytes of key and value
  std::vector<ViewId> views;                     // written to
  rocksdb::Status unfit;                         // first thing that could not be put into the batch

  bool splits() const {
    return faults.kind == FaultKind::kOffsetsInSecondBatch ||
           faults.kind == FaultKind::kOffsetsBeforeRows;
  }
  rocksdb::WriteBatch& progress_batch() { return splits() ? second_batch : batch; }

  rocksdb::ColumnFamilyHandle* Touch(ViewId view) {
    // Rows come grouped by view: the last is nearly always the one.
    if (views.empty() || views.back() != view) views.push_back(view);
    return store.view(view).handle;
  }
  void Note(const rocksdb::Status& put) {
    if (!put.ok() && unfit.ok()) unfit = put;
  }
  Status CheckWritable() const {
    RETURN_IF_ERROR(FromRocks(unfit, "gather a commit", store.folder()));
    for (const ViewId id : views) {
      const OpenedView& view = store.view(id);
      if (!view.dropped) continue;
      return FailedPrecondition(
          "view {}: version {} was replaced by another; it takes no more commits", view.name,
          view.version);
    }
    return OkStatus();
  }
  // Bytes that the dead letters of a source become more by. One that waits already is put again where a view is rebuilt: it is read
  // by the same loop, which passes the record again.
  StatusOr<std::map<std::string, int64_t>> DeadLetterGrowth() const {
    std::map<std::string, int64_t> growths;
    rocksdb::PinnableSlice value;
    for (const auto& [key, bytes] : dead_letters) {
      int64_t& growth = growths[SourceOfRecord(key)];
      growth += static_cast<int64_t>(bytes);
      if (!store.outbox.MayHold(key)) continue;
      const rocksdb::Status got = store.db->Get({}, store.dead_letters, key, &value);
      if (got.IsNotFound()) continue;
      RETURN_IF_ERROR(FromRocks(got, "read a dead letter", store.folder()));
      growth -= static_cast<int64_t>(key.size() + value.size());
      value.Reset();
    }
    return growths;
  }
  Status Write(rocksdb::WriteBatch& what) { return store.Write(what, /*sync=*/false, "commit"); }
  Status WriteInTwo() {
    const bool rows_first = faults.kind == FaultKind::kOffsetsInSecondBatch;
    RETURN_IF_ERROR(Write(rows_first ? batch : second_batch));
    if (faults.between) {
      faults.between();
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return Write(rows_first ? second_batch : batch);
  }
  void Clear() {
    batch.Clear();
    second_batch.Clear();
    views.clear();
    dead_letters.clear();
    unfit = rocksdb::Status();
  }
};

namespace {

constexpr uint8_t kCommitFormat = 1;
constexpr uint8_t kPut = 0;
constexpr uint8_t kDelete = 1;
constexpr std::string_view kProgressFamily = "progress";
constexpr std::string_view kDeadLettersFamily = "dead_letters";
constexpr std::string_view kRefusalsFamily = "refusals";

// What a WriteBatch holds, written as operations on named families.
class Operations final : public rocksdb::WriteBatch::Handler {
 public:
  explicit Operations(Store::Impl& store) : store_(store) {}

  rocksdb::Status PutCF(uint32_t family, const rocksdb::Slice& key,
                        const rocksdb::Slice& value) override {
    return Add(kPut, family, key, &value);
  }
  rocksdb::Status DeleteCF(uint32_t family, const rocksdb::Slice& key) override {
    return Add(kDelete, family, key, nullptr);
  }

  std::string Bytes() const {
    std::string bytes;
    ByteWriter writer(bytes);
    writer.Byte(kCommitFormat);
    writer.Varint(names_.size());
    for (const std::string& name : names_) writer.LengthPrefixed(name);
    writer.Varint(count_);
    return bytes + operations_;
  }

 private:
  rocksdb::Status Add(uint8_t kind, uint32_t family, const rocksdb::Slice& key,
                      const rocksdb::Slice* value) {
    const auto [place, is_new] = indices_.try_emplace(family, names_.size());
    if (is_new) {
      const std::string name = NameOf(family);
      if (name.empty()) return rocksdb::Status::InvalidArgument("a family that is not open");
      names_.push_back(name);
    }
    ByteWriter writer(operations_);
    writer.Byte(kind);
    writer.Varint(place->second);
    writer.LengthPrefixed({key.data(), key.size()});
    if (value != nullptr) writer.LengthPrefixed({value->data(), value->size()});
    ++count_;
    return rocksdb::Status::OK();
  }
  std::string NameOf(uint32_t family) const {
    if (family == store_.progress->GetID()) return std::string(kProgressFamily);
    if (family == store_.dead_letters->GetID()) return std::string(kDeadLettersFamily);
    if (family == store_.refusals->GetID()) return std::string(kRefusalsFamily);
    for (uint32_t v = 0; v < store_.view_count; ++v) {
      const OpenedView& view = store_.view({v});
      // Without a handle: replaced and closed.
      if (view.handle != nullptr && view.handle->GetID() == family) return view.family;
    }
    return "";
  }

  Store::Impl& store_;
  std::map<uint32_t, size_t> indices_;
  std::vector<std::string> names_;
  std::string operations_;
  uint64_t count_ = 0;
};

}  // namespace

Commit::Commit(Store& store) : impl_(std::make_unique<Impl>(store.impl())) {}
Commit::Commit(Commit&&) noexcept = default;
Commit& Commit::operator=(Commit&&) noexcept = default;
Commit::~Commit() = default;

StatusOr<std::string> Commit::Serialize() const {
  RETURN_IF_ERROR(FromRocks(impl_->unfit, "gather a commit", impl_->store.folder()));
  Operations operations(impl_->store);
  RETURN_IF_ERROR(FromRocks(impl_->batch.Iterate(&operations), "write a commit as bytes",
                            impl_->store.folder()));
  return operations.Bytes();
}

StatusOr<Commit> Commit::Deserialize(Store& store, std::string_view bytes) {
  Commit commit(store);
  Impl& impl = *commit.impl_;
  ByteReader reader(bytes);
  if (reader.Byte() != kCommitFormat) {
    return DataLoss("{} bytes are no commit of a format that this version reads", bytes.size());
  }
  // Null where it is not a view's.
  std::vector<std::pair<rocksdb::ColumnFamilyHandle*, std::optional<ViewId>>> families;
  for (uint64_t left = reader.Varint(); left > 0 && reader.ok(); --left) {
    const std::string_view name = reader.LengthPrefixed();
    if (!reader.ok()) break;
    if (name == kProgressFamily) {
      families.emplace_back(impl.store.progress, std::nullopt);
    } else if (name == kDeadLettersFamily) {
      families.emplace_back(impl.store.dead_letters, std::nullopt);
    } else if (name == kRefusalsFamily) {
      families.emplace_back(impl.store.refusals, std::nullopt);
    } else {
      uint32_t v = 0;
      // One that was replaced may have the name, too.
      const auto is_it = [&](const OpenedView& view) {
        return view.family == name && view.handle != nullptr && !view.dropped;
      };
      while (v < impl.store.view_count && !is_it(impl.store.view({v}))) ++v;
      if (v == impl.store.view_count) {
        return FailedPrecondition("the commit changes {}, a view version that is not open here",
                                  name);
      }
      families.emplace_back(impl.store.view({v}).handle, ViewId{v});
    }
  }
  for (uint64_t left = reader.Varint(); left > 0 && reader.ok(); --left) {
    const uint8_t kind = reader.Byte();
    const uint64_t family = reader.Varint();
    const std::string_view key = reader.LengthPrefixed();
    const std::string_view value = kind == kPut ? reader.LengthPrefixed() : std::string_view();
    if (kind > kDelete || family >= families.size()) reader.MarkBad();
    if (!reader.ok()) break;
    const auto& [handle, view] = families[family];
    if (view) impl.Touch(*view);
    if (handle == impl.store.dead_letters && kind == kPut) {
      impl.dead_letters[std::string(key)] = key.size() + value.size();
    }
    impl.Note(kind == kPut ? impl.batch.Put(handle, AsSlice(key), AsSlice(value))
                           : impl.batch.Delete(handle, AsSlice(key)));
  }
  if (!reader.AtEnd()) return DataLoss("a commit of {} bytes is damaged", bytes.size());
  return commit;
}

void Commit::PutRow(ViewId view, std::string_view key, std::string_view row) {
  impl_->Note(impl_->batch.Put(impl_->Touch(view), AsSlice(key), AsSlice(row)));
}

void Commit::DeleteRow(ViewId view, std::string_view key) {
  impl_->Note(impl_->batch.Delete(impl_->Touch(view), AsSlice(key)));
}

void Commit::Advance(ViewId view, int32_t partition, const Progress& progress) {
  impl_->Touch(view);
  const std::string key = keys::ProgressKey(impl_->store.view(view).family, partition);
  Progress stored = progress;
  if (impl_->faults.kind == FaultKind::kOffsetOffByOne && partition == 0 && stored.next > 0)
    --stored.next;
  impl_->Note(impl_->progress_batch().Put(impl_->store.progress, key, EncodeProgress(stored)));
}

void Commit::Forget(ViewId view, int32_t partition) {
  impl_->Touch(view);
  const std::string key = keys::ProgressKey(impl_->store.view(view).family, partition);
  impl_->Note(impl_->progress_batch().Delete(impl_->store.progress, key));
}

void Commit::NoteProducer(ViewId view, int32_t partition, std::string_view producer,
                          const std::optional<ProducerMark>& mark) {
  impl_->Touch(view);
  const std::string key = keys::ProducerKey(impl_->store.view(view).family, partition, producer);
  rocksdb::WriteBatch& batch = impl_->progress_batch();
  impl_->Note(mark ? batch.Put(impl_->store.progress, key, EncodeProducerMark(*mark))
                   : batch.Delete(impl_->store.progress, key));
}

void Commit::PutLogs(const std::string& source, const std::vector<Store::SourceLog>& logs) {
  impl_->Note(impl_->batch.Put(impl_->store.meta, keys::kLogPrefix + source, EncodeLogs(logs)));
}

void Commit::AddDeadLetter(const std::string& source, const Coordinates& at,
                           const DeadLetter& letter) {
  const std::string key = keys::RecordKey(source, at);
  const std::string value = EncodeDeadLetter(letter);
  impl_->dead_letters[key] = key.size() + value.size();
  impl_->Note(impl_->batch.Put(impl_->store.dead_letters, key, value));
}

void Commit::AddRefusal(const std::string& source, const Coordinates& at) {
  impl_->Note(impl_->batch.Put(impl_->store.refusals, keys::RecordKey(source, at), ""));
}

size_t Commit::bytes() const {
  return impl_->batch.GetDataSize() + impl_->second_batch.GetDataSize();
}

Status Commit::Apply() {
  const std::lock_guard lock(impl_->store.write_mutex);
  RETURN_IF_ERROR(impl_->CheckWritable());
  ASSIGN_OR_RETURN(const auto growths, impl_->DeadLetterGrowth());
  if (impl_->faults.around) impl_->faults.around(true);
  RETURN_IF_ERROR(impl_->splits() ? impl_->WriteInTwo() : impl_->Write(impl_->batch));
  if (impl_->faults.around) impl_->faults.around(false);
  for (const auto& [key, bytes] : impl_->dead_letters) impl_->store.outbox.Put(key);
  for (const auto& [source, growth] : growths) impl_->store.outbox.Count(source, growth);
  impl_->Clear();
  return OkStatus();
}

}  // namespace freshet
