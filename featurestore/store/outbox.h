// The bytes of a dead letter that waits for its relay (docs/storage_format.md).
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/store/store.h"

namespace freshet {

std::string EncodeDeadLetter(const DeadLetter& letter);
StatusOr<DeadLetter> DecodeDeadLetter(std::string_view bytes);

// Of a key of keys::RecordKey.
std::string SourceOfRecord(std::string_view key);

// Bytes of letters, by source; and where letters may be, by (source, incarnation, partition): the least key and the greatest. A queue in RocksDB leaves a tombstone for
// everything taken out, and whoever looks from the beginning walks over all of them: of 1e6 letters, 1e6 each time.
// Thread-safe. Keys are those of keys::RecordKey.
class OutboxPlaces {
 public:
  struct Place {
    std::string first, last;
    uint64_t inserted = 0;  // so many came at or before its last
  };
  void Put(std::string_view key);
  // False: no letter has this key.
  bool MayHold(std::string_view key) const;
  // Those of a source, in order.
  std::vector<Place> Of(std::string_view source) const;
  std::vector<std::string> Sources() const;
  // What a look found at the place as it was when it was `seen`: it begins with `first`, or holds nothing, where that is "". What came
  // since is still found.
  void Begins(const Place& seen, std::string_view first);

  // The letters of a source became more, or fewer, by so many bytes.
  void Count(const std::string& source, int64_t bytes);
  uint64_t BytesOf(const std::string& source) const;
  uint64_t bytes() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Place, std::less<>> places_;  // by key without its offset
  std::map<std::string, uint64_t> bytes_;             // by source
};

}  // namespace freshet
