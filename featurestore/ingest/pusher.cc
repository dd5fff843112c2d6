#include "featurestore/ingest/pusher.h"

#include <algorithm>
#include <future>
#include <set>

#include "featurestore/base/nearest.h"
#include "featurestore/ingest/pause_reasons.h"
#include "featurestore/ingest/push_errors.h"

namespace freshet {
namespace {

using std::chrono::steady_clock;

// Beside its bytes, what an event takes here and in the log's queue.
constexpr uint64_t kEventOverheadBytes = 256;

// As records, each of which carries the headers.
uint64_t BytesOf(const PushRequest& request) {
  uint64_t bytes = request.size() * kEventOverheadBytes;
  uint64_t headers = 0;
  for (const auto& [name, value] : request.headers) headers += name.size() + value.size();
  bytes += request.size() * headers;
  for (const auto* texts : {&request.events, &request.record_keys, &request.delete_keys}) {
    for (const std::string& text : *texts) bytes += text.size();
  }
  return bytes;
}

}  // namespace

Pusher::Pusher(std::shared_ptr<const Catalog> catalog, Store& store, const Clock& clock,
               PushLog& log, const PushLimits& limits)
    : store_(store), clock_(clock), log_(log), limits_(limits), catalog_(std::move(catalog)) {
  Listen(*catalog_);
  worker_ = std::thread([this] { Work(); });
  answerer_ = std::thread([this] { Answer(); });
}

Pusher::~Pusher() { Stop(); }

void Pusher::Listen(const Catalog& catalog) {
  for (const Source& source : catalog.sources) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || !listened_.insert(source.name).second) continue;
    }
    // Under the status' lock: it takes only ours, and we take none of theirs under ours.
    store_.source_status(source.name).SetListener([this] {
      const std::lock_guard lock(mutex_);
      if (calls_.empty()) return;
      changed_ = true;
      answer_wake_.notify_all();
    });
  }
}

void Pusher::Serve(std::shared_ptr<const Catalog> catalog) {
  Listen(*catalog);
  const std::lock_guard lock(mutex_);
  catalog_ = std::move(catalog);
  held_.clear();
  changed_ = true;
  answer_wake_.notify_all();
}

void Pusher::Hold(std::set<std::string> sources) {
  const std::lock_guard lock(mutex_);
  held_ = std::move(sources);
}

// What is refused whatever else is in hand, before anything is made of it.
std::optional<PushError> Pusher::TooMuch(const PushRequest& request, uint64_t bytes) const {
  if (request.size() > limits_.events) return TooManyEvents(request.size(), request.deletes);
  uint64_t header_bytes = 0;
  for (const auto& [name, value] : request.headers) header_bytes += name.size() + value.size();
  if (header_bytes > kMaxPushHeaderBytes) {
    PushError error = MakePushError(
        absl::StatusCode::kInvalidArgument, "BAD_HEADER",
        fmt::format("headers: they are {} bytes of names and values, and each record carries them; "
                    "they may have {}. Put what is larger into the events",
                    header_bytes, kMaxPushHeaderBytes));
    error.violations.emplace_back(
        "headers", fmt::format("{} bytes, of at most {}", header_bytes, kMaxPushHeaderBytes));
    return error;
  }
  if (bytes <= limits_.bytes) return std::nullopt;
  PushError error = MakePushError(
      absl::StatusCode::kResourceExhausted, "TOO_LARGE",
      fmt::format(
          "the call comes to {} bytes as records ({} of them, each with {} bytes of headers), "
          "and a server takes {}; nothing was sent: send it in several calls",
          bytes, request.size(), header_bytes, limits_.bytes));
  error.metadata = {{"bytes", fmt::format("{}", bytes)},
                    {"max_bytes", fmt::format("{}", limits_.bytes)},
                    {"durable", "0"}};
  return error;
}

PushError Pusher::TooManyEvents(size_t count, bool deletes) const {
  const char* const many = deletes ? "keys" : "events";
  const std::string what =
      fmt::format("{} {} in one call, and a server takes {}; send them in several", count, many,
                  limits_.events);
  PushError error = MakePushError(absl::StatusCode::kInvalidArgument, "TOO_MANY_EVENTS",
                                  fmt::format("{}: {}", many, what));
  error.violations.emplace_back(many, what);
  error.metadata = {{"events", fmt::format("{}", count)},
                    {"max_events", fmt::format("{}", limits_.events)}};
  return error;
}

