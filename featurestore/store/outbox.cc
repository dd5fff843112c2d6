// Dead letters until a relay delivered them, and refusals by the wall clock until the log forgets
// the records.
#include "featurestore/store/outbox.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "featurestore/base/coding.h"
#include "featurestore/store/keys.h"
#include "featurestore/store/store_impl.h"

namespace freshet {
namespace {

constexpr uint8_t kDeadLetterFormat = 1;
constexpr uint8_t kHasKey = 1;
constexpr uint8_t kHasValue = 2;

std::string_view WithoutOffset(std::string_view key) {
  return key.substr(0, key.size() - std::min(key.size(), sizeof(int64_t)));
}

// Of keys of a source, behind its prefix.
Coordinates CoordinatesOf(ByteReader& reader) {
  Coordinates at;
  at.incarnation = reader.Ordered32();
  at.partition = static_cast<int32_t>(reader.Ordered32());
  at.offset = reader.Ordered64();
  return at;
}

}  // namespace

std::string SourceOfRecord(std::string_view key) {
  return std::string(ByteReader(key).LengthPrefixed());
}

void OutboxPlaces::Put(std::string_view key) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(WithoutOffset(key));
  if (found == places_.end()) {
    places_.emplace(WithoutOffset(key), Place{std::string(key), std::string(key)});
    return;
  }
  Place& place = found->second;
  if (key > place.last) {  // as the live loop puts them
    place.last = key;
    return;
  }
  ++place.inserted;
  if (key < place.first) place.first = key;
}

bool OutboxPlaces::MayHold(std::string_view key) const {
  const std::lock_guard lock(mutex_);
  const auto place = places_.find(WithoutOffset(key));
  return place != places_.end() && key >= place->second.first && key <= place->second.last;
}

std::vector<OutboxPlaces::Place> OutboxPlaces::Of(std::string_view source) const {
  const std::string prefix = keys::SourcePrefix(source);
  const std::lock_guard lock(mutex_);
  std::vector<Place> found;
  for (auto at = places_.lower_bound(prefix); at != places_.end(); ++at) {
    if (!at->first.starts_with(prefix)) break;
    found.push_back(at->second);
  }
  return found;
}

std::vector<std::string> OutboxPlaces::Sources() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> sources;
  for (const auto& [prefix, place] : places_) {
    std::string source = SourceOfRecord(prefix);
    if (sources.empty() || sources.back() != source) sources.push_back(std::move(source));
  }
  return sources;
}

void OutboxPlaces::Begins(const Place& seen, std::string_view first) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(WithoutOffset(seen.first));
  if (found == places_.end() || found->second.inserted != seen.inserted) return;
  Place& place = found->second;
  if (!first.empty()) {
    place.first = first;
  } else if (place.last == seen.last) {
    places_.erase(found);
  } else {
    place.first = seen.last;  // all that is there came behind it
  }
}

void OutboxPlaces::Count(const std::string& source, int64_t bytes) {
  const std::lock_guard lock(mutex_);
  uint64_t& held = bytes_[source];
  const uint64_t fewer = bytes < 0 ? std::min(held, static_cast<uint64_t>(-bytes)) : 0;
  held += static_cast<uint64_t>(std::max<int64_t>(bytes, 0)) - fewer;
}

uint64_t OutboxPlaces::BytesOf(const std::string& source) const {
  const std::lock_guard lock(mutex_);
  const auto held = bytes_.find(source);
  return held == bytes_.end() ? 0 : held->second;
}

uint64_t OutboxPlaces::bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t sum = 0;
  for (const auto& [source, held] : bytes_) sum += held;
  return sum;
}

std::string EncodeDeadLetter(const DeadLetter& letter) {
  std::string out;
  ByteWriter writer(out);
  writer.Byte(kDeadLetterFormat);
  writer.Byte(static_cast<uint8_t>((letter.key ? kHasKey : 0) | (letter.value ? kHasValue : 0)));
  writer.LengthPrefixed(letter.reason);
  writer.LengthPrefixed(letter.detail);
  writer.Signed(letter.record_time_us);
  if (letter.key) writer.LengthPrefixed(*letter.key);
  if (letter.value) writer.LengthPrefixed(*letter.value);
  return out;
}

