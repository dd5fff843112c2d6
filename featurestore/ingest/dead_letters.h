// Dead letters as operators see them: counted, shown, and sent to their source's log again once its declaration was mended.
//
// A letter is in the server's outbox until the relay has brought it to the dead-letter topic; replicas' copies fall together by their
// coordinates. A replayed letter is marked: in the topic by a second record of its key, with a header; in the outbox by taking it out.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "featurestore/declare/catalog.h"
#include "featurestore/ingest/ingest.h"
#include "featurestore/ingest/log_source.h"
#include "featurestore/ingest/push_log.h"
#include "featurestore/store/store.h"

namespace freshet {

struct LetterFilter {
  std::string source;                // "": all
  std::string reason;                // "": all
  std::optional<Coordinates> place;  // with `source`
};

struct Letter {
  std::string source;
  Coordinates at;
  DeadLetter letter;
  uint64_t value_bytes =
      0;             // of the whole value; more than letter.value has: the topic holds a part
  bool cut = false;  // the topic holds a part of key or value alone
  bool relayed = false;
  bool replayed = false;
};

struct LetterCount {
  uint64_t letters = 0;
  uint64_t replayed = 0;  // of these
  int64_t oldest_us = 0;  // of the records' times; 0: none had one
  int64_t newest_us = 0;
};

struct ListedLetters {
  std::map<std::pair<std::string, std::string>, LetterCount> counts;  // by source and reason
  std::vector<Letter> letters;  // by source, in the order of the log
  bool incomplete = false;      // some were not looked at
};

struct ReplayedLetters {
  uint64_t replayed = 0;
  uint64_t already_replayed = 0;
  uint64_t cut = 0;   // not replayed: a part of their key or value is gone
  uint64_t left = 0;  // not reached in time
};

// Thread-safe: one replay at a time. Arguments must outlive it.
class DeadLetters {
 public:
  // Without Kafka (no `address.bootstrap`) letters are in the outbox alone. `log` is where they are sent again; it knows the dead-letter
  // topic, too. Null: nothing is sent here, and Replay says so.
  DeadLetters(const std::shared_ptr<const Catalog>& catalog, const LogAddress& address,
              Store& store, PushLog* log);

  // Calls that come from here on know the sources of `catalog`.
  void Serve(std::shared_ptr<const Catalog> catalog) { catalog_ = std::move(catalog); }

  // UNAVAILABLE where the topic cannot be read. NOT_FOUND for a place at which there is no letter.
  StatusOr<ListedLetters> List(const LetterFilter& filter, size_t max_letters, bool with_payload,
                               std::chrono::steady_clock::time_point deadline);
  // UNIMPLEMENTED where nothing is sent here. Sent are letters of reason `future` and those whose record the log no longer holds; with any other among them, none is.
  StatusOr<ReplayedLetters> Replay(const LetterFilter& filter,
                                   std::chrono::steady_clock::time_point deadline);

  // Calls in hand end soon, and later ones at once. Idempotent.
  void Stop() { stopping_ = true; }

 private:
  using SteadyTime = std::chrono::steady_clock::time_point;
  // What a record of the topic is: a letter, or the mark that the one of this key was replayed.
  using Visit = std::function<void(const std::string& key, std::optional<Letter> letter)>;

  Status CheckFilter(const LetterFilter& filter) const;
  bool over(SteadyTime deadline) const {
    return stopping_ || std::chrono::steady_clock::now() >= deadline;
  }
  // All of the topic as it is now, and then the outbox; a letter may be seen twice. True where nothing was left out.
  StatusOr<bool> ForEach(const LetterFilter& filter, SteadyTime deadline, size_t at_most,
                         const Visit& visit);
  StatusOr<bool> ForEachOfTopic(SteadyTime deadline, size_t at_most, const Visit& visit);
  // Hashes of the keys of letters that were replayed.
  StatusOr<bool> ReadMarks(SteadyTime deadline, size_t at_most, std::set<uint64_t>& marked);
  // FAILED_PRECONDITION where the log still holds the record of one of them: a view that is rebuilt after its declaration was mended
  // reads the record there, and a copy of it would count twice. Not of `future`, which a rebuild refuses as the first reading did.
  Status CheckNotInLog(const Catalog& catalog, std::span<const Letter> letters);
  // Of the log that the source is read from; none where nothing was read of it.
  StatusOr<std::optional<uint32_t>> IncarnationOf(const Source& source) const;
  // Of one source.
  Status SendChunk(const Source& source, std::span<const Letter> letters, SteadyTime deadline);
  Status Mark(std::span<const Letter> letters, SteadyTime deadline);
  Status AppendAndWait(const Source& source, std::vector<PushRecord> records, SteadyTime deadline);

  std::atomic<std::shared_ptr<const Catalog>> catalog_;  // of the calls that come now
  const KafkaSettings kafka_;
  const std::string group_;
  const LogAddress address_;
  Store& store_;
  PushLog* log_;
  Source letters_topic_;  // as PushLog wants it
  std::atomic<bool> stopping_{false};
  std::mutex replaying_;
};

}  // namespace freshet
