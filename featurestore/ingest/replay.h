// Produces a file of JSON lines to a source's topic (`freshet replay`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "featurestore/base/status.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/ingest/ingest.h"

namespace freshet {

struct ReplayOptions {
  std::filesystem::path file;  // .jsonl or .jsonl.gz
  double rate = 0;             // events/s; 0: as fast as it goes
  // Not empty: a line is key, separator, value, up to the first separator; one that ends there deletes (a tombstone), one that
  // begins with it has no key. Empty: a line is a value.
  std::string key_separator;
  // How far the server has applied, by partition; called while producing into a mock, which keeps only the newest
  // 5 MiB a partition: replay never leaves more than a fraction of that unapplied. Also for `wait`. Empty: no server is asked.
  std::function<StatusOr<std::map<int32_t, int64_t>>()> applied;
  bool wait = false;  // return when everything produced was applied
  // Called at most ten times a second.
  std::function<void(uint64_t events, uint64_t bytes_read, uint64_t bytes_total)> progress;
  // Called once where the broker does not answer at first, with why: after about a second of the ten that it is waited for.
  std::function<void(const std::string& why)> waiting;
  std::function<bool()> cancelled;
};

struct ReplayResult {
  uint64_t events = 0;
  double seconds = 0;
  std::map<int32_t, int64_t> ends;  // by partition: the offset after the last record produced
};

// Without `key_separator`, keyed by the source's `key` field where it has one (murmur2, as Java's clients); a line that is not JSON
// is sent as it is, without key: the server dead-letters it. acks=all, idempotent, in order within a partition. InvalidArgument, with
// its number, for a line without the separator.
StatusOr<ReplayResult> Replay(const Source& source, const LogAddress& address,
                              const std::map<std::string, std::string>& kafka_options,
                              const ReplayOptions& options);

}  // namespace freshet
