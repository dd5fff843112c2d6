// What is asked of a push before anything of it is sent.
#include <limits>

#include "featurestore/ingest/push_errors.h"
#include "featurestore/ingest/pusher.h"
#include "featurestore/model/push_headers.h"

namespace freshet {
namespace {

using std::chrono::steady_clock;

constexpr std::string_view kReservedHeaders = "freshet-";

PushError BadField(std::string reason, const std::string& field, const std::string& description) {
  PushError error = MakePushError(absl::StatusCode::kInvalidArgument, std::move(reason),
                                  fmt::format("{}: {}", field, description));
  error.violations.emplace_back(field, description);
  return error;
}

// What a log could not be reached for, before anything was sent.
PushError NotReady(const Source& source, const Status& status) {
  if (absl::IsNotFound(status)) {
    return MakePushError(
        absl::StatusCode::kFailedPrecondition, "TOPIC_MISSING",
        fmt::format("source {}: {}; nothing was sent", source.name, MessageOf(status)));
  }
  PushError error = PushLater("LOG_UNAVAILABLE",
                              fmt::format("source {}: {}; nothing was sent: try again later",
                                          source.name, MessageOf(status)),
                              Duration::Seconds(1));
  error.metadata = {{"durable", "0"}};
  return error;
}

// All that would be refused, in one error.
PushError BadEvents(const PushRequest& request, const std::vector<BadEvent>& bad) {
  PushError error;
  error.code = absl::StatusCode::kInvalidArgument;
  error.reason = request.deletes ? "BAD_KEY" : "BAD_EVENT";
  const BadEvent& first = bad.front();
  error.message = fmt::format("{} of {} {} would be refused, so nothing was sent; {}: {}: {}",
                              bad.size(), request.size(), request.deletes ? "keys" : "events",
                              PushedField(request, first.index), first.reason, first.detail);
  error.metadata = {{"bad", fmt::format("{}", bad.size())}, {"durable", "0"}};
  for (const BadEvent& one : bad) {
    if (error.violations.size() == kMaxPushViolations) break;
    error.violations.emplace_back(PushedField(request, one.index),
                                  fmt::format("{}: {}", one.reason, one.detail));
  }
  return error;
}

}  // namespace

PushCheck& Pusher::CheckOf(const Call& call) {
  if (checks_of_ != call.catalog) {
    checks_.clear();
    checks_of_ = call.catalog;
  }
  std::unique_ptr<PushCheck>& check = checks_[call.source];
  if (check == nullptr) check = std::make_unique<PushCheck>(*checks_of_, call.source);
  return *check;
}

std::optional<PushError> Pusher::CheckRequest(const PushRequest& request,
                                              const PushCheck& check) const {
  const Source& source = check.source();
  const char* const many = request.deletes ? "keys" : "events";
  if (request.size() == 0) return BadField("NO_EVENTS", many, fmt::format("there are no {}", many));
  if (request.producer.size() > kMaxProducerBytes) {
    return BadField("BAD_PRODUCER", "producer.id",
                    fmt::format("is {} bytes long; it may have {}", request.producer.size(),
                                kMaxProducerBytes));
  }
  if (request.producer.empty() != (request.first_sequence == 0)) {
    return BadField("BAD_PRODUCER", "producer",
                    "id and first_sequence (from 1 on) come together, or neither does");
  }
  if (request.producer.starts_with(kReplayedLetterPrefix)) {
    return BadField("BAD_PRODUCER", "producer.id",
                    fmt::format("ids that begin with {} are those of replayed dead letters",
                                kReplayedLetterPrefix));
  }
  if (request.first_sequence > std::numeric_limits<uint64_t>::max() - request.size()) {
    return BadField("BAD_PRODUCER", "producer.first_sequence", "leaves no room for the next ones");
  }
  if (!request.record_keys.empty() && request.record_keys.size() != request.events.size()) {
    return BadField("BAD_RECORD_KEYS", "record_keys",
                    fmt::format("there are {} for {} events", request.record_keys.size(),
                                request.events.size()));
  }
  if (!request.record_keys.empty() && !check.reads_record_key()) {
    return BadField("BAD_RECORD_KEYS", "record_keys",
                    fmt::format("source {} reads no field from the record's key (path $key); leave "
                                "them out: the key is what stands in the event",
                                source.name));
  }
  for (const auto& [name, value] : request.headers) {
    if (!name.starts_with(kReservedHeaders)) continue;
    return BadField("BAD_HEADER", "headers",
                    fmt::format("{} is Freshet's own; name it otherwise", name));
  }
  if (request.deletes) {
    if (const auto why = check.CannotDelete()) {
      return MakePushError(absl::StatusCode::kFailedPrecondition, "CANNOT_DELETE",
                           fmt::format("{}, so nothing could be deleted", *why));
    }
  }
  if (!check.is_read() && (request.wait_applied || log_.unapplied_bytes_max())) {
    return MakePushError(
        absl::StatusCode::kFailedPrecondition, "SOURCE_NOT_READ",
        fmt::format("no feature view reads source {}, so nothing would ever apply it; declare a "
                    "view on it{}",
                    source.name, log_.unapplied_bytes_max() ? "" : ", or wait for DURABLE alone"));
  }
  return std::nullopt;
}

std::optional<PushError> Pusher::Prepare(Call& call, std::vector<PushRecord>& records) {
  const PushRequest& request = call.request;
  PushCheck& check = CheckOf(call);
  if (auto wrong = CheckRequest(request, check)) return wrong;
  const size_t largest = log_.record_bytes_max();
  const Timestamp now = clock_.Now();
  std::shared_ptr<const PushHeaders> headers;
  if (!request.headers.empty()) headers = std::make_shared<const PushHeaders>(request.headers);
  for (size_t i = 0; i < request.size(); ++i) {
    PushRecord record;
    if (request.deletes) {
      record.key = check.TombstoneKey(request.delete_keys[i]);
    } else {
      record.value = request.events[i];
      record.key = check.KeyOf(request.events[i]);
      if (!request.record_keys.empty()) record.key = request.record_keys[i];
    }
    record.shared_headers = headers;
    if (!request.producer.empty()) {
      record.spread_by = request.producer;
      record.headers.emplace_back(kProducerHeader, request.producer);
      record.headers.emplace_back(kSequenceHeader, fmt::format("{}", request.first_sequence + i));
    }
    std::optional<RefusedPush> refused = check.Check(record, now);
    if (!refused && record.bytes() > largest) {
      refused = RefusedPush{"too_large",
                            fmt::format("it is {} bytes with key and headers, and the log takes {}",
                                        record.bytes(), largest)};
    }
    if (refused) {
      call.result.bad.push_back({i, std::move(refused->reason), std::move(refused->detail)});
      continue;
    }
    call.index_of.push_back(i);
    records.push_back(std::move(record));
  }
  if (!call.result.bad.empty() && !request.skip_bad) {
    return BadEvents(request, std::exchange(call.result.bad, {}));
  }
  if (records.empty()) return std::nullopt;
  if (const Status ready = log_.Ready(check.source()); !ready.ok()) {
    return NotReady(check.source(), ready);
  }
  if (steady_clock::now() >= request.deadline) {
    PushError error = MakePushError(absl::StatusCode::kDeadlineExceeded, "NOT_DURABLE_IN_TIME",
                                    "the call's time was over before anything of it was sent");
    error.metadata = {{"durable", "0"}};
    return error;
  }
  return std::nullopt;
}

}  // namespace freshet