std::optional<PushError> Pusher::Admit(const PushRequest& request, uint64_t bytes) {
  if (auto too_much = TooMuch(request, bytes)) return too_much;
  if (draining_) return PushLater("DRAINING", "this server stops; try another one", {});
  if (calls_.size() >= limits_.calls || bytes_ + bytes > limits_.bytes) {
    return PushLater(
        "OVERLOADED",
        fmt::format("{} pushes of {} bytes are in hand, which is as much as this server "
                    "takes; nothing was sent: try again later",
                    calls_.size(), bytes_),
        Duration::Millis(200));
  }
  if (!catalog_->SourceIndex(request.source)) {
    std::vector<std::string> names;
    for (const Source& known : catalog_->sources) names.push_back(known.name);
    const std::string shown = request.source.substr(0, 64);
    PushError error = MakePushError(absl::StatusCode::kNotFound, "UNKNOWN_SOURCE",
                                    fmt::format("there is no source \"{}\" in project {}{}", shown,
                                                catalog_->project, Suggestion(shown, names)));
    error.metadata = {{"source", shown}};
    return error;
  }
  const auto bound = log_.unapplied_bytes_max();
  const uint64_t waiting = unapplied_[request.source];
  if (bound && waiting > 0 && waiting + bytes > *bound) {
    return PushLater(
        "OVERLOADED",
        fmt::format(
            "source {}: {} bytes wait to be applied, and the embedded broker keeps not much "
            "more; nothing was sent: try again later, or use a real broker",
            request.source, waiting),
        Duration::Millis(100));
  }
  return std::nullopt;
}

void Pusher::Push(PushRequest request, Done done) {
  const uint64_t bytes = BytesOf(request);
  std::unique_lock lock(mutex_);
  if (std::optional<PushError> refused = Admit(request, bytes)) {
    lock.unlock();
    PushResult result;
    result.error = std::move(refused);
    done(std::move(result));
    return;
  }
  auto call = std::make_shared<Call>();
  call->catalog = catalog_;
  call->source = *catalog_->SourceIndex(request.source);
  call->request = std::move(request);
  call->done = std::move(done);
  call->bytes = bytes;
  bytes_ += bytes;
  unapplied_[call->its_source().name] += bytes;
  ++unanswered_;
  calls_.push_back(call);
  work_.push_back(std::move(call));
  work_wake_.notify_one();
}

PushResult Pusher::PushAndWait(PushRequest request) {
  std::promise<PushResult> promise;
  auto result = promise.get_future();
  Push(std::move(request), [&promise](PushResult told) { promise.set_value(std::move(told)); });
  return result.get();
}

size_t Pusher::in_hand() const {
  const std::lock_guard lock(mutex_);
  return calls_.size();
}

// --- The work thread ---------------------------------------------------------------------------------------------

void Pusher::Work() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_wake_.wait(lock, [this] { return stopping_ || !work_.empty(); });
    if (work_.empty()) return;
    const CallPtr call = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    Start(call);
    lock.lock();
  }
}

void Pusher::Start(const CallPtr& call) {
  std::vector<PushRecord> records;
  std::optional<PushError> error = Prepare(*call, records);
  if (error || records.empty()) {
    call->result.error = std::move(error);
    Done done;
    {
      const std::lock_guard lock(mutex_);
      done = std::exchange(call->done, {});
      Forget(call);
      --unanswered_;
    }
    done(std::move(call->result));
    idle_.notify_all();
    return;
  }
  call->before = store_.source_status(call->its_source().name).partitions();
  {
    const std::lock_guard lock(mutex_);
    call->to.resize(records.size());
    call->pending = records.size();
    call->appended = true;
    changed_ = true;
  }
  answer_wake_.notify_all();
  log_.Append(call->its_source(), std::move(records),
              [this, call](size_t record, const PushedTo& to) { Deliver(call, record, to); });
}

// --- The log's and the answer thread -----------------------------------------------------------------------------

void Pusher::Deliver(const CallPtr& call, size_t record, const PushedTo& to) {
  const std::lock_guard lock(mutex_);
  call->to[record] = to;
  if (to.status.ok()) {
    ++call->result.durable;
    int64_t& end = call->result.ends.try_emplace(to.partition, 0).first->second;
    end = std::max(end, to.offset + 1);
  }
  if (--call->pending > 0) return;
  changed_ = true;
  answer_wake_.notify_all();
}

void Pusher::Forget(const CallPtr& call) {
  const auto found = std::find(calls_.begin(), calls_.end(), call);
  if (found == calls_.end()) return;
  calls_.erase(found);
  bytes_ -= call->bytes;
  unapplied_[call->its_source().name] -= call->bytes;
}

bool Pusher::IsPassed(const Call& call, const Applied& applied) {
  return std::all_of(call.result.ends.begin(), call.result.ends.end(), [&](const auto& end) {
    const auto partition = applied.partitions.find(end.first);
    return partition != applied.partitions.end() && partition->second.next >= end.second;
  });
}

