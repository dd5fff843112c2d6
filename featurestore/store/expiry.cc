#include "featurestore/store/expiry.h"

#include <string>
#include <string_view>
#include <utility>

#include "featurestore/state/row.h"

namespace freshet {
namespace {

// Used by one compaction thread.
class ExpiryFilter final : public rocksdb::CompactionFilter {
 public:
  explicit ExpiryFilter(std::shared_ptr<Expiry> expiry)
      : expiry_(std::move(expiry)), limits_(expiry_->limits()) {}
  ~ExpiryFilter() override { expiry_->CountDropped(dropped_); }

  const char* Name() const override { return "freshet.Expiry"; }
  bool Filter(int /*level*/, const rocksdb::Slice& /*key*/, const rocksdb::Slice& row,
              std::string* /*new_value*/, bool* /*value_changed*/) const override {
    // A damaged row stays: a read reports it.
    const auto times = PeekTimes(std::string_view(row.data(), row.size()));
    if (!times || !Before(times->newest, limits_.newest) ||
        !Before(times->deleted, limits_.deleted)) {
      return false;
    }
    ++dropped_;
    return true;
  }

 private:
  static bool Before(const std::optional<Timestamp>& time, const std::optional<Timestamp>& limit) {
    return !time || (limit && *time < *limit);
  }

  const std::shared_ptr<Expiry> expiry_;
  const Expiry::Limits limits_;  // as they were when the compaction began: the bound only rises
  mutable uint64_t dropped_ = 0;
};

class ExpiryFilterFactory final : public rocksdb::CompactionFilterFactory {
 public:
  explicit ExpiryFilterFactory(std::shared_ptr<Expiry> expiry) : expiry_(std::move(expiry)) {}
  const char* Name() const override { return "freshet.ExpiryFactory"; }
  std::unique_ptr<rocksdb::CompactionFilter> CreateCompactionFilter(
      const rocksdb::CompactionFilter::Context& /*context*/) override {
    if (!expiry_->limits().deleted) return nullptr;  // the bound is not known: nothing goes
    return std::make_unique<ExpiryFilter>(expiry_);
  }

 private:
  const std::shared_ptr<Expiry> expiry_;
};

}  // namespace

std::shared_ptr<rocksdb::CompactionFilterFactory> NewExpiryFilterFactory(
    std::shared_ptr<Expiry> expiry) {
  return std::make_shared<ExpiryFilterFactory>(std::move(expiry));
}

}  // namespace freshet
