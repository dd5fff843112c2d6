// The local log: records that were pushed where there is no Kafka, until they are trimmed (docs/storage_format.md).
#include <algorithm>
#include <memory>
#include <utility>

#include "featurestore/base/coding.h"
#include "featurestore/store/keys.h"
#include "featurestore/store/store_impl.h"

namespace freshet {
namespace {

constexpr uint8_t kRecordFormat = 1;
constexpr uint8_t kBoundsFormat = 1;
constexpr uint8_t kHasKey = 1;
constexpr uint8_t kHasValue = 2;

std::string EncodeRecord(const Store::LocalRecord& record) {
  std::string out;
  ByteWriter writer(out);
  writer.Byte(kRecordFormat);
  writer.Byte(static_cast<uint8_t>((record.key ? kHasKey : 0) | (record.value ? kHasValue : 0)));
  writer.Signed(record.time.us);
  if (record.key) writer.LengthPrefixed(*record.key);
  if (record.value) writer.LengthPrefixed(*record.value);
  writer.Varint(record.headers.size());
  for (const auto& [name, value] : record.headers) {
    writer.LengthPrefixed(name);
    writer.LengthPrefixed(value);
  }
  return out;
}

StatusOr<Store::LocalRecord> DecodeRecord(std::string_view bytes) {
  ByteReader reader(bytes);
  const uint8_t format = reader.Byte();
  const uint8_t flags = reader.Byte();
  if (format != kRecordFormat || flags > (kHasKey | kHasValue)) reader.MarkBad();
  Store::LocalRecord record;
  record.time.us = reader.Signed();
  if ((flags & kHasKey) != 0) record.key = std::string(reader.LengthPrefixed());
  if ((flags & kHasValue) != 0) record.value = std::string(reader.LengthPrefixed());
  for (uint64_t left = reader.Varint(); left > 0 && reader.ok(); --left) {
    std::string name(reader.LengthPrefixed());
    record.headers.emplace_back(std::move(name), std::string(reader.LengthPrefixed()));
  }
  if (!reader.AtEnd())
    return DataLoss("a record of the local log, {} bytes, is damaged", bytes.size());
  return record;
}

std::string EncodeBounds(const Store::LocalBounds& bounds) {
  std::string out;
  ByteWriter writer(out);
  writer.Byte(kBoundsFormat);
  writer.Signed(bounds.start);
  writer.Signed(bounds.end);
  writer.Varint(bounds.bytes);
  return out;
}

}  // namespace

StatusOr<Store::LocalBounds> Store::ReadLocalBounds(const std::string& source) const {
  if (impl_->local_log == nullptr) return LocalBounds{};
  std::string bytes;
  const rocksdb::Status got =
      impl_->db->Get({}, impl_->local_log, keys::SourcePrefix(source), &bytes);
  if (got.IsNotFound()) return LocalBounds{};
  RETURN_IF_ERROR(FromRocks(got, "read the local log", impl_->folder()));
  ByteReader reader(bytes);
  if (reader.Byte() != kBoundsFormat) reader.MarkBad();
  LocalBounds bounds;
  bounds.start = reader.Signed();
  bounds.end = reader.Signed();
  bounds.bytes = reader.Varint();
  if (reader.AtEnd()) return bounds;
  return DataLoss("{}: source {}: the local log's bounds are damaged", impl_->folder().string(),
                  source);
}

StatusOr<int64_t> Store::AppendLocal(const std::string& source,
                                     std::span<const LocalRecord> records) {
  const std::lock_guard local_lock(impl_->local_mutex);
  ASSIGN_OR_RETURN(LocalBounds bounds, ReadLocalBounds(source));
  const int64_t first = bounds.end;
  rocksdb::WriteBatch batch;
  for (const LocalRecord& record : records) {
    const std::string bytes = EncodeRecord(record);
    bounds.bytes += bytes.size();
    (void)batch.Put(impl_->local_log, keys::LocalRecordKey(source, bounds.end++), bytes);
  }
  (void)batch.Put(impl_->local_log, keys::SourcePrefix(source), EncodeBounds(bounds));
  const std::lock_guard lock(impl_->write_mutex);
  RETURN_IF_ERROR(impl_->Write(batch, /*sync=*/true, "append to the local log"));
  return first;
}

Status Store::ReadLocal(
    const std::string& source, int64_t offset,
    const std::function<bool(int64_t offset, LocalRecord record)>& visit) const {
  const std::string prefix = keys::SourcePrefix(source);
  const std::unique_ptr<rocksdb::Iterator> it(impl_->db->NewIterator({}, impl_->local_log));
  for (it->Seek(keys::LocalRecordKey(source, offset)); it->Valid(); it->Next()) {
    const std::string_view key(it->key().data(), it->key().size());
    if (!key.starts_with(prefix)) break;
    ByteReader place(key.substr(prefix.size()));
    const int64_t at = place.Ordered64();
    StatusOr<LocalRecord> record = DecodeRecord({it->value().data(), it->value().size()});
    if (!place.AtEnd()) record = DataLoss("a key of the local log is damaged");
    if (!record.ok()) {
      return DataLoss("{}: source {}: {}", impl_->folder().string(), source,
                      MessageOf(record.status()));
    }
    if (!visit(at, *std::move(record))) break;
  }
  return FromRocks(it->status(), "read the local log", impl_->folder());
}

StatusOr<int64_t> Store::TrimLocal(const std::string& source, int64_t before, Timestamp keep_from,
                                   uint64_t most_bytes) {
  const std::lock_guard local_lock(impl_->local_mutex);
  ASSIGN_OR_RETURN(LocalBounds bounds, ReadLocalBounds(source));
  const int64_t was = bounds.start;
  const auto look = [&](int64_t offset, const LocalRecord& record) {
    if (offset >= before || (record.time >= keep_from && bounds.bytes <= most_bytes)) return false;
    bounds.bytes -= std::min<uint64_t>(EncodeRecord(record).size(), bounds.bytes);
    bounds.start = offset + 1;
    return true;
  };
  RETURN_IF_ERROR(ReadLocal(source, was, look));
  if (bounds.start == was) return was;
  rocksdb::WriteBatch batch;
  (void)batch.DeleteRange(impl_->local_log, keys::LocalRecordKey(source, was),
                          keys::LocalRecordKey(source, bounds.start));
  (void)batch.Put(impl_->local_log, keys::SourcePrefix(source), EncodeBounds(bounds));
  const std::lock_guard lock(impl_->write_mutex);
  RETURN_IF_ERROR(impl_->Write(batch, /*sync=*/false, "trim the local log"));
  return bounds.start;
}

}  // namespace freshet
