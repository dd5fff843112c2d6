// Where pushes become records of a log: the seam between Kafka, the local log and tests.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "featurestore/base/status.h"
#include "featurestore/base/time.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/model/source.h"

namespace freshet {

using PushHeaders = std::vector<std::pair<std::string, std::string>>;

struct PushRecord {
  std::optional<std::string> key;
  std::optional<std::string> value;                   // none: a tombstone
  std::shared_ptr<const PushHeaders> shared_headers;  // before its own: those of all of a call
  PushHeaders headers;
  std::optional<Timestamp> time;  // none: now
  // Of a record without key: equal texts choose the same partition, so that what is repeated meets what it repeats.
  std::string spread_by;

  uint64_t bytes() const {
    uint64_t sum = (key ? key->size() : 0) + (value ? value->size() : 0);
    EachHeader(
        [&](std::string_view name, std::string_view text) { sum += name.size() + text.size(); });
    return sum;
  }
  size_t header_count() const {
    return headers.size() + (shared_headers == nullptr ? 0 : shared_headers->size());
  }
  // In their order.
  void EachHeader(const auto& visit) const {
    if (shared_headers != nullptr) {
      for (const auto& [name, text] : *shared_headers) visit(name, text);
    }
    for (const auto& [name, text] : headers) visit(name, text);
  }
};

struct PushedTo {
  Status status;  // OK: durable, and where
  int32_t partition = 0;
  int64_t offset = 0;
  bool is_exact = true;  // else it stands at that offset or before it: the log did not tell
};

// Thread-safe.
class PushLog {
 public:
  // Called once a record, from any thread, perhaps before Append has returned. Takes no lock that Append's caller holds.
  using Delivered = std::function<void(size_t record, const PushedTo& to)>;

  virtual ~PushLog() = default;
  // What is appended to from now on: the sources of `catalog`. Before the first Append to one of them.
  virtual void Serve(const Catalog& catalog) = 0;
  // Why an Append would go nowhere now: UNAVAILABLE, nobody answers; NOT_FOUND, there is no such topic. Asks nobody and waits for
  // nothing.
  virtual Status Ready(const Source& source) = 0;
  // In order: in each partition the records of an Append come after those of the one before it, and in their own order. A record that
  // is refused for what it is (INVALID_ARGUMENT) leaves none of its producer (spread_by) behind it in its partition, and no later one
  // of that producer is sent (ABORTED): sent once more, by its sequence it is not one that was passed. After any other failure nothing
  // more of the Append is sent.
  virtual void Append(const Source& source, std::vector<PushRecord> records,
                      Delivered delivered) = 0;
  // The largest record.
  virtual size_t record_bytes_max() const = 0;
  // How much may be pushed and not be applied; none: the log keeps it.
  virtual std::optional<uint64_t> unapplied_bytes_max() const { return std::nullopt; }
  // What is on its way is given a moment; the rest is told UNAVAILABLE. Afterwards nothing is delivered, nor appended. Idempotent.
  virtual void Stop() = 0;
};

}  // namespace freshet
