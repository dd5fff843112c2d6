#include "bench/ingest/read_modify_write.h"

#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <chrono>
#include <vector>

#include "bench/ingest/check.h"
#include "bench/ingest/events.h"
#include "featurestore/model/entity_key.h"
#include "featurestore/store/expiry.h"
#include "featurestore/store/rocks_options.h"

namespace freshet::bench {

struct ReadModifyWrite::Impl {
  explicit Impl(uint64_t memory_bytes) : shared(memory_bytes) {}
  SharedRocks shared;
  std::unique_ptr<rocksdb::DB> db;
  uint64_t rows = 0;
  uint64_t bytes = 0;
};

namespace {
void CheckRocks(const rocksdb::Status& status) {
  if (!status.ok()) Die(Internal("{}", status.ToString()));
}
}  // namespace

ReadModifyWrite::ReadModifyWrite(const std::filesystem::path& folder, uint64_t memory_bytes,
                                 const Store& rows, ViewId view)
    : impl_(std::make_unique<Impl>(memory_bytes)) {
  rocksdb::Options options(impl_->shared.DatabaseOptions(),
                           impl_->shared.ViewFamilyOptions(std::make_shared<Expiry>()));
  options.compaction_filter_factory.reset();
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  CheckRocks(rocksdb::DB::Open(options, folder.string(), &opened));
  impl_->db.reset(opened);
  rocksdb::WriteBatch batch;
  Check(rows.Scan(view, [&](std::string_view key, std::string_view row) {
    ++impl_->rows;
    impl_->bytes += row.size();
    CheckRocks(
        batch.Put(rocksdb::Slice(key.data(), key.size()), rocksdb::Slice(row.data(), row.size())));
    if (batch.Count() < 10'000) return true;
    CheckRocks(impl_->db->Write({}, &batch));
    batch.Clear();
    return true;
  }));
  CheckRocks(impl_->db->Write({}, &batch));
  CheckRocks(impl_->db->Flush({}));
  CheckRocks(impl_->db->CompactRange({}, nullptr, nullptr));
}

ReadModifyWrite::~ReadModifyWrite() = default;

double ReadModifyWrite::row_bytes() const {
  return static_cast<double>(impl_->bytes) / static_cast<double>(impl_->rows);
}

double ReadModifyWrite::Run(std::span<const size_t> cards, size_t at_once) {
  std::vector<std::string> texts(at_once);
  std::vector<rocksdb::Slice> keys(at_once);
  std::vector<rocksdb::PinnableSlice> values(at_once);
  std::vector<rocksdb::Status> statuses(at_once);
  std::string row;
  const auto begin = std::chrono::steady_clock::now();
  for (size_t first = 0; first < cards.size(); first += at_once) {
    const size_t count = std::min(at_once, cards.size() - first);
    for (size_t i = 0; i < count; ++i) {
      const std::string card = CardKey(cards[first + i]);
      const Value value = Value::Text(card);
      texts[i].clear();
      AppendEntityKey(std::span(&value, 1), texts[i]);
      keys[i] = texts[i];
    }
    impl_->db->MultiGet({}, impl_->db->DefaultColumnFamily(), count, keys.data(), values.data(),
                        statuses.data());
    rocksdb::WriteBatch batch;
    for (size_t i = 0; i < count; ++i) {
      CheckRocks(statuses[i]);
      row.assign(values[i].data(), values[i].size());
      ++row.back();
      values[i].Reset();
      CheckRocks(batch.Put(keys[i], row));
    }
    CheckRocks(impl_->db->Write({}, &batch));
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace freshet::bench
