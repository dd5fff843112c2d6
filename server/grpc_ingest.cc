#include "server/grpc_ingest.h"

#include <algorithm>

#include "server/push_error.h"

namespace freshet {
namespace {

using std::chrono::steady_clock;

constexpr Duration kLettersDeadline = Duration::Seconds(30);
// One is answered after the other: each reads the dead-letter topic.
constexpr size_t kLetterCallsWaiting = 16;

ServeError SwitchedOff() {
  ServeError error;
  error.code = absl::StatusCode::kUnimplemented;
  error.reason = "PUSH_OFF";
  error.message = "pushes are switched off on this server (server.push: false)";
  return error;
}

ServeError TooManyLetterCalls() {
  ServeError error;
  error.code = absl::StatusCode::kResourceExhausted;
  error.reason = "OVERLOADED";
  error.message = fmt::format(
      "{} calls about dead letters wait already, and one is answered after the other; call again "
      "later",
      kLetterCallsWaiting);
  return error;
}

template <typename Request>
PushRequest Common(const Request& request) {
  PushRequest push;
  push.source = request.source();
  push.producer = request.producer().id();
  push.first_sequence = request.producer().first_sequence();
  push.wait_applied = request.wait() != v1::PUSH_WAIT_DURABLE;
  return push;
}

void Fill(const PushResult& result, v1::PushResponse& response) {
  response.set_durable(result.durable);
  response.set_applied(result.applied);
  response.set_repeated(result.repeated);
  for (const BadEvent& one : result.bad) {
    v1::BadEvent& bad = *response.add_bad();
    bad.set_index(one.index);
    bad.set_reason(one.reason);
    bad.set_detail(one.detail);
  }
  for (const auto& [partition, end] : result.ends) {
    v1::PushedPartition& to = *response.add_partitions();
    to.set_partition(partition);
    to.set_next_offset(end);
  }
}

LetterFilter FilterOf(const v1::LetterFilter& wire) {
  LetterFilter filter{wire.source(), wire.reason(), std::nullopt};
  if (wire.has_place()) {
    const v1::LetterPlace& place = wire.place();
    if (filter.source.empty()) filter.source = place.source();
    filter.place = Coordinates{place.incarnation(), place.partition(), place.offset()};
  }
  return filter;
}

ServeError LettersFailed(const Status& status) {
  ServeError error;
  error.code = status.code();
  error.reason = absl::IsNotFound(status)        ? "UNKNOWN_LETTER"
                 : absl::IsUnavailable(status)   ? "LOG_UNAVAILABLE"
                 : absl::IsUnimplemented(status) ? "PUSH_OFF"
                                                 : "LETTERS_FAILED";
  error.message = std::string(MessageOf(status));
  return error;
}

void Fill(const ListedLetters& listed, v1::ListDeadLettersResponse& response) {
  for (const auto& [key, count] : listed.counts) {
    v1::LetterCount& out = *response.add_counts();
    out.set_source(key.first);
    out.set_reason(key.second);
    out.set_letters(count.letters);
    out.set_replayed(count.replayed);
    out.set_oldest_us(count.oldest_us);
    out.set_newest_us(count.newest_us);
  }
  for (const Letter& letter : listed.letters) {
    v1::DeadLetter& out = *response.add_letters();
    out.mutable_place()->set_source(letter.source);
    out.mutable_place()->set_incarnation(letter.at.incarnation);
    out.mutable_place()->set_partition(letter.at.partition);
    out.mutable_place()->set_offset(letter.at.offset);
    out.set_reason(letter.letter.reason);
    out.set_detail(letter.letter.detail);
    if (letter.letter.record_time_us != kNoRecordTime.us) {
      out.set_record_time_us(letter.letter.record_time_us);
    }
    out.set_replayed(letter.replayed);
    out.set_relayed(letter.relayed);
    out.set_value_bytes(letter.value_bytes);
    if (letter.letter.key) out.set_key(*letter.letter.key);
    if (letter.letter.value) out.set_value(*letter.letter.value);
  }
  response.set_incomplete(listed.incomplete);
}

}  // namespace

IngestServer::IngestServer(Pusher* pusher, DeadLetters* letters, Duration default_deadline,
                           ServeMetrics& metrics)
    : pusher_(pusher),
      letters_(letters),
      default_deadline_(default_deadline),
      push_(metrics.Method("freshet.v1.IngestService", "PushEvents")),
      delete_(metrics.Method("freshet.v1.IngestService", "DeleteEntities")),
      list_(metrics.Method("freshet.v1.IngestService", "ListDeadLetters")),
      replay_(metrics.Method("freshet.v1.IngestService", "ReplayDeadLetters")),
      letter_threads_(1) {}

void IngestServer::BeginDrain() {
  if (pusher_ != nullptr) pusher_->BeginDrain();
}

void IngestServer::EndCalls() {
  if (letters_ != nullptr) letters_->Stop();
  if (pusher_ != nullptr) pusher_->Stop();
}

void IngestServer::AwaitIdle(steady_clock::time_point until) {
  if (pusher_ != nullptr) pusher_->AwaitIdle(until);
}

steady_clock::time_point IngestServer::DeadlineOf(const grpc::CallbackServerContext& context,
                                                  Duration otherwise) const {
  const auto now = steady_clock::now();
  const auto clients = context.deadline();
  if (clients == std::chrono::system_clock::time_point::max()) {
    return now + std::chrono::microseconds(otherwise.us);
  }
  const auto left = std::chrono::duration_cast<std::chrono::microseconds>(
      clients - std::chrono::system_clock::now());
  return now + left - std::min<std::chrono::microseconds>(left / 10, std::chrono::milliseconds(50));
}

void IngestServer::Push(grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor,
                        MethodMetrics& method, PushRequest request, v1::PushResponse* response) {
  const CountedCall counted(method);
  if (pusher_ == nullptr) return reactor->Finish(counted.Done(SwitchedOff()));
  request.deadline = DeadlineOf(*context, default_deadline_);
  pusher_->Push(std::move(request), [reactor, response, counted](const PushResult& result) {
    Fill(result, *response);
    reactor->Finish(
        counted.Done(result.error ? Outcome(ToServeError(*result.error)) : std::nullopt));
  });
}

grpc::ServerUnaryReactor* IngestServer::PushEvents(grpc::CallbackServerContext* context,
                                                   const v1::PushEventsRequest* request,
                                                   v1::PushResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  PushRequest push = Common(*request);
  push.skip_bad = request->skip_bad();
  push.events.assign(request->events().begin(), request->events().end());
  push.record_keys.assign(request->record_keys().begin(), request->record_keys().end());
  push.headers.assign(request->headers().begin(), request->headers().end());
  Push(context, reactor, push_, std::move(push), response);
  return reactor;
}

grpc::ServerUnaryReactor* IngestServer::DeleteEntities(grpc::CallbackServerContext* context,
                                                       const v1::DeleteEntitiesRequest* request,
                                                       v1::PushResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  PushRequest push = Common(*request);
  push.deletes = true;
  push.delete_keys.assign(request->keys().begin(), request->keys().end());
  for (const int64_t key : request->int64_keys())
    push.delete_keys.push_back(fmt::format("{}", key));
  Push(context, reactor, delete_, std::move(push), response);
  return reactor;
}

void IngestServer::PutLetterCall(const grpc::CallbackServerContext& context,
                                 grpc::ServerUnaryReactor& reactor, const CountedCall& counted,
                                 std::function<Status(steady_clock::time_point deadline)> answer) {
  const auto deadline = DeadlineOf(context, kLettersDeadline);
  const bool taken = letter_threads_.TryPut(
      [&context, &reactor, counted, deadline, answer = std::move(answer)] {
        const Status status = context.IsCancelled()
                                  ? MakeStatus(absl::StatusCode::kCancelled, "the caller is gone")
                                  : answer(deadline);
        reactor.Finish(counted.Done(status.ok() ? std::nullopt : Outcome(LettersFailed(status))));
      },
      kLetterCallsWaiting);
  if (!taken) reactor.Finish(counted.Done(Outcome(TooManyLetterCalls())));
}

grpc::ServerUnaryReactor* IngestServer::ListDeadLetters(grpc::CallbackServerContext* context,
                                                        const v1::ListDeadLettersRequest* request,
                                                        v1::ListDeadLettersResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CountedCall counted(list_);
  if (letters_ == nullptr) {
    reactor->Finish(counted.Done(SwitchedOff()));
    return reactor;
  }
  PutLetterCall(*context, *reactor, counted, [this, request, response](auto deadline) {
    const auto listed = letters_->List(FilterOf(request->filter()), request->max_letters(),
                                       request->with_payload(), deadline);
    if (listed.ok()) Fill(*listed, *response);
    return listed.status();
  });
  return reactor;
}

grpc::ServerUnaryReactor* IngestServer::ReplayDeadLetters(
    grpc::CallbackServerContext* context, const v1::ReplayDeadLettersRequest* request,
    v1::ReplayDeadLettersResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const CountedCall counted(replay_);
  if (letters_ == nullptr) {
    reactor->Finish(counted.Done(SwitchedOff()));
    return reactor;
  }
  PutLetterCall(*context, *reactor, counted, [this, request, response](auto deadline) {
    const auto replayed = letters_->Replay(FilterOf(request->filter()), deadline);
    if (!replayed.ok()) return replayed.status();
    response->set_replayed(replayed->replayed);
    response->set_already_replayed(replayed->already_replayed);
    response->set_cut(replayed->cut);
    response->set_left(replayed->left);
    return OkStatus();
  });
  return reactor;
}

}  // namespace freshet
