#include "featurestore/ingest/loop_runner.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "featurestore/ingest/local_log.h"
#include "featurestore/ingest/pause_reasons.h"

namespace freshet {
namespace {

constexpr Duration kFirstBackoff = Duration::Millis(50);
constexpr Duration kLastBackoff = Duration::Seconds(2);
constexpr Duration kHeldWait = Duration::Millis(2);
constexpr Duration kOutboxWait = Duration::Millis(100);

// Of an error while asking the log.
std::string LogPauseReason(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
      return pause_reasons::kTopicMissing;
    case absl::StatusCode::kUnavailable:
      return pause_reasons::kBrokerDown;
    case absl::StatusCode::kFailedPrecondition:
      return pause_reasons::kTopicUnreadable;
    case absl::StatusCode::kAborted:
      return pause_reasons::kPartitionsGone;
    case absl::StatusCode::kOutOfRange:
      return pause_reasons::kOffsetOutOfRange;
    default:
      return PauseReason(status);
  }
}

}  // namespace

void LoopRunner::Run(IngestLoop& loop, const std::stop_token& stop,
                     const std::function<void()>& begun,
                     const std::function<LogVerdict()>& verdict) {
  backoff_ = kFirstBackoff;
  while (!stop.stop_requested()) {
    if (!begun_) {
      if (!Begin(loop)) {
        BackOff(stop);
        continue;
      }
      begun();
    }
    if (!Step(loop, stop, verdict)) return;
  }
}

bool LoopRunner::Begin(IngestLoop& loop) {
  const StepResult result = loop.Begin();
  if (!result.ok()) {
    ReportNotBegun(result);
    return false;
  }
  begun_ = true;
  if (pass_of_.empty()) context_.all_metrics.SetBrokerUp(brokers_, true);
  return true;
}

void LoopRunner::ReportNotBegun(const StepResult& failed) {
  const std::string detail(MessageOf(failed.status));
  if (failed.kind == StepKind::kStoreError) return Pause(PauseReason(failed.status), detail);
  const std::string reason = LogPauseReason(failed.status);
  const bool down = reason == pause_reasons::kBrokerDown;
  if (pass_of_.empty()) context_.all_metrics.SetBrokerUp(brokers_, !down);
  if (reason == pause_reasons::kPartitionsGone) {
    return Pause(reason, detail +
                             "; asked again first, as a broker that has not heard of all "
                             "partitions yet says so too");
  }
  if (!down) return Pause(reason, detail);
  const std::string replaced = context_.log_replaced ? context_.log_replaced() : std::string();
  if (!replaced.empty()) return Pause(pause_reasons::kLogReplaced, replaced);
  Pause(reason, fmt::format("brokers {}: {}; trying until they answer", brokers_, detail));
}

bool LoopRunner::Step(IngestLoop& loop, const std::stop_token& stop,
                      const std::function<LogVerdict()>& verdict) {
  const StepResult result = loop.Step();
  switch (result.kind) {
    case StepKind::kRead:
    case StepKind::kIdle:
      Resume();
      return true;
    case StepKind::kHeld:
      Wait(kHeldWait, stop);
      return true;
    case StepKind::kOutboxFull:
      Pause(pause_reasons::kDeadLettersFull,
            fmt::format(
                "{} bytes of dead letters wait {}",
                context_.store.dead_letter_bytes(context_.source.name),
                context_.log_id == kLocalLogId
                    ? "to be replayed: `freshet dlq list` shows them, and `freshet dlq replay` "
                      "sends them again; reading goes on once they are fewer"
                    : "for their topic, which takes none: see that it exists and that the broker "
                      "accepts records; reading goes on once they are delivered"));
      if (context_.dead_letters_waiting) context_.dead_letters_waiting();
      Wait(kOutboxWait, stop);
      return true;
    case StepKind::kLogError:
      // The first try to begin anew comes at once: a connection that was closed while idle is no pause.
      begun_ = false;
      if (++log_errors_ == 1) {
        Wait(kHeldWait, stop);
      } else {
        Pause(LogPauseReason(result.status), std::string(MessageOf(result.status)));
        BackOff(stop);
      }
      return true;
    case StepKind::kStoreError:
      Pause(PauseReason(result.status), std::string(MessageOf(result.status)));
      BackOff(stop);
      return true;
    case StepKind::kDone:
      return false;
    case StepKind::kStopped: {
      const LogVerdict why = verdict();
      Pause(why.reason, why.detail);
      return false;
    }
  }
  return true;
}

void LoopRunner::Pause(const std::string& reason, const std::string& detail) {
  const std::string& source = context_.source.name;
  if (pass_of_.empty()) context_.store.source_status(source).SetPaused(reason, detail);
  if (reason == paused_) return;
  paused_ = reason;
  if (pass_of_.empty()) {
    context_.metrics.SetPaused(reason);
    context_.log.Warn("ingest_paused", detail, {{"source", source}, {"reason", reason}});
  } else {
    context_.log.Warn("pass_paused", detail,
                      {{"source", source}, {"views", pass_of_}, {"reason", reason}});
  }
}

void LoopRunner::Resume() {
  backoff_ = kFirstBackoff;
  log_errors_ = 0;
  const bool first = !std::exchange(ran_, true) && pass_of_.empty();
  const bool paused = !std::exchange(paused_, {}).empty();
  if (!paused && !first) return;
  const std::string& source = context_.source.name;
  if (pass_of_.empty()) {
    SourceStatus& status = context_.store.source_status(source);
    const bool stood = !status.paused().first.empty();
    status.SetPaused("", "");
    context_.metrics.SetPaused("");
    if (!stood) return;
    context_.log.Info("ingest_resumed", "the source is read again", {{"source", source}});
  } else {
    context_.log.Info("pass_resumed", "the pass goes on",
                      {{"source", source}, {"views", pass_of_}});
  }
}

void LoopRunner::Wait(Duration duration, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, stop, std::chrono::microseconds(duration.us), [] { return false; });
}

void LoopRunner::BackOff(const std::stop_token& stop) {
  Wait(backoff_, stop);
  backoff_ = std::min(Duration{backoff_.us * 2}, kLastBackoff);
}

}  // namespace freshet