StatusOr<DeadLetter> DecodeDeadLetter(std::string_view bytes) {
  ByteReader reader(bytes);
  const uint8_t format = reader.Byte();
  const uint8_t flags = reader.Byte();
  if (format != kDeadLetterFormat || flags > (kHasKey | kHasValue)) reader.MarkBad();
  DeadLetter letter;
  letter.reason = reader.LengthPrefixed();
  letter.detail = reader.LengthPrefixed();
  letter.record_time_us = reader.Signed();
  if ((flags & kHasKey) != 0) letter.key = std::string(reader.LengthPrefixed());
  if ((flags & kHasValue) != 0) letter.value = std::string(reader.LengthPrefixed());
  if (!reader.AtEnd()) return DataLoss("a stored dead letter of {} bytes is damaged", bytes.size());
  return letter;
}

// At open. The ingest loop bounds what is here, so this is short.
Status Store::Impl::CountDeadLetters() {
  return FromRocks(ForPrefix(*db, dead_letters, "",
                             [&](std::string_view key, std::string_view value) {
                               outbox.Count(SourceOfRecord(key),
                                            static_cast<int64_t>(key.size() + value.size()));
                               outbox.Put(key);
                               return true;
                             }),
                   "count the dead letters", folder());
}

Status Store::ForEachDeadLetter(const std::string& source,
                                const std::function<bool(StoredDeadLetter letter)>& visit) const {
  const size_t prefix = keys::SourcePrefix(source).size();
  bool more = true;
  for (const OutboxPlaces::Place& place : impl_->outbox.Of(source)) {
    if (!more) break;
    std::string first;
    Status failed;
    const rocksdb::Status read =
        impl_->ForDeadLetters(place, [&](std::string_view key, std::string_view value) {
          if (first.empty()) first = key;
          ByteReader reader(key.substr(prefix));
          StoredDeadLetter stored;
          stored.at = CoordinatesOf(reader);
          StatusOr<DeadLetter> letter = DecodeDeadLetter(value);
          if (!reader.AtEnd()) letter = DataLoss("a stored dead letter's key is damaged");
          if (!letter.ok()) {
            failed = DataLoss("{}: source {}: {}", impl_->folder().string(), source,
                              MessageOf(letter.status()));
            return false;
          }
          stored.letter = *std::move(letter);
          stored.bytes = key.size() + value.size();
          more = visit(std::move(stored));
          return more;
        });
    RETURN_IF_ERROR(FromRocks(read, "read dead letters", impl_->folder()));
    RETURN_IF_ERROR(failed);
    impl_->outbox.Begins(place, first);
  }
  return OkStatus();
}

StatusOr<std::vector<Store::StoredDeadLetter>> Store::ReadDeadLetters(
    const std::string& source, size_t at_most, uint64_t at_most_bytes) const {
  std::vector<StoredDeadLetter> letters;
  if (at_most == 0) return letters;
  uint64_t bytes = 0;
  RETURN_IF_ERROR(ForEachDeadLetter(source, [&](StoredDeadLetter letter) {
    bytes += letter.bytes;
    letters.push_back(std::move(letter));
    return letters.size() < at_most && bytes < at_most_bytes;
  }));
  return letters;
}

StatusOr<std::vector<std::string>> Store::DeadLetterSources() const {
  return impl_->outbox.Sources();
}

Status Store::RemoveDeadLetters(const std::string& source, std::span<const Coordinates> delivered) {
  // Held from the first read on: a commit may write a letter again, in another size.
  const std::lock_guard write_lock(impl_->write_mutex);
  rocksdb::WriteBatch batch;
  int64_t removed = 0;
  rocksdb::PinnableSlice value;
  for (const Coordinates& at : delivered) {
    const std::string key = keys::RecordKey(source, at);
    const rocksdb::Status got = impl_->db->Get({}, impl_->dead_letters, key, &value);
    if (got.IsNotFound()) continue;
    RETURN_IF_ERROR(FromRocks(got, "read a dead letter", impl_->folder()));
    removed += static_cast<int64_t>(key.size() + value.size());
    value.Reset();
    (void)batch.Delete(impl_->dead_letters, key);
  }
  if (batch.Count() == 0) return OkStatus();
  RETURN_IF_ERROR(impl_->Write(batch, /*sync=*/false, "remove delivered dead letters"));
  impl_->outbox.Count(source, -removed);
  return OkStatus();
}

uint64_t Store::dead_letter_bytes(const std::string& source) const {
  return impl_->outbox.BytesOf(source);
}
uint64_t Store::dead_letter_bytes() const { return impl_->outbox.bytes(); }