const PushedTo* Pusher::InOtherLog(const Call& call, const Applied& applied) {
  for (const PushedTo& to : call.to) {
    // None: the loops had not begun, which they do by making sure of the log.
    const auto before = call.before.find(to.partition);
    if (!to.status.ok() || before == call.before.end()) continue;
    // A log's end only grows, so what is appended stands behind each end that was seen before.
    const auto& [incarnation, next, log_end, least] = before->second;
    if (to.offset < std::max(next, log_end.value_or(0))) return &to;
    const auto now = applied.partitions.find(to.partition);
    if (now != applied.partitions.end() && now->second.incarnation != incarnation) return &to;
  }
  return nullptr;
}

bool Pusher::IsApplied(const Call& call, const Applied& applied) {
  return IsPassed(call, applied) && !applied.log_is_lost && InOtherLog(call, applied) == nullptr;
}

std::map<std::string, Pusher::Applied> Pusher::AskApplied(std::unique_lock<std::mutex>& lock) {
  std::map<std::string, Applied> all;
  for (const CallPtr& call : calls_) all[call->its_source().name];
  lock.unlock();
  for (auto& [source, applied] : all) {
    const SourceStatus& status = store_.source_status(source);
    applied.partitions = status.partitions();
    const auto [reason, detail] = status.paused();
    if (!reason.empty()) applied.paused = fmt::format("{}: {}", reason, detail);
    applied.log_is_lost = pause_reasons::LogIsLost(reason);
  }
  lock.lock();
  return all;
}

void Pusher::Answer() {
  struct Answered {
    CallPtr call;
    Done done;
    PushResult result;
  };
  std::unique_lock lock(mutex_);
  while (!stopping_ || unanswered_ > 0) {
    auto until = steady_clock::now() + std::chrono::seconds(1);
    for (const CallPtr& call : calls_) {
      if (call->done && call->appended) until = std::min(until, call->request.deadline);
    }
    if (stopping_) until = std::min(until, steady_clock::now() + std::chrono::milliseconds(10));
    answer_wake_.wait_until(lock, until, [this] { return changed_; });
    changed_ = false;
    const std::map<std::string, Applied> all = AskApplied(lock);
    const auto now = steady_clock::now();
    std::vector<Answered> answered;
    std::vector<CallPtr> over;
    for (const CallPtr& call : calls_) {
      const auto applied = all.find(call->its_source().name);
      if (!call->appended || applied == all.end()) continue;
      const bool told = call->pending == 0;
      if (call->done &&
          Settle(*call, applied->second, stopping_ || now >= call->request.deadline)) {
        answered.push_back({call, std::exchange(call->done, {}), call->result});
        --unanswered_;
      }
      const bool held = log_.unapplied_bytes_max() && !IsPassed(*call, applied->second);
      if (!call->done && told && !held) over.push_back(call);
    }
    for (const CallPtr& call : over) Forget(call);
    lock.unlock();
    for (Answered& one : answered) {
      if (one.result.applied > 0) CountRepeated(*one.call, one.result);
      one.done(std::move(one.result));
    }
    if (!answered.empty()) idle_.notify_all();
    lock.lock();
  }
}

bool Pusher::Settle(Call& call, const Applied& applied, bool at_end) const {
  if (call.pending == 0) {
    if (call.result.durable < call.to.size()) {
      call.result.error = NotTaken(call);
      return true;
    }
    if (!call.request.wait_applied) return true;
    if (!held_.contains(call.its_source().name) && IsApplied(call, applied)) {
      call.result.applied = call.result.durable;
      return true;
    }
  }
  if (at_end) call.result.error = TooLate(call, applied);
  return at_end;
}

void Pusher::CountRepeated(const Call& call, PushResult& result) const {
  if (call.request.producer.empty()) return;
  const SourceStatus& status = store_.source_status(call.its_source().name);
  for (const PushedTo& to : call.to) {
    if (to.is_exact && status.WasRepeated(to.partition, to.offset)) ++result.repeated;
  }
}

namespace {

std::string HowToRepeat(const PushRequest& request) {
  return request.producer.empty()
             ? "made again, events that were sent count twice (a producer id would prevent that)"
             : "make the same call again: with its producer id every event counts once";
}

// Where the log will never take one of them as it is.
std::string HowToLeaveOut(const PushRequest& request) {
  return request.producer.empty()
             ? "it will never be as it is; made again without it, events that were sent count twice"
             : "it will never be as it is, and nothing that follows it was sent behind it: leave "
               "it "
               "out, and send what follows it with the sequences that it has";
}

}  // namespace

