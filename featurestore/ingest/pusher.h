// Pushes, from a call to its acknowledgement: checked, appended to the source's log, answered once they are durable or once the loops
// have applied them (docs/api.md, Pushing).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "featurestore/base/clock.h"
#include "featurestore/declare/catalog.h"
#include "featurestore/ingest/push_check.h"
#include "featurestore/ingest/push_log.h"
#include "featurestore/store/store.h"

namespace freshet {

struct PushLimits {
  size_t calls =
      1024;  // in hand; a call is until its records are durable, also where its deadline has passed
  uint64_t bytes = 64ull << 20;  // of these, and so of one
  size_t events = 10'000;        // of one call
};

// Names and values together: of a call's headers, which each of its records carries.
inline constexpr size_t kMaxPushHeaderBytes = 16 << 10;

struct PushRequest {
  std::string source;
  std::vector<std::string> events;                           // JSON
  std::vector<std::string> record_keys;                      // one an event, or none
  std::vector<std::pair<std::string, std::string>> headers;  // of every record
  std::vector<std::string> delete_keys;  // in place of events: values of the source's key, as text
  bool deletes = false;
  std::string producer;
  uint64_t first_sequence = 0;
  bool wait_applied = true;
  bool skip_bad = false;
  std::chrono::steady_clock::time_point deadline;

  size_t size() const { return deletes ? delete_keys.size() : events.size(); }
};

struct BadEvent {
  size_t index = 0;
  std::string reason;
  std::string detail;
};

struct PushError {
  absl::StatusCode code = absl::StatusCode::kInternal;
  std::string reason;  // BAD_EVENT: stable, for programs
  std::string message;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<std::pair<std::string, std::string>> violations;  // field, what is wrong with it
  std::optional<Duration> retry_after;
};

struct PushResult {
  std::optional<PushError> error;
  size_t durable = 0;
  size_t applied = 0;
  size_t repeated = 0;  // of the applied: known from before
  std::vector<BadEvent> bad;
  std::map<int32_t, int64_t> ends;  // by partition: the offset after the last one that is durable
};

// Thread-safe. `store`, `clock` and `log` must outlive it.
class Pusher {
 public:
  using Done = std::function<void(PushResult result)>;

  Pusher(std::shared_ptr<const Catalog> catalog, Store& store, const Clock& clock, PushLog& log,
         const PushLimits& limits = {});
  ~Pusher();  // Stop

  // Calls that come from here on are checked by `catalog`, which requests are answered by.
  void Serve(std::shared_ptr<const Catalog> catalog);
  // Until Serve: what is applied of these sources is not what requests are answered by, so no call is told that it is.
  void Hold(std::set<std::string> sources);

  // `done` is called once, from any thread, perhaps before this returns.
  void Push(PushRequest request, Done done);
  PushResult PushAndWait(PushRequest request);
  size_t in_hand() const;

  // From now on calls are refused (DRAINING).
  void BeginDrain();
  // After BeginDrain: returns once all calls are answered, or at `until`.
  void AwaitIdle(std::chrono::steady_clock::time_point until);
  // Answers what is left, and stops the log. Idempotent.
  void Stop();

  const PushLimits& limits() const { return limits_; }
  // What a call of more than limits().events is told.
  PushError TooManyEvents(size_t count, bool deletes) const;

 private:
  struct Call {
    PushRequest request;
    Done done;  // empty: answered
    std::shared_ptr<const Catalog> catalog;
    uint32_t source = 0;  // of it
    const Source& its_source() const { return catalog->sources[source]; }
    uint64_t bytes = 0;
    bool appended = false;
    size_t pending = 0;                         // records that the log has not told of
    std::vector<size_t> index_of;               // by record: in the request
    std::vector<PushedTo> to;                   // by record
    std::map<int32_t, PartitionStatus> before;  // how far the loops were when nothing was appended
    PushResult result;
  };
  using CallPtr = std::shared_ptr<Call>;
  // How far a source's loops are.
  struct Applied {
    std::map<int32_t, PartitionStatus> partitions;
    std::string paused;  // why they stand still
    bool log_is_lost =
        false;  // paused since the log is not what was read: what is pushed is not read from it
  };

  std::optional<PushError> TooMuch(const PushRequest& request, uint64_t bytes) const;
  std::optional<PushError> Admit(const PushRequest& request, uint64_t bytes);
  // On the work thread.
  void Work();
  void Start(const CallPtr& call);
  std::optional<PushError> Prepare(Call& call, std::vector<PushRecord>& records);
  std::optional<PushError> CheckRequest(const PushRequest& request, const PushCheck& check) const;
  PushCheck& CheckOf(const Call& call);

  // On the answer thread.
  void Answer();
  std::map<std::string, Applied> AskApplied(std::unique_lock<std::mutex>& lock);
  // Answered, or at the end of its time: what `done` is to be told. Under the lock.
  bool Settle(Call& call, const Applied& applied, bool at_end) const;
  // The loops are past these offsets, of whichever log.
  static bool IsPassed(const Call& call, const Applied& applied);
  static bool IsApplied(const Call& call, const Applied& applied);
  // A record of the call that stands where the log that the loops read had been written before: it is in another log, whose topic was
  // made anew or lost its end. What they pass there is not this record.
  static const PushedTo* InOtherLog(const Call& call, const Applied& applied);
  void CountRepeated(const Call& call, PushResult& result) const;
  PushError NotTaken(const Call& call) const;
  PushError TooLate(const Call& call, const Applied& applied) const;

  void Deliver(const CallPtr& call, size_t record, const PushedTo& to);
  void Forget(const CallPtr& call);
  void Listen(const Catalog& catalog);

  Store& store_;
  const Clock& clock_;
  PushLog& log_;
  const PushLimits limits_;
  // Of the work thread.
  std::shared_ptr<const Catalog> checks_of_;
  std::map<uint32_t, std::unique_ptr<PushCheck>> checks_;  // by source of it

  mutable std::mutex mutex_;
  std::condition_variable work_wake_;
  std::condition_variable answer_wake_;
  std::condition_variable idle_;
  std::shared_ptr<const Catalog> catalog_;  // of the calls that come now
  std::set<std::string> listened_;          // sources whose status tells us
  std::set<std::string> held_;              // sources
  std::deque<CallPtr> work_;
  std::list<CallPtr> calls_;  // in hand
  uint64_t bytes_ = 0;
  std::map<std::string, uint64_t> unapplied_;  // by source, of these: where the log bounds them
  size_t unanswered_ = 0;
  bool changed_ = false;
  bool draining_ = false;
  bool stopping_ = false;
  std::thread worker_;
  std::thread answerer_;
};

}  // namespace freshet