namespace {

// Before a partition's first offset: the log's start as it was when refusals were removed last. What was refused before it is not
// known any more.
constexpr int64_t kKnownFromPlace = -1;

StatusOr<int64_t> RefusalsKnownFrom(const auto& store, const std::string& source,
                                    const Coordinates& at) {
  rocksdb::PinnableSlice value;
  const rocksdb::Status got = store.db->Get(
      {}, store.refusals, keys::RecordKey(source, {at.incarnation, at.partition, kKnownFromPlace}),
      &value);
  if (got.IsNotFound()) return 0;
  RETURN_IF_ERROR(FromRocks(got, "read a refusal", store.folder()));
  return ByteReader({value.data(), value.size()}).Ordered64();
}

}  // namespace

StatusOr<bool> Store::IsRefused(const std::string& source, const Coordinates& at) const {
  rocksdb::PinnableSlice value;
  const rocksdb::Status got =
      impl_->db->Get({}, impl_->refusals, keys::RecordKey(source, at), &value);
  if (got.IsNotFound()) {
    ASSIGN_OR_RETURN(const int64_t known_from, RefusalsKnownFrom(*impl_, source, at));
    return at.offset < known_from;
  }
  RETURN_IF_ERROR(FromRocks(got, "read a refusal", impl_->folder()));
  return true;
}

StatusOr<std::optional<int64_t>> Store::LastRefused(const std::string& source, uint32_t incarnation,
                                                    int32_t partition) const {
  const std::string greatest =
      keys::RecordKey(source, {incarnation, partition, std::numeric_limits<int64_t>::max()});
  const std::string prefix = greatest.substr(0, greatest.size() - sizeof(int64_t));
  const std::unique_ptr<rocksdb::Iterator> at(impl_->db->NewIterator({}, impl_->refusals));
  at->SeekForPrev(greatest);
  RETURN_IF_ERROR(FromRocks(at->status(), "read refusals", impl_->folder()));
  if (!at->Valid() || !at->key().starts_with(prefix)) return std::nullopt;
  ByteReader offset({at->key().data() + prefix.size(), at->key().size() - prefix.size()});
  const int64_t last = offset.Ordered64();
  return last < 0 ? std::nullopt : std::optional(last);
}

Status Store::PruneRefusals(const std::string& source, uint32_t incarnation, int32_t partition,
                            int64_t before_offset) {
  const Coordinates known_from{incarnation, partition, kKnownFromPlace};
  const std::string known_from_key = keys::RecordKey(source, known_from);
  const std::string end = keys::RecordKey(source, {incarnation, partition, before_offset});
  const std::string prefix = end.substr(0, end.size() - sizeof before_offset);
  rocksdb::WriteBatch batch;
  ASSIGN_OR_RETURN(const int64_t known_before, RefusalsKnownFrom(*impl_, source, known_from));
  if (before_offset > known_before) {
    std::string value;
    ByteWriter(value).Ordered64(before_offset);
    (void)batch.Put(impl_->refusals, known_from_key, value);
  }
  RETURN_IF_ERROR(FromRocks(ForPrefix(*impl_->db, impl_->refusals, prefix,
                                      [&](std::string_view key, std::string_view) {
                                        if (key >= end) return false;
                                        if (key == known_from_key) return true;
                                        (void)batch.Delete(impl_->refusals, AsSlice(key));
                                        return true;
                                      }),
                            "read refusals", impl_->folder()));
  if (batch.Count() == 0) return OkStatus();
  const std::lock_guard lock(impl_->write_mutex);
  return impl_->Write(batch, /*sync=*/false, "remove old refusals");
}

Status Store::CopyRefusals(const std::string& from, const std::string& to, uint32_t incarnation) {
  std::string prefix = keys::SourcePrefix(from);
  ByteWriter(prefix).Ordered32(incarnation);
  std::string copy = keys::SourcePrefix(to);
  ByteWriter(copy).Ordered32(incarnation);
  const size_t head = copy.size();
  rocksdb::WriteBatch batch;
  Status written;
  const auto write = [&](bool sync) {
    const std::lock_guard lock(impl_->write_mutex);
    written = impl_->Write(batch, sync, "copy refusals");
    batch.Clear();
    return written.ok();
  };
  constexpr size_t kAtOnceBytes = 1 << 20;
  RETURN_IF_ERROR(FromRocks(ForPrefix(*impl_->db, impl_->refusals, prefix,
                                      [&](std::string_view key, std::string_view value) {
                                        copy.resize(head);
                                        copy += key.substr(prefix.size());
                                        (void)batch.Put(impl_->refusals, copy, AsSlice(value));
                                        return batch.GetDataSize() < kAtOnceBytes || write(false);
                                      }),
                            "read refusals", impl_->folder()));
  if (written.ok() && batch.Count() > 0) write(true);
  return written;
}

}  // namespace freshet