// The log took some of them not.
PushError Pusher::NotTaken(const Call& call) const {
  PushError error;
  error.reason = "NOT_DURABLE";
  std::optional<size_t> first;
  bool for_what_it_is = false, for_another_reason = false, is_missing = false, is_denied = false;
  for (size_t i = 0; i < call.to.size(); ++i) {
    const Status& status = call.to[i].status;
    if (status.ok()) continue;
    for_what_it_is = for_what_it_is || absl::IsInvalidArgument(status);
    is_missing = is_missing || absl::IsNotFound(status);
    is_denied = is_denied || absl::IsPermissionDenied(status);
    // What was not sent for another's sake is counted, and that other one is named.
    if (absl::IsAborted(status)) continue;
    for_another_reason = for_another_reason || !absl::IsInvalidArgument(status);
    if (!first) first = i;
    if (error.violations.size() < kMaxPushViolations) {
      error.violations.emplace_back(PushedField(call.request, call.index_of[i]),
                                    std::string(MessageOf(status)));
    }
  }
  if (!first) {
    const auto behind = std::find_if(call.to.begin(), call.to.end(),
                                     [](const PushedTo& to) { return !to.status.ok(); });
    first = static_cast<size_t>(behind - call.to.begin());
  }
  // The call as it was brings what only has to be repeated, and then tells of what is refused alone.
  for_what_it_is = for_what_it_is && !for_another_reason;
  const std::string remedy =
      for_what_it_is ? HowToLeaveOut(call.request) : HowToRepeat(call.request);
  error.code = for_what_it_is ? absl::StatusCode::kInvalidArgument : absl::StatusCode::kUnavailable;
  error.message = fmt::format("{} of {} are durable, the others were not taken; {}: {}; {}",
                              call.result.durable, call.to.size(),
                              PushedField(call.request, call.index_of[*first]),
                              MessageOf(call.to[*first].status), remedy);
  error.metadata = {{"durable", fmt::format("{}", call.result.durable)}};
  if (!for_what_it_is && (is_missing || is_denied)) {
    error.code = absl::StatusCode::kFailedPrecondition;
    error.reason = is_missing ? "TOPIC_MISSING" : "TOPIC_DENIED";
  } else if (!for_what_it_is) {
    error.retry_after = Duration::Seconds(1);
  }
  return error;
}

PushError Pusher::TooLate(const Call& call, const Applied& applied) const {
  PushError error;
  const bool told = call.pending == 0;
  error.code = stopping_ ? absl::StatusCode::kUnavailable : absl::StatusCode::kDeadlineExceeded;
  error.reason = told ? "NOT_APPLIED_IN_TIME" : "NOT_DURABLE_IN_TIME";
  const std::string when = stopping_ ? "as the server stopped" : "when the call's time was over";
  if (told) {
    const PushedTo* const elsewhere = InOtherLog(call, applied);
    error.message = fmt::format(
        "all {} are durable{}, but were not {}", call.to.size(),
        elsewhere == nullptr && applied.paused.empty() ? " and will be applied" : "", when);
    if (!applied.paused.empty()) {
      error.message += fmt::format("; the source stands still: {}", applied.paused);
    } else if (elsewhere != nullptr) {
      error.message += fmt::format(
          "; they are in another log than this server reads (partition {} at offset {}, where that "
          "had been written before): the topic was made anew, or lost its end",
          elsewhere->partition, elsewhere->offset);
    }
  } else {
    error.message =
        fmt::format("{} of {} were known to be durable {}; the others may become so yet; {}",
                    call.result.durable, call.to.size(), when, HowToRepeat(call.request));
  }
  error.metadata = {{"durable", fmt::format("{}", call.result.durable)}};
  if (stopping_) error.retry_after = Duration::Millis(100);
  return error;
}

// --- The end -----------------------------------------------------------------------------------------------------

void Pusher::BeginDrain() {
  const std::lock_guard lock(mutex_);
  draining_ = true;
}

void Pusher::AwaitIdle(std::chrono::steady_clock::time_point until) {
  std::unique_lock lock(mutex_);
  idle_.wait_until(lock, until, [this] { return unanswered_ == 0; });
}

void Pusher::Stop() {
  if (!worker_.joinable()) return;
  BeginDrain();
  // First what can still become durable, then whoever waits for more than that.
  log_.Stop();
  {
    const std::lock_guard lock(mutex_);
    stopping_ = changed_ = true;
  }
  work_wake_.notify_all();
  answer_wake_.notify_all();
  worker_.join();
  answerer_.join();
  for (const std::string& source : listened_) store_.source_status(source).SetListener({});
}

}  // namespace freshet
